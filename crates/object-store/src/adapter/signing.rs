//! URLs for others.

use super::OssStore;
use super::error::{generic, told};
use super::object_store::{Error, path::Path};
use http::Method;
use std::time::Duration;
use url::Url;

impl OssStore {
    /// A URL by which whoever has it may send a request of this method for the object, for so long: up
    /// to 7 days with V4. Nothing is sent for it, as long as the credentials are at hand.
    ///
    /// With the feature `signer` it is what `Signer` of object_store 0.14 calls. That of 0.13 comes
    /// with reqwest only, so there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Generic`] for a time that is too long; those of the provider of credentials.
    pub async fn sign_url(
        &self,
        method: Method,
        path: &Path,
        expires_in: Duration,
    ) -> Result<Url, Error> {
        let object = self.object(path)?;
        let signed = self.bucket.sign_url(method.as_str(), &object, expires_in).await;
        let signed = signed.map_err(|error| told(error, path))?;
        Url::parse(&signed.expose()).map_err(generic)
    }
}
