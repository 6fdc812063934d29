//! Where credentials are looked for when nobody says where they are.

use super::exchange::never_arrived;
use super::profile::{Profile, Wanted};
use super::{
    Anonymous, AssumeRole, CredentialsProvider, CredentialsSource, CredentialsUri, EcsRole,
    EnvironmentCredentials, Issued, OidcRole, Refreshing, Role, Surroundings, metadata,
};
use crate::error::printable;
use crate::{Error, ErrorKind};
use async_trait::async_trait;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where credentials are looked for when nobody says where they are, in this order:
///
/// 1. environment variables: `OSS_ACCESS_KEY_ID` and its like, then
///    `ALIBABA_CLOUD_ACCESS_KEY_ID` and its like, see [`EnvironmentCredentials`];
/// 2. a role by OpenID Connect, if its three variables are set, see [`OidcRole::of_variables`];
/// 3. `~/.ossutilconfig`;
/// 4. `~/.aliyun/config.json`, unless `ALIBABA_CLOUD_CLI_PROFILE_DISABLED` is `true`;
///    `ALIBABA_CLOUD_CONFIG_FILE` names another file;
/// 5. `~/.alibabacloud/credentials`, then `~/.alibabacloud/credentials.ini`;
///    `ALIBABA_CLOUD_CREDENTIALS_FILE` names another file;
/// 6. the role of the ECS instance, see [`EcsRole`]; `ALIBABA_CLOUD_ECS_METADATA` names the role;
/// 7. what `ALIBABA_CLOUD_CREDENTIALS_URI` leads to, see [`CredentialsUri`].
///
/// A named profile, or a named file, by [`profile`](Self::profile) and
/// [`config_file`](Self::config_file) or else by `OSS_PROFILE` and `OSS_CONFIG_FILE`, takes the place
/// of 3 to 5, and must be there. Where `OSS_ROLE_ARN` is set, that role is assumed with the
/// credentials of 1.
///
/// The first place where something is decides. If that cannot be used, the next ones are not tried:
/// what was meant must not be replaced silently by something else. Only 6 and 7 are tried in turn.
///
/// ```no_run
/// use ossget::{Client, CredentialsChain, Surroundings};
///
/// let found = CredentialsChain::new(Surroundings::new()).find()?;
/// let client = Client::builder("https://oss-cn-hangzhou.aliyuncs.com", found.provider).build()?;
/// # Ok::<(), ossget::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CredentialsChain {
    around: Surroundings,
    profile: Option<String>,
    config_file: Option<PathBuf>,
    bucket: Option<String>,
}

/// What a [`CredentialsChain`] has found.
#[derive(Clone, Debug)]
pub struct FoundCredentials {
    /// Gives the credentials.
    pub provider: Arc<dyn CredentialsProvider>,
    /// The profile whose settings apply, whether or not the credentials are its own.
    pub profile: Option<Profile>,
    /// What should be known although nothing fails: a sentence each.
    pub warnings: Vec<String>,
}

impl CredentialsChain {
    /// The chain in these surroundings.
    #[must_use]
    pub const fn new(surroundings: Surroundings) -> Self {
        Self { around: surroundings, profile: None, config_file: None, bucket: None }
    }

