//! What signing gives back.

use std::fmt;

use http::{HeaderName, HeaderValue};

use crate::encode_query;

/// The headers that make a request a signed one.
///
/// `Debug` shows the names of the headers only: with temporary credentials the texts that were
/// signed hold the token.
#[derive(Clone, PartialEq, Eq)]
pub struct HeaderSignature {
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) canonical_request: Option<String>,
    pub(crate) string_to_sign: String,
}

impl HeaderSignature {
    /// Returns the headers to insert into the request, each name once, `authorization` last.
    ///
    /// They replace headers of the same name. `authorization` and `x-oss-security-token` are marked
    /// sensitive.
    #[must_use]
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    /// Gives the headers up, to insert them without a copy.
    #[must_use]
    pub fn into_headers(self) -> Vec<(HeaderName, HeaderValue)> {
        self.headers
    }

    /// Returns the canonical request of V4; V1 has none. It can hold the security token.
    #[must_use]
    pub fn canonical_request(&self) -> Option<&str> {
        self.canonical_request.as_deref()
    }

    /// Returns the text that was signed, to compare with the one in the service's
    /// `SignatureDoesNotMatch`. In V1 it can hold the security token.
    #[must_use]
    pub fn string_to_sign(&self) -> &str {
        &self.string_to_sign
    }
}

impl fmt::Debug for HeaderSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("HeaderSignature").field("headers", &names).finish_non_exhaustive()
    }
}

/// The query that makes a URL a presigned one.
///
/// Whoever has the query has the access it grants, so `Debug` shows the names of the parameters
/// only.
#[derive(Clone, PartialEq, Eq)]
pub struct QuerySignature {
    pub(crate) query: Vec<(String, String)>,
    pub(crate) canonical_request: Option<String>,
    pub(crate) string_to_sign: String,
    pub(crate) signature: String,
}

impl QuerySignature {
    /// Returns the complete query, decoded: the given parameters in their order, then the added
    /// ones.
    #[must_use]
    pub fn query(&self) -> &[(String, String)] {
        &self.query
    }

    /// Gives the complete, decoded query up.
    #[must_use]
    pub fn into_query(self) -> Vec<(String, String)> {
        self.query
    }

    /// Returns the complete query as it belongs on the wire, without a leading `?`.
    #[must_use]
    pub fn encoded_query(&self) -> String {
        encode_query(&self.query)
    }

    /// Returns the signature alone: lower-case hexadecimal in V4, base64 in V1.
    #[must_use]
    pub fn signature(&self) -> &str {
        &self.signature
    }

    /// Returns the canonical request of V4; V1 has none. It can hold the security token.
    #[must_use]
    pub fn canonical_request(&self) -> Option<&str> {
        self.canonical_request.as_deref()
    }

    /// Returns the text that was signed. In V1 it can hold the security token.
    #[must_use]
    pub fn string_to_sign(&self) -> &str {
        &self.string_to_sign
    }
}

impl fmt::Debug for QuerySignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.query.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("QuerySignature").field("query", &names).finish_non_exhaustive()
    }
}
