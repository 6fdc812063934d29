//! Where the credentials of a request come from.

mod chain;
mod environment;
mod exchange;
mod file;
mod ini;
mod issued;
mod metadata;
mod process;
mod profile;
mod refreshing;
mod sts;
mod surroundings;
mod uri;

pub use chain::{CredentialsChain, FoundCredentials};
pub use environment::EnvironmentCredentials;
pub use issued::{CredentialsSource, Issued};
pub use metadata::EcsRole;
pub use ossget_sign::Credentials;
pub use process::CredentialsProcess;
pub use profile::{Profile, ProfileSettings};
pub use refreshing::Refreshing;
pub use sts::{AssumeRole, OidcRole, Role};
pub use surroundings::Surroundings;
pub use uri::CredentialsUri;

use crate::{Error, ErrorKind};
use async_trait::async_trait;
use ossget_sign::SignError;
use std::fmt;
use std::sync::Arc;

/// Where the credentials of a request come from. Asked for each request.
///
/// Implementations keep what they have and renew it in good time; when they are asked while a
/// renewal is under way, they wait for that one. [`Refreshing`] does all of that for a
/// [`CredentialsSource`]. `Debug` must not show secrets.
#[async_trait]
pub trait CredentialsProvider: fmt::Debug + Send + Sync + 'static {
    /// The credentials to sign with, or `None` to send requests unsigned.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Credentials`] if there are none, and any kind for a failure to get them;
    /// [`Error::is_transient`] decides whether the request is tried again.
    ///
    /// # Cancel safety
    ///
    /// Implementations must be safe to drop at any time.
    async fn credentials(&self) -> Result<Option<Credentials>, Error>;

    /// Where the credentials come from, in words and without their values.
    fn describe(&self) -> String;

    /// Whether there never are any credentials. An unencrypted endpoint needs no permission then.
    fn is_anonymous(&self) -> bool {
        false
    }

    /// Learns that the service has refused these credentials, which it once gave: they have expired,
    /// or were withdrawn. It is asked for others at once, and should not give these again if it can
    /// get any. Credentials that it gives no longer mean nothing to it.
    ///
    /// Does nothing unless implemented: what is read anew each time needs no telling.
    fn refused(&self, credentials: &Credentials) {
        let _ = credentials;
    }
}

#[async_trait]
impl<P: CredentialsProvider + ?Sized> CredentialsProvider for Arc<P> {
    async fn credentials(&self) -> Result<Option<Credentials>, Error> {
        self.as_ref().credentials().await
    }

    fn describe(&self) -> String {
        self.as_ref().describe()
    }

    fn is_anonymous(&self) -> bool {
        self.as_ref().is_anonymous()
    }

    fn refused(&self, credentials: &Credentials) {
        self.as_ref().refused(credentials);
    }
}

/// Always the same credentials.
#[derive(Clone, Debug)]
pub struct StaticCredentials(Credentials);

impl StaticCredentials {
    /// Always `credentials`.
    #[must_use]
    pub const fn new(credentials: Credentials) -> Self {
        Self(credentials)
    }

    /// An access key pair without a security token.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Credentials`] if one of them is empty or holds what it cannot.
    pub fn access_key(id: impl Into<String>, secret: impl Into<String>) -> Result<Self, Error> {
        Credentials::new(id, secret).map(Self).map_err(|error| malformed(error, "access key pair"))
    }
}

#[async_trait]
impl CredentialsProvider for StaticCredentials {
    async fn credentials(&self) -> Result<Option<Credentials>, Error> {
        Ok(Some(self.0.clone()))
    }

    fn describe(&self) -> String {
        "given credentials".to_owned()
    }
}

/// No credentials: requests are not signed, as for a public bucket.
#[derive(Clone, Copy, Debug, Default)]
pub struct Anonymous;

#[async_trait]
impl CredentialsProvider for Anonymous {
    async fn credentials(&self) -> Result<Option<Credentials>, Error> {
        Ok(None)
    }

    fn describe(&self) -> String {
        "no credentials (anonymous)".to_owned()
    }

    fn is_anonymous(&self) -> bool {
        true
    }
}

/// Credentials that cannot be such. The cause says which part, and never its value.
fn malformed(error: SignError, origin: &str) -> Error {
    Error::new(ErrorKind::Credentials, format!("the {origin} cannot be used")).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn static_credentials_are_given_as_they_are() {
        let provider = StaticCredentials::access_key("ak", "canary-secret").unwrap();
        let given = provider.credentials().await.unwrap().unwrap();
        assert_eq!(given.access_key_id(), "ak");
        assert!(!provider.is_anonymous());
        assert!(!format!("{provider:?} {}", provider.describe()).contains("canary"));
    }

    #[tokio::test]
    async fn anonymous_has_none_and_says_so() {
        assert!(Anonymous.credentials().await.unwrap().is_none());
        assert!(Anonymous.is_anonymous());
        let shared: Arc<dyn CredentialsProvider> = Arc::new(Anonymous);
        assert!(Arc::new(shared).is_anonymous());
    }

    #[test]
    fn unusable_credentials_are_refused_without_being_shown() {
        for (id, secret) in [("", "canary"), ("ak", ""), ("ak", "canary\n"), ("canary/x", "sk")] {
            let error = StaticCredentials::access_key(id, secret).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Credentials);
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
    }
}
