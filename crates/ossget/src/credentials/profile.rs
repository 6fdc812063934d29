//! Profiles: settings and credentials in the files of Alibaba Cloud's own tools.

mod aliyun;
mod ossutil;
mod shared;

use super::ini::Ini;
use super::sts::{Network, Role, Sts};
use super::{Credentials, CredentialsSource, Issued, Surroundings, file, malformed};
use crate::error::printable;
use crate::{Addressing, Error, ErrorKind, SignatureVersion};
use async_trait::async_trait;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Settings and credentials under a name, in a file of Alibaba Cloud's own tools:
///
/// - ossutil's `~/.ossutilconfig`, the sections of 1.x (`[Credentials]`, `[Bucket-Endpoint]`,
///   `[Bucket-Cname]`) and those of 2.x (`[default]`, `[profile NAME]`, `[buckets NAME]`) in one file;
/// - the `config.json` of Alibaba Cloud's command line, usually in `~/.aliyun`;
/// - the INI file of Alibaba Cloud's credentials libraries, `~/.alibabacloud/credentials` or
///   `credentials.ini`.
///
/// Which of them a file is, its content tells. It may have 1 MiB.
#[derive(Clone, Debug)]
pub struct Profile {
    name: String,
    path: PathBuf,
    settings: ProfileSettings,
    recipe: Recipe,
}

/// What a profile says about where the objects are, as far as it does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProfileSettings {
    /// The endpoint, as it is written there.
    pub endpoint: Option<String>,
    /// The region, as it is written there.
    pub region: Option<String>,
    /// How the bucket is addressed.
    pub addressing: Option<Addressing>,
    /// The version of the signature.
    pub sign_version: Option<SignatureVersion>,
    /// The id of a Cloud Box.
    pub cloud_box_id: Option<String>,
}

/// How a profile gets its credentials.
#[derive(Clone, Debug)]
pub(super) enum Recipe {
    /// It says nothing about it.
    None,
    /// Requests are not to be signed.
    Anonymous,
    /// A key or a token that stands in the file itself.
    Written(Pair),
    /// From elsewhere; whether a secret in the file is needed for it.
    Source(Arc<dyn CredentialsSource>, Secrecy),
}

/// Whether a file holds a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Secrecy {
    HoldsSecret,
    HoldsNone,
}

/// Which profile is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// `None` for the one that the file itself prefers.
    pub(super) name: Option<&'a str>,
    /// Some settings are of one bucket only.
    pub(super) bucket: Option<&'a str>,
    pub(super) around: &'a Surroundings,
}

impl Profile {
    /// Looks in the file at `path`. `None` if there is no such file, or no such profile in it.
    pub(super) fn find(path: &Path, wanted: Wanted<'_>) -> Result<Option<Self>, Error> {
        let Some(text) = file::read(path)? else {
            return Ok(None);
        };
        if text.trim_start().starts_with('{') {
            return aliyun::find(&text, path, wanted);
        }
        let ini = Ini::parse(&text, path)?;
        match shared::find(&ini, path, wanted)? {
            Some(profile) => Ok(Some(profile)),
            None => ossutil::find(&ini, path, wanted),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that it stands in.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says about where the objects are.
    #[must_use]
    pub const fn settings(&self) -> &ProfileSettings {
        &self.settings
    }

    /// Whether it says how to get credentials, or that none are wanted.
    #[must_use]
    pub const fn has_credentials(&self) -> bool {
        !matches!(self.recipe, Recipe::None)
    }

    /// Whether it says that requests are not to be signed.
    #[must_use]
    pub const fn is_anonymous(&self) -> bool {
        matches!(self.recipe, Recipe::Anonymous)
    }

    /// What should be known about it although nothing fails: a sentence each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let holds_secret =
            matches!(self.recipe, Recipe::Written(_) | Recipe::Source(_, Secrecy::HoldsSecret));
        let exposed = holds_secret.then(|| file::exposed(&self.path));
        exposed.flatten().into_iter().collect()
    }

    /// The way to its credentials; the file is read anew each time. `None` if it has none.
    pub(super) fn source(&self, around: &Surroundings) -> Option<ProfileSource> {
        let how = match &self.recipe {
            Recipe::None | Recipe::Anonymous => return None,
            Recipe::Written(pair) => pair.describe(),
            Recipe::Source(source, _) => source.describe(),
        };
        let (name, path) = (self.name.clone(), self.path.clone());
        Some(ProfileSource { name, path, how, around: around.clone() })
    }
}

/// The credentials of a profile. Its file is read anew each time, since other programs renew what
/// stands there.
#[derive(Debug)]
pub(super) struct ProfileSource {
    name: String,
    path: PathBuf,
    how: String,
    around: Surroundings,
}

#[async_trait]
impl CredentialsSource for ProfileSource {
    async fn issue(&self) -> Result<Issued, Error> {
        let wanted = Wanted { name: Some(&self.name), bucket: None, around: &self.around };
        let recipe = Profile::find(&self.path, wanted)?.map(|profile| profile.recipe);
        match recipe {
            Some(Recipe::Written(pair)) => pair.issue().await,
            Some(Recipe::Source(source, _)) => source.issue().await,
            Some(Recipe::None | Recipe::Anonymous) | None => {
                let what = place(&self.path, &self.name);
                let message = format!("{what} has no credentials any more");
                Err(Error::new(ErrorKind::Credentials, message))
            }
        }
    }