    /// The profile to use.
    #[must_use]
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.profile = Some(name.into());
        self
    }

    /// The only file to look for a profile in.
    #[must_use]
    pub fn config_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.config_file = Some(path.into());
        self
    }

    /// The bucket that a profile may have settings of its own for.
    #[must_use]
    pub fn bucket(mut self, name: impl Into<String>) -> Self {
        self.bucket = Some(name.into());
        self
    }

    /// Looks for credentials, and for a profile's settings. Asks no service and runs no program.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for a file that cannot be read, or a named profile that is not there;
    /// [`ErrorKind::Credentials`] for half a pair and the like.
    pub fn find(&self) -> Result<FoundCredentials, Error> {
        let selection = self.selection()?;
        if let Some(provider) = self.of_environment()? {
            let profile = self.settings(&selection)?;
            let mut warnings = Vec::new();
            if let Some(profile) = profile.as_ref().filter(|it| it.has_credentials())
                && selection.is_explicit()
            {
                warnings.push(format!(
                    "the credentials of profile `{}` are not used: {} come first",
                    printable(profile.name(), LONGEST_NAME),
                    provider.describe()
                ));
            }
            return Ok(FoundCredentials { provider, profile, warnings });
        }
        let profiles = self.profiles(&selection)?;
        let profile = profiles.first().cloned();
        let Some(with) = profiles.iter().find(|profile| profile.has_credentials()) else {
            let provider = self.last_resort(&selection)?;
            return Ok(FoundCredentials { provider, profile, warnings: Vec::new() });
        };
        let provider: Arc<dyn CredentialsProvider> = match with.source(&self.around) {
            Some(source) => Arc::new(Refreshing::new(source)),
            None => Arc::new(Anonymous),
        };
        Ok(FoundCredentials { provider, profile, warnings: with.warnings() })
    }

    /// Looks for a profile's settings alone, for whoever has credentials.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for a named profile or file that is not there or cannot be read. What
    /// is wrong with files that nobody has named is only logged.
    pub fn find_profile(&self) -> Result<Option<Profile>, Error> {
        self.settings(&self.selection()?)
    }

    /// Assumes the role in `OSS_ROLE_ARN`, if that is set, with the credentials of `provider`, under
    /// the name in `OSS_ROLE_SESSION_NAME`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for a variable that is not UTF-8.
    pub fn with_role(
        &self,
        provider: Arc<dyn CredentialsProvider>,
    ) -> Result<Arc<dyn CredentialsProvider>, Error> {
        let Some(arn) = self.around.variable("OSS_ROLE_ARN")? else {
            return Ok(provider);
        };
        let mut role = Role::new(arn);
        if let Some(name) = self.around.variable("OSS_ROLE_SESSION_NAME")? {
            role = role.session_name(name);
        }
        let source = AssumeRole::new(Arc::new(Provided(provider)), role, self.around.clone());
        Ok(Arc::new(Refreshing::new(source)))
    }

    fn of_environment(&self) -> Result<Option<Arc<dyn CredentialsProvider>>, Error> {
        let variables = EnvironmentCredentials::with_lookup(self.around.lookup());
        if variables.is_set() {
            return self.with_role(Arc::new(variables)).map(Some);
        }
        let oidc = OidcRole::of_variables(&self.around)?;
        Ok(oidc.map(|role| Arc::new(Refreshing::new(role)) as Arc<dyn CredentialsProvider>))
    }

    /// What is to be looked for, by what was set here or else by variables.
    fn selection(&self) -> Result<Selection, Error> {
        let name = match &self.profile {
            Some(name) => Some(name.clone()),
            None => self.around.variable("OSS_PROFILE")?,
        };
        let file = match &self.config_file {
            Some(path) => Some(path.clone()),
            None => self.around.variable("OSS_CONFIG_FILE")?.map(|it| self.around.expanded(&it)),
        };
        Ok(Selection { name, file })
    }

    fn settings(&self, selection: &Selection) -> Result<Option<Profile>, Error> {
        match self.profiles(selection) {
            Ok(profiles) => Ok(profiles.into_iter().next()),
            Err(error) if selection.is_explicit() => Err(error),
            Err(error) => {
                tracing::info!(%error, "a file of settings that nobody has named is not used");
                Ok(None)
            }
        }
    }

    /// The profiles that apply, the most important one first.
    fn profiles(&self, selection: &Selection) -> Result<Vec<Profile>, Error> {
        let name = selection.name.as_deref();
        let wanted = Wanted { name, bucket: self.bucket.as_deref(), around: &self.around };
        if let Some(path) = &selection.file {
            let found = Profile::find(path, wanted)?;
            return found.map(|profile| vec![profile]).ok_or_else(|| absent_in(path, name));
        }
        let mut profiles = Vec::new();
        let files = self.files()?;
        for path in &files {
            let Some(profile) = Profile::find(path, wanted)? else {
                continue;
            };
            profiles.push(profile);
            // The same name means something else in another program's file.
            if name.is_some() {
                break;
            }
        }
        match name {
            Some(name) if profiles.is_empty() => Err(absent(name, &files)),
            _ => Ok(profiles),
        }
    }

    /// The files in which a profile is looked for.
    fn files(&self) -> Result<Vec<PathBuf>, Error> {
        let around = &self.around;
        let named = |variable: &str| -> Result<Option<PathBuf>, Error> {
            Ok(around.variable(variable)?.map(|path| around.expanded(&path)))
        };
        let mut files = Vec::new();
        files.extend(around.at_home(".ossutilconfig"));
        if !around.says_yes("ALIBABA_CLOUD_CLI_PROFILE_DISABLED") {
            let path = named("ALIBABA_CLOUD_CONFIG_FILE")?;
            files.extend(path.or_else(|| around.at_home(".aliyun/config.json")));
        }
        match named("ALIBABA_CLOUD_CREDENTIALS_FILE")? {
            Some(path) => files.push(path),
            None => {
                files.extend(around.at_home(".alibabacloud/credentials"));
                files.extend(around.at_home(".alibabacloud/credentials.ini"));
            }
        }
        Ok(files)
    }

    /// Where nothing is set: what the machine itself may give.
    fn last_resort(&self, selection: &Selection) -> Result<Arc<dyn CredentialsProvider>, Error> {
        let around = &self.around;
        let role = around.variable("ALIBABA_CLOUD_ECS_METADATA")?;
        let ecs = (!around.says_yes(metadata::DISABLED)).then(|| {
            let ecs = EcsRole::new(around.clone());
            match role {
                Some(name) => ecs.role(name),
                None => ecs,
            }
        });
        let uri = CredentialsUri::of_variable(around)?;
        let files = match selection.is_explicit() {
            true => Vec::new(),
            false => self.files()?,
        };
        Ok(Arc::new(Refreshing::new(LastResort { ecs, uri, files })))
    }
}

