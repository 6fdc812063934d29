//! Which credentials sign the requests.

use crate::environment::Environment;
use crate::low::IdentityArgs;
use crate::network;
use ossget::{
    Anonymous, Credentials, CredentialsChain, CredentialsProvider, Error, ErrorKind,
    FoundCredentials, Profile, StaticCredentials, Surroundings,
};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

/// Credentials, and what the user should know about where they come from.
#[derive(Debug)]
pub(crate) struct Credentialed {
    /// Signs the requests.
    pub(crate) provider: Arc<dyn CredentialsProvider>,
    /// The profile whose settings apply.
    pub(crate) profile: Option<Profile>,
    /// A sentence each.
    pub(crate) warnings: Vec<String>,
}

/// The credentials that flags, environment, files and this machine give, in this order. Flags win,
/// each over its own variable; the security token comes from where the secret comes from, unless it
/// has a file of its own: one that belongs to another pair would only be denied.
///
/// # Errors
///
/// [`ErrorKind::Credentials`] for half a pair, or what cannot be used; [`ErrorKind::Config`] for a
/// file that cannot be read, and a profile that is not there.
pub(crate) fn credentials(
    low: &IdentityArgs,
    environment: &Environment,
    bucket: Option<&str>,
) -> Result<Credentialed, Error> {
    let chain = chain(low, environment, bucket);
    if low.anonymous {
        let (provider, profile) = (Arc::new(Anonymous), chain.find_profile()?);
        return Ok(Credentialed { provider, profile, warnings: Vec::new() });
    }
    let (secret_file, token_file) = (&low.access_key_secret_file, &low.sts_token_file);
    if low.access_key_id.is_none() && secret_file.is_none() && token_file.is_none() {
        let FoundCredentials { provider, profile, warnings, .. } = chain.find()?;
        return Ok(Credentialed { provider, profile, warnings });
    }
    let id = match &low.access_key_id {
        Some(id) => id.clone(),
        None => variable(OSS_ID, environment)?
            .ok_or_else(|| missing("access key id", "-i/--access-key-id", OSS_ID))?,
    };
    let secret = match secret_file {
        Some(path) => secret_in(path)?,
        None => variable(OSS_SECRET, environment)?
            .ok_or_else(|| missing("access key secret", "--access-key-secret-file", OSS_SECRET))?,
    };
    let token = match (token_file, secret_file) {
        (Some(path), _) => secret_in(path)?,
        (None, Some(_)) => String::new(),
        (None, None) => variable(OSS_TOKEN, environment)?.unwrap_or_default(),
    };
    let credentials = Credentials::new(id, secret)
        .and_then(|pair| pair.security_token(token))
        .map_err(|error| {
            Error::new(ErrorKind::Credentials, "the given credentials cannot be used")
                .with_source(error)
        })?;
    let files = [secret_file, token_file];
    let warnings = files.into_iter().flatten().filter_map(|path| exposed(path)).collect();
    let provider = chain.with_role(Arc::new(StaticCredentials::new(credentials)))?;
    Ok(Credentialed { provider, profile: chain.find_profile()?, warnings })
}

/// Where credentials and settings are looked for beside the flags.
fn chain(low: &IdentityArgs, environment: &Environment, bucket: Option<&str>) -> CredentialsChain {
    let environment = environment.clone();
    let proxy = network::proxy(&low.network, &environment);
    let mut around = Surroundings::with_lookup(move |name| environment.get(name)).proxy(proxy);
    if let Some(path) = &low.ca_cert {
        around = around.ca_cert(path);
    }
    let mut chain = CredentialsChain::new(around);
    if let Some(name) = &low.profile.profile {
        chain = chain.profile(name);
    }
    if let Some(path) = &low.profile.config_file {
        chain = chain.config_file(path);
    }
    if let Some(bucket) = bucket {
        chain = chain.bucket(bucket);
    }
    chain
}

/// The secret in a file, without the line break that editors put at its end.
fn secret_in(path: &Path) -> Result<String, Error> {
    let failed = |error| {
        let what = format!("cannot read {}", path.display());
        Error::new(ErrorKind::Config, what).with_source(error)
    };
    let mut secret = String::new();
    let file = File::open(path).map_err(failed)?;
    file.take(LONGEST_SECRET + 1).read_to_string(&mut secret).map_err(failed)?;
    if secret.len() as u64 > LONGEST_SECRET {
        let what = format!("{} holds more than 64 KiB, which is no secret", path.display());
        return Err(Error::new(ErrorKind::Config, what));
    }
    secret.truncate(secret.trim_end().len());
    if secret.is_empty() {
        let what = format!("{} is empty", path.display());
        return Err(Error::new(ErrorKind::Credentials, what));
    }
    Ok(secret)
}

/// What to say about a file of secrets that others can read. A pipe, as of `<(…)`, is nobody
/// else's.
#[cfg(unix)]
pub(crate) fn exposed(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let found = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    (found.permissions().mode() & 0o044 != 0).then(|| {
        let path = path.display();
        format!("other users of this machine can read {path}; `chmod 600` it")
    })
}

/// Permissions say nothing here that could be told in a sentence.
#[cfg(not(unix))]
pub(crate) fn exposed(_: &Path) -> Option<String> {
    None
}

fn variable(name: &str, environment: &Environment) -> Result<Option<String>, Error> {
    environment.get(name).map(OsString::into_string).transpose().map_err(|_| {
        let what = format!("the environment variable {name} is not UTF-8");
        Error::new(ErrorKind::Credentials, what)
    })
}

