//! Credentials out of environment variables.

use super::{Credentials, CredentialsProvider, malformed};
use crate::{Error, ErrorKind};
use async_trait::async_trait;
use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;

/// Credentials out of environment variables, read anew for each request.
///
/// First `OSS_ACCESS_KEY_ID`, `OSS_ACCESS_KEY_SECRET` and, for temporary credentials,
/// `OSS_SESSION_TOKEN`, as the OSS SDKs read them; then `ALIBABA_CLOUD_ACCESS_KEY_ID`,
/// `ALIBABA_CLOUD_ACCESS_KEY_SECRET` and `ALIBABA_CLOUD_SECURITY_TOKEN`, as Alibaba Cloud's
/// credentials libraries do. An empty variable is as good as none. Half a pair is an error: what
/// was meant must not be replaced silently by something else.
#[derive(Clone)]
pub struct EnvironmentCredentials {
    lookup: Lookup,
}

type Lookup = Arc<dyn Fn(&str) -> Option<OsString> + Send + Sync>;

impl EnvironmentCredentials {
    /// Reads the environment of this process.
    #[must_use]
    pub fn new() -> Self {
        Self::with_lookup(|name| std::env::var_os(name))
    }

    /// Reads variables through `lookup`, which is given their names.
    #[must_use]
    pub fn with_lookup(lookup: impl Fn(&str) -> Option<OsString> + Send + Sync + 'static) -> Self {
        Self { lookup: Arc::new(lookup) }
    }

    /// Whether anything of a pair is set.
    pub(super) fn is_set(&self) -> bool {
        let is_set = |name: &str| (self.lookup)(name).is_some_and(|value| !value.is_empty());
        NAMES.iter().any(|names| is_set(names.id) || is_set(names.secret))
    }

    /// The variables of each family, in words.
    pub(super) fn names() -> [String; 2] {
        NAMES.map(|names| names.to_string())
    }

    fn read(&self) -> Result<Credentials, Error> {
        for names in &NAMES {
            let (id, secret) = (self.variable(names.id)?, self.variable(names.secret)?);
            let (id, secret) = match (id, secret) {
                (Some(id), Some(secret)) => (id, secret),
                (None, None) => continue,
                (Some(_), None) => return Err(half(names.id, names.secret)),
                (None, Some(_)) => return Err(half(names.secret, names.id)),
            };
            let token = self.variable(names.token)?.unwrap_or_default();
            return Credentials::new(id, secret)
                .and_then(|pair| pair.security_token(token))
                .map_err(|error| malformed(error, &format!("pair in {names}")));
        }
        let [first, second] = &NAMES;
        let message = format!("there are no credentials in {first}, nor in {second}");
        Err(Error::new(ErrorKind::Credentials, message))
    }

    fn variable(&self, name: &str) -> Result<Option<String>, Error> {
        let value = (self.lookup)(name).filter(|value| !value.is_empty());
        value.map(OsString::into_string).transpose().map_err(|_| {
            let message = format!("the environment variable {name} is not UTF-8");
            Error::new(ErrorKind::Credentials, message)
        })
    }
}

#[async_trait]
impl CredentialsProvider for EnvironmentCredentials {
    async fn credentials(&self) -> Result<Option<Credentials>, Error> {
        self.read().map(Some)
    }

    fn describe(&self) -> String {
        let is_set = |names: &&Names| (self.lookup)(names.id).is_some_and(|it| !it.is_empty());
        let names = NAMES.iter().find(is_set).unwrap_or(&NAMES[0]);
        format!("environment variables {names}")
    }
}

impl Default for EnvironmentCredentials {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for EnvironmentCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvironmentCredentials").finish_non_exhaustive()
    }
}

/// The variables of one family.
struct Names {
    id: &'static str,
    secret: &'static str,
    token: &'static str,
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} and {}", self.id, self.secret)
    }
}

fn half(set: &str, missing: &str) -> Error {
    let message = format!("the environment variable {set} is set, but {missing} is not");
    Error::new(ErrorKind::Credentials, message)
}

