//! The parameters of a URL that others may read an object by.

use super::OssSource;
use super::options::REQUEST_PAYER;
use super::requests::version_query;
use crate::error::printable;
use crate::source::SourceError;
use crate::{Error, Object};

impl OssSource {
    /// The parameters of a URL for others, before it is signed. What is a header of our own
    /// requests must be one here, since nobody else would send it.
    pub(super) fn url_query(
        &self,
        object: &Object,
        wanted: &[(String, String)],
    ) -> Result<Vec<(String, String)>, SourceError> {
        let mut query = version_query(object);
        if self.requests.headers.contains_key(REQUEST_PAYER) {
            query.push((REQUEST_PAYER.to_string(), "requester".to_owned()));
        }
        for (name, value) in wanted {
            let is_there = query.iter().any(|(other, _)| other == name);
            if is_there || name.is_empty() || SIGNING_PARAMETERS.contains(&name.as_str()) {
                let name = printable(name, MAX_NAME);
                let bound = "a parameter that is given once and part of no signature";
                return Err(Error::config("query", format_args!("`{name}`"), bound).into());
            }
            query.push((name.clone(), value.clone()));
        }
        Ok(query)
    }
}

/// What signing adds to a query, in either version.
const SIGNING_PARAMETERS: [&str; 12] = [
    "Expires",
    "OSSAccessKeyId",
    "Signature",
    "security-token",
    "versionId",
    "x-oss-additional-headers",
    "x-oss-credential",
    "x-oss-date",
    "x-oss-expires",
    "x-oss-security-token",
    "x-oss-signature",
    "x-oss-signature-version",
];
/// Characters of a refused name that are shown.
const MAX_NAME: usize = 80;
