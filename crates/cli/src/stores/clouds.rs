//! Sources in other clouds, and files.

use crate::hi::usage;
use crate::low::IdentityArgs;
use ossget::{Client, ClientBuilder, Error, Object};
use ossget_object_store::{Access, StoreUrl as Url};
use std::fmt;

/// An object of another store, perhaps a certain version of it.
#[derive(Clone, Debug)]
pub(crate) struct StoreUrl {
    url: Url,
    object: Object,
}

impl StoreUrl {
    pub(crate) fn parse(text: &str, version: Option<&str>) -> Result<Self, Error> {
        let url: Url = text.parse()?;
        let object = match version {
            Some(_) if url.is_file() => {
                return Err(usage("--version-id does not go with a file"));
            }
            Some(id) => url.object().version_id(id)?,
            None => url.object(),
        };
        Ok(Self { url, object })
    }

    pub(crate) fn object(&self) -> Object {
        self.object.clone()
    }

    /// A client of the store.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](ossget::ErrorKind::Config) for flags that say how OSS is asked.
    pub(crate) fn client(&self, identity: &IdentityArgs) -> Result<ClientBuilder, Error> {
        refuse(identity)?;
        let (url, access) = (self.url.clone(), access(identity));
        Ok(Client::of_source(move |network| url.open(network, access)))
    }

    /// Who asks, in words.
    pub(crate) fn account(&self, identity: &IdentityArgs) -> String {
        match access(identity) {
            Access::Anonymous => "none".to_owned(),
            Access::OfTheEnvironment => format!("what the environment has for {}", self.url),
        }
    }
}

fn access(identity: &IdentityArgs) -> Access {
    if identity.anonymous { Access::Anonymous } else { Access::OfTheEnvironment }
}

/// What is set for OSS in the environment means nothing to another store; who gives a flag means it.
fn refuse(identity: &IdentityArgs) -> Result<(), Error> {
    let IdentityArgs { endpoint, region, access_key_id, sign_version, addressing_style, .. } =
        identity;
    let profile = &identity.profile;
    let given = [
        ("-e/--endpoint", endpoint.is_some()),
        ("--region", region.is_some()),
        ("-i/--access-key-id", access_key_id.is_some()),
        ("--access-key-secret-file", identity.access_key_secret_file.is_some()),
        ("--sts-token-file", identity.sts_token_file.is_some()),
        ("--sign-version", sign_version.is_some()),
        ("--addressing-style", addressing_style.is_some()),
        ("--profile", profile.profile.is_some()),
        ("-c/--config-file", profile.config_file.is_some()),
        ("--cloud-box-id", profile.cloud_box_id.is_some()),
    ];
    match given.iter().find(|(_, is_given)| *is_given) {
        None => Ok(()),
        Some((flag, _)) => Err(usage(format!("{flag} is of OSS, and SRC is in another store"))
            .with_hint("set what the store's own tools take: AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID; GOOGLE_…; AZURE_…")),
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}