fn missing(what: &str, flag: &str, variable: &str) -> Error {
    Error::new(ErrorKind::Credentials, format!("there is no {what}"))
        .with_hint(format!("give {flag} or set {variable}"))
}

/// A security token has some hundred bytes. Not everything that can be opened ever ends.
const LONGEST_SECRET: u64 = 64 << 10;

const OSS_ID: &str = "OSS_ACCESS_KEY_ID";
const OSS_SECRET: &str = "OSS_ACCESS_KEY_SECRET";
const OSS_TOKEN: &str = "OSS_SESSION_TOKEN";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::low::{Command, LowArgs};

    const PAIR: &[(&str, &str)] = &[
        ("OSS_ACCESS_KEY_ID", "env-id"),
        ("OSS_ACCESS_KEY_SECRET", "canary-env"),
        ("OSS_SESSION_TOKEN", "canary-token"),
    ];

    const NO_ECS: &[(&str, &str)] = &[("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")];

    type Variables = &'static [(&'static str, &'static str)];

    async fn given(flags: &[&str], variables: Variables) -> Result<Option<Credentials>, ErrorKind> {
        let fixed = ["ossget", "get", "oss://bkt/k", "f"];
        let arguments = fixed.iter().chain(flags).map(OsString::from);
        let Command::Get(low) = LowArgs::parse_arguments(arguments).unwrap().command else {
            panic!("not `get`");
        };
        let provider = credentials(&low.identity, &Environment::of(variables), None);
        match provider {
            Ok(found) => found.provider.credentials().await.map_err(|error| error.kind()),
            Err(error) => {
                assert!(!format!("{error} {error:?}").contains("canary"));
                Err(error.kind())
            }
        }
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        file
    }

    #[tokio::test]
    async fn the_environment_serves_where_no_flag_is_given() {
        let found = given(&[], PAIR).await.unwrap().unwrap();
        assert_eq!(found.access_key_id(), "env-id");
        assert!(found.token().is_some());
        assert_eq!(given(&[], NO_ECS).await.unwrap_err(), ErrorKind::Credentials);
        assert!(given(&["--anonymous"], PAIR).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn the_token_comes_from_where_the_secret_comes_from() {
        let (secret, token) = (file("canary-file\n"), file("token-file\r\n"));
        let (secret, token) = (secret.path().to_str().unwrap(), token.path().to_str().unwrap());
        let flags = ["-i", "flag-id", "--access-key-secret-file", secret];
        let found = given(&flags, PAIR).await.unwrap().unwrap();
        assert_eq!(found.access_key_id(), "flag-id");
        assert!(found.token().is_none());
        let with_token = [&flags[..], &["--sts-token-file", token]].concat();
        assert!(given(&with_token, PAIR).await.unwrap().unwrap().token().is_some());
        let found = given(&["-i", "flag-id"], PAIR).await.unwrap().unwrap();
        assert_eq!(found.access_key_id(), "flag-id");
        assert!(found.token().is_some());
        let found = given(&["--sts-token-file", token], &PAIR[..2]).await.unwrap().unwrap();
        assert!(found.access_key_id() == "env-id" && found.token().is_some());
    }

    #[tokio::test]
    async fn half_a_pair_is_no_pair() {
        assert_eq!(given(&["-i", "ak"], &[]).await.unwrap_err(), ErrorKind::Credentials);
        let secret = file("canary-file");
        let flags = ["--access-key-secret-file", secret.path().to_str().unwrap()];
        assert_eq!(given(&flags, &[]).await.unwrap_err(), ErrorKind::Credentials);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_file_that_never_ends_is_refused() {
        let flags = ["-i", "ak", "--access-key-secret-file", "/dev/zero"];
        assert_eq!(given(&flags, &[]).await.unwrap_err(), ErrorKind::Config);
        let large = file(&"x".repeat(64 * 1024 + 1));
        let flags = ["-i", "ak", "--access-key-secret-file", large.path().to_str().unwrap()];
        assert_eq!(given(&flags, &[]).await.unwrap_err(), ErrorKind::Config);
    }

    /// Faults: 145.
    #[cfg(unix)]
    #[test]
    fn a_secret_that_others_can_read_is_told() {
        use std::os::unix::fs::PermissionsExt as _;
        let secret = file("canary");
        for (mode, told) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true)] {
            fs::set_permissions(secret.path(), fs::Permissions::from_mode(mode)).unwrap();
            let arguments = ["ossget", "get", "oss://bkt/k", "f", "-i", "ak"].map(OsString::from);
            let mut arguments = arguments.to_vec();
            arguments.extend(["--access-key-secret-file".into(), secret.path().into()]);
            let Command::Get(low) = LowArgs::parse_arguments(arguments).unwrap().command else {
                panic!("not `get`");
            };
            let found = credentials(&low.identity, &Environment::of(&[]), None).unwrap();
            assert_eq!(!found.warnings.is_empty(), told, "{mode:o}: {:?}", found.warnings);
            assert!(!format!("{found:?}").contains("canary"));
        }
    }

    #[tokio::test]
    async fn a_file_without_a_secret_is_refused() {
        let missing = ["-i", "ak", "--access-key-secret-file", "/no/such/file"];
        assert_eq!(given(&missing, &[]).await.unwrap_err(), ErrorKind::Config);
        for text in ["", "\n", "two\ncanary"] {
            let secret = file(text);
            let flags = ["-i", "ak", "--access-key-secret-file", secret.path().to_str().unwrap()];
            assert_eq!(given(&flags, &[]).await.unwrap_err(), ErrorKind::Credentials, "{text:?}");
        }
    }
}
