//! What requests ask for besides the object.

use crate::source::{OssSourceBuilder, Precondition, TrafficLimit};
use crate::{Error, ErrorKind};
use http::{HeaderName, HeaderValue};
use std::error::Error as StdError;
use std::str::FromStr as _;

/// What requests ask for besides the object.
#[derive(Debug, Default)]
pub(super) struct Asking {
    pub(super) payer: Option<Payer>,
    pub(super) traffic_limit: Option<TrafficLimit>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) preconditions: Vec<Precondition>,
    pub(super) overrides: Vec<(String, String)>,
}

/// Who pays, where the bucket's owner does not.
#[derive(Clone, Copy, Debug)]
pub(super) enum Payer {
    Requester,
}

impl Asking {
    pub(super) fn apply(self, mut source: OssSourceBuilder) -> Result<OssSourceBuilder, Error> {
        if let Some(Payer::Requester) = self.payer {
            source = source.requester_pays();
        }
        if let Some(limit) = self.traffic_limit {
            source = source.traffic_limit(limit);
        }
        for (name, value) in self.headers {
            let refused = |what: &str, error: Box<dyn StdError + Send + Sync>| {
                // A value may be a secret, and so may a name with a colon in it.
                Error::config("header", "(not shown)", what).with_source(error)
            };
            let name = HeaderName::from_str(&name)
                .map_err(|error| refused("of a name that HTTP allows", error.into()))?;
            let value = HeaderValue::from_str(&value)
                .map_err(|error| refused("of a value of visible characters", error.into()))?;
            source = source.header(name, value);
        }
        for (name, value) in &self.overrides {
            source = source.response_override(name, value);
        }
        Ok(self.preconditions.into_iter().fold(source, OssSourceBuilder::precondition))
    }

    /// There is nobody to ask: `whom` it does not go with, and what to do instead.
    pub(super) fn refuse(&self, whom: &str, hint: &'static str) -> Result<(), Error> {
        let Self { payer, traffic_limit, headers, preconditions, overrides } = self;
        let is_free = payer.is_none()
            && traffic_limit.is_none()
            && headers.is_empty()
            && preconditions.is_empty()
            && overrides.is_empty();
        match is_free {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::Config,
                format!("a payer, a traffic limit, headers, preconditions and queries do not go with {whom}"),
            )
            .with_hint(hint)),
        }
    }
}
