//! What a build without other stores says of them.

use crate::hi::usage;
use crate::low::IdentityArgs;
use ossget::{ClientBuilder, Error, Object};
use std::fmt;

/// An object of another store: none, in this build.
#[derive(Clone, Debug)]
pub(crate) enum StoreUrl {}

impl StoreUrl {
    pub(crate) fn parse(text: &str, _: Option<&str>) -> Result<Self, Error> {
        let scheme = text.split(':').next().unwrap_or_default();
        Err(usage(format!("SRC {scheme}:// is not supported by this build"))
            .with_hint("build ossget with `--features clouds`"))
    }

    pub(crate) fn object(&self) -> Object {
        match *self {}
    }

    pub(crate) fn client(&self, _: &IdentityArgs) -> Result<ClientBuilder, Error> {
        match *self {}
    }

    pub(crate) fn account(&self, _: &IdentityArgs) -> String {
        match *self {}
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}