const NAMES: [Names; 2] = [
    Names { id: "OSS_ACCESS_KEY_ID", secret: "OSS_ACCESS_KEY_SECRET", token: "OSS_SESSION_TOKEN" },
    Names {
        id: "ALIBABA_CLOUD_ACCESS_KEY_ID",
        secret: "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
        token: "ALIBABA_CLOUD_SECURITY_TOKEN",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(variables: &'static [(&'static str, &'static str)]) -> EnvironmentCredentials {
        EnvironmentCredentials::with_lookup(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        })
    }

    const OSS: [(&str, &str); 2] =
        [("OSS_ACCESS_KEY_ID", "oss-id"), ("OSS_ACCESS_KEY_SECRET", "canary-oss")];

    #[tokio::test]
    async fn the_names_of_oss_come_first() {
        let provider = provider(&[
            OSS[0],
            OSS[1],
            ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ali-id"),
            ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "canary-ali"),
            ("ALIBABA_CLOUD_SECURITY_TOKEN", "canary-token"),
        ]);
        let given = provider.credentials().await.unwrap().unwrap();
        assert_eq!(given.access_key_id(), "oss-id");
        assert!(given.token().is_none());
        assert!(provider.describe().contains("OSS_ACCESS_KEY_ID"));
        assert!(!format!("{provider:?} {}", provider.describe()).contains("canary"));
    }

    #[test]
    fn the_names_of_alibaba_cloud_come_second_and_each_has_its_token() {
        let provider = provider(&[
            ("OSS_ACCESS_KEY_ID", ""),
            ("OSS_SESSION_TOKEN", "wrong"),
            ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ali-id"),
            ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "canary-ali"),
            ("ALIBABA_CLOUD_SECURITY_TOKEN", "t"),
        ]);
        let given = provider.read().unwrap();
        assert_eq!(given.access_key_id(), "ali-id");
        assert!(given.token().is_some());
        assert!(provider.describe().contains("ALIBABA_CLOUD_ACCESS_KEY_ID"));
    }

    #[test]
    fn a_session_token_makes_the_pair_temporary() {
        let with_token = provider(&[OSS[0], OSS[1], ("OSS_SESSION_TOKEN", "t")]);
        assert!(with_token.read().unwrap().token().is_some());
        let empty_token = provider(&[OSS[0], OSS[1], ("OSS_SESSION_TOKEN", "")]);
        assert!(empty_token.read().unwrap().token().is_none());
    }

    #[test]
    fn half_a_pair_is_refused_and_both_names_are_told() {
        let ali = [
            ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ali-id"),
            ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "canary-ali"),
        ];
        for half in OSS {
            let variables: &'static [_] = Box::leak(Box::new([half, ali[0], ali[1]]));
            let error = provider(variables).read().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Credentials);
            let message = error.to_string();
            assert!(message.contains(OSS[0].0) && message.contains(OSS[1].0), "{message}");
            assert!(!message.contains("canary"), "{message}");
        }
    }

    #[test]
    fn without_any_the_names_to_set_are_told() {
        let error = provider(&[]).read().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credentials);
        for name in NAMES.iter().flat_map(|names| [names.id, names.secret]) {
            assert!(error.to_string().contains(name), "{name}");
        }
    }

    #[test]
    fn a_value_that_cannot_be_is_refused_and_not_shown() {
        let newline = provider(&[OSS[0], ("OSS_ACCESS_KEY_SECRET", "canary\n")]);
        let error = newline.read().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credentials);
        assert!(!format!("{error} {error:?}").contains("canary"));
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_not_utf8_is_refused() {
        use std::os::unix::ffi::OsStringExt;
        let provider =
            EnvironmentCredentials::with_lookup(|_| Some(OsString::from_vec(vec![b'a', 0xff])));
        assert!(provider.read().unwrap_err().to_string().contains("OSS_ACCESS_KEY_ID"));
    }
}