    fn describe(&self) -> String {
        format!("{}: {}", place(&self.path, &self.name), self.how)
    }
}

/// A key pair that stands in a file, perhaps with a token and the end of that.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    credentials: Credentials,
    expiration: Option<SystemTime>,
}

/// The halves of a key pair as a file has them.
pub(super) struct Halves<'a> {
    pub(super) id: Option<&'a str>,
    pub(super) secret: Option<&'a str>,
    pub(super) token: Option<&'a str>,
}

impl Pair {
    /// Checks what stands in the profile that `place` names.
    pub(super) fn new(halves: &Halves<'_>, place: &str) -> Result<Self, Error> {
        let missing = |what: &str| {
            Error::new(ErrorKind::Credentials, format!("{place} has no {what}"))
                .with_hint("write the missing half into the file, or choose another profile")
        };
        let id = halves.id.ok_or_else(|| missing("access key id"))?;
        let secret = halves.secret.ok_or_else(|| missing("access key secret"))?;
        let credentials = Credentials::new(id, secret)
            .and_then(|pair| pair.security_token(halves.token.unwrap_or_default()))
            .map_err(|error| malformed(error, &format!("pair in {place}")))?;
        Ok(Self { credentials, expiration: None })
    }

    pub(super) const fn until(mut self, expiration: Option<SystemTime>) -> Self {
        self.expiration = expiration;
        self
    }
}

#[async_trait]
impl CredentialsSource for Pair {
    async fn issue(&self) -> Result<Issued, Error> {
        let credentials = self.credentials.clone();
        Ok(match self.expiration {
            Some(end) => Issued::lasting_until(credentials, end, SystemTime::now()),
            None => Issued::lasting(credentials),
        })
    }

    fn describe(&self) -> String {
        match self.credentials.token() {
            Some(_) => "temporary access key".to_owned(),
            None => "access key".to_owned(),
        }
    }
}

/// A role as all the files have it, under their own names.
pub(super) struct RoleKeys<'a> {
    pub(super) arn: Option<&'a str>,
    pub(super) session_name: Option<&'a str>,
    pub(super) seconds: Option<&'a str>,
    pub(super) policy: Option<&'a str>,
    pub(super) external_id: Option<&'a str>,
    pub(super) sts_endpoint: Option<&'a str>,
    pub(super) sts_region: Option<&'a str>,
    pub(super) network: Network,
}

impl RoleKeys<'_> {
    pub(super) fn role(&self, place: &str) -> Result<Role, Error> {
        let arn = self.arn.ok_or_else(|| missing(place, "ARN of a role"))?;
        let mut role = Role::new(arn).at(Sts {
            // ossutil 1.x has been given hosts under the name of a region.
            endpoint: self
                .sts_endpoint
                .or_else(|| self.sts_region.filter(|region| region.contains('.')))
                .map(str::to_owned),
            region: self.sts_region.map(str::to_owned),
            network: self.network,
        });
        if let Some(name) = self.session_name {
            role = role.session_name(name);
        }
        if let Some(seconds) = self.seconds {
            let seconds = seconds.parse().ok().filter(|seconds| *seconds > 0).ok_or_else(|| {
                let shown = printable(seconds, MAX_SHOWN);
                let message = format!("{place} has `{shown}` seconds as the time of a session");
                Error::new(ErrorKind::Config, message).with_hint("write a number from 900 on")
            })?;
            role = role.duration(Duration::from_secs(seconds));
        }
        if let Some(policy) = self.policy {
            role = role.policy(policy);
        }
        if let Some(id) = self.external_id {
            role = role.external_id(id);
        }
        Ok(role)
    }
}

/// A profile and its file, in messages.
pub(super) fn place(path: &Path, name: &str) -> String {
    format!("profile `{}` in {}", printable(name, MAX_SHOWN), path.display())
}

/// A profile without what its mode needs.
pub(super) fn missing(place: &str, what: &str) -> Error {
    Error::new(ErrorKind::Credentials, format!("{place} has no {what}, which its mode needs"))
        .with_hint("complete the profile, or choose another one")
}

/// A mode that is not, or cannot be, served here.
pub(super) fn unknown_mode(place: &str, mode: &str, hint: &'static str) -> Error {
    let mode = printable(mode, MAX_SHOWN);
    let message = format!("{place} has the mode `{mode}`, which is not supported");
    Error::new(ErrorKind::Credentials, message).with_hint(hint)
}

/// Profiles that may lead to each other in a row; nobody needs more than two or three.
const DEEPEST: usize = 16;

const MAX_SHOWN: usize = 60;