/// Which profile, and where.
struct Selection {
    name: Option<String>,
    file: Option<PathBuf>,
}

impl Selection {
    fn is_explicit(&self) -> bool {
        self.name.is_some() || self.file.is_some()
    }
}

/// A provider as a source, for a role to be assumed with.
#[derive(Debug)]
struct Provided(Arc<dyn CredentialsProvider>);

#[async_trait]
impl CredentialsSource for Provided {
    async fn issue(&self) -> Result<Issued, Error> {
        let credentials = self.0.credentials().await?;
        credentials.map(Issued::lasting).ok_or_else(|| {
            let message = "a role cannot be assumed without credentials";
            Error::new(ErrorKind::Credentials, message)
        })
    }

    fn describe(&self) -> String {
        self.0.describe()
    }
}

/// The role of the ECS instance, or else what a URI gives.
#[derive(Debug)]
struct LastResort {
    ecs: Option<EcsRole>,
    uri: Option<CredentialsUri>,
    /// Where was looked in vain.
    files: Vec<PathBuf>,
}

impl LastResort {
    fn nothing(&self) -> Error {
        let files: Vec<String> = self.files.iter().map(|it| it.display().to_string()).collect();
        let files = match files.is_empty() {
            true => String::new(),
            false => format!(", nor in {}", files.join(", ")),
        };
        let ecs = if self.ecs.is_some() { ", and this machine has no ECS role" } else { "" };
        let message = format!(
            "there are no credentials in {}{files}{ecs}",
            EnvironmentCredentials::names().join(", nor in ")
        );
        Error::new(ErrorKind::Credentials, message)
            .with_hint("set OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET, or name a profile")
    }
}

#[async_trait]
impl CredentialsSource for LastResort {
    async fn issue(&self) -> Result<Issued, Error> {
        let from_ecs = match &self.ecs {
            Some(ecs) => Some(ecs.issue().await),
            None => None,
        };
        match (from_ecs, &self.uri) {
            (Some(Ok(issued)), _) => Ok(issued),
            (_, Some(uri)) => uri.issue().await,
            // It is there, and may give some later.
            (Some(Err(error)), None) if error.is_transient() && !never_arrived(&error) => {
                Err(error)
            }
            (Some(Err(error)), None) => Err(self.nothing().with_source(error)),
            (None, None) => Err(self.nothing()),
        }
    }

    fn describe(&self) -> String {
        let ecs = self.ecs.as_ref().map(CredentialsSource::describe);
        let uri = self.uri.as_ref().map(CredentialsSource::describe);
        let all: Vec<String> = ecs.into_iter().chain(uri).collect();
        match all.is_empty() {
            true => "no credentials".to_owned(),
            false => all.join(", or else "),
        }
    }
}

fn absent_in(path: &Path, name: Option<&str>) -> Error {
    let path = path.display();
    let message = match name {
        Some(name) => {
            format!("there is no profile `{}` in {path}", printable(name, LONGEST_NAME))
        }
        None => format!("there is no file {path}, or no default profile in it"),
    };
    Error::new(ErrorKind::Config, message).with_hint("correct the name of the profile or the file")
}

fn absent(name: &str, files: &[PathBuf]) -> Error {
    let name = printable(name, LONGEST_NAME);
    let files: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
    let message = match files.is_empty() {
        true => format!("there is no profile `{name}`: no home directory is known"),
        false => format!("there is no profile `{name}` in {}", files.join(", nor in ")),
    };
    Error::new(ErrorKind::Config, message).with_hint("correct the name of the profile")
}

const LONGEST_NAME: usize = 60;
