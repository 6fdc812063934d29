//! The signer: puts the building blocks of a version together.

use std::time::{Duration, SystemTime};

use http::header::{AUTHORIZATION, DATE};
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;

use crate::key_cache::KeyCache;
use crate::time::unix_seconds;
use crate::v4::{self, Scope};
use crate::{Credentials, HeaderSignature, QuerySignature, Request, SignError, http_date, v1};

/// A version of OSS's request signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignatureVersion {
    /// `OSS4-HMAC-SHA256`, the default of the current SDKs. Needs the region.
    V4,
    /// HMAC-SHA1. The service closes it step by step for new accounts and new buckets.
    V1,
}

/// Signs requests with one version of the signature.
///
/// With V4 it remembers the last key that it derived, which is good for a day; it is wiped when the
/// signer is dropped, and a clone begins without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    version: SignatureVersion,
    region: String,
    product: String,
    additional_headers: Vec<String>,
    keys: KeyCache,
}

impl Signer {
    /// Makes a signer for V4.
    ///
    /// The region is the bucket's, such as `cn-hangzhou` (not `oss-cn-hangzhou`); for a Cloud Box it
    /// is the id of the box, `cb-…`, and the [product](Self::product) is `oss-cloudbox`.
    ///
    /// # Errors
    ///
    /// [`SignError::Region`] if the region is not one or more of `a-z`, `0-9` and `-`, the form the
    /// Go and Python SDKs require.
    pub fn v4(region: impl Into<String>) -> Result<Self, SignError> {
        let region = region.into();
        if !is_scope_part(&region) {
            return Err(SignError::Region { region });
        }
        Ok(Self { version: SignatureVersion::V4, region, ..Self::v1() })
    }

    /// Makes a signer for V1, which knows neither region nor product nor additional headers.
    #[must_use]
    pub fn v1() -> Self {
        Self {
            version: SignatureVersion::V1,
            region: String::new(),
            product: DEFAULT_PRODUCT.to_owned(),
            additional_headers: Vec::new(),
            keys: KeyCache::default(),
        }
    }

    /// Sets the product of the scope, `oss` unless set; checked when signing. V1 ignores it.
    #[must_use]
    pub fn product(mut self, product: impl Into<String>) -> Self {
        self.product = product.into();
        self
    }

    /// Sets the names of headers to sign besides those that always are, such as `range` and `host`.
    ///
    /// Names that a request does not have are skipped for that request, see
    /// [`v4::additional_headers`]. V1 ignores all of them.
    #[must_use]
    pub fn additional_headers(
        mut self,
        names: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.additional_headers = names.into_iter().map(Into::into).collect();
        self
    }

    /// Returns the version this signer signs with.
    #[must_use]
    pub const fn version(&self) -> SignatureVersion {
        self.version
    }

    /// Signs a request in its headers.
    ///
    /// V4 adds `x-oss-date`, `x-oss-content-sha256` and `authorization`, V1 `date` and
    /// `authorization`; both add `x-oss-security-token` for temporary credentials (the Python SDK
    /// 1.4.1 sends an unsigned `security-token` in V1). Headers of these names in the request are
    /// taken to be replaced, except that V1 signs a given `x-oss-date` instead of `date`, as the
    /// Python SDKs do.
    ///
    /// # Errors
    ///
    /// [`SignError::AlreadySigned`] if the query carries a signature, [`SignError::Product`],
    /// [`SignError::Time`], [`SignError::TooManyHeaders`], and those of [`v4::canonical_request`].
    pub fn sign(
        &self,
        request: &Request<'_>,
        credentials: &Credentials,
        time: SystemTime,
    ) -> Result<HeaderSignature, SignError> {
        if request.query.iter().any(|(name, _)| name == v4::SIGNATURE || name == V1_SIGNATURE) {
            return Err(SignError::AlreadySigned);
        }
        match self.version {
            SignatureVersion::V4 => self.sign_v4(request, credentials, time),
            SignatureVersion::V1 => sign_v1(request, credentials, time),
        }
    }

    /// Signs a request in its query, so that its URL alone grants access for `expires` from `time`.
    ///
    /// Parameters of an earlier signature, of either version, are removed first, so that signing
    /// again is possible. The `Content-Type`, `Content-MD5`, `x-oss-*` and additional headers of
    /// the request are signed and must be sent unchanged by the user of the URL; others of these
    /// kinds must not be sent.
    ///
    /// The lifetime counts in whole seconds, fractions are cut off. V4 allows up to
    /// [`v4::MAX_EXPIRES_SECONDS`]; for V1 no limit is known, but the token's or the service's own
    /// can end it earlier.
    ///
    /// # Errors
    ///
    /// [`SignError::Expires`] if the lifetime is out of bounds, [`SignError::Product`],
    /// [`SignError::Time`], and those of [`v4::canonical_request`].
    pub fn presign(
        &self,
        request: &Request<'_>,
        credentials: &Credentials,
        time: SystemTime,
        expires: Duration,
    ) -> Result<QuerySignature, SignError> {
        let query: Vec<(String, String)> = request
            .query
            .iter()
            .filter(|(name, _)| !SIGNING_PARAMETERS.contains(&name.as_str()))
            .cloned()
            .collect();
        let request = Request { query: &query, ..*request };
        match self.version {
            SignatureVersion::V4 => self.presign_v4(&request, credentials, time, expires),
            SignatureVersion::V1 => presign_v1(&request, credentials, time, expires),
        }
    }

    fn sign_v4(
        &self,
        request: &Request<'_>,
        credentials: &Credentials,
        time: SystemTime,
    ) -> Result<HeaderSignature, SignError> {
        let datetime = v4::datetime(time)?;
        let scope = self.scope(&datetime)?;
        let mut added = vec![
            (OSS_DATE, header_value(&datetime)),
            (OSS_CONTENT_SHA256, HeaderValue::from_static(v4::UNSIGNED_PAYLOAD)),
        ];
        added.extend(token_header(credentials));
        let headers = with_headers(request.headers, &added)?;

        let request = Request { headers: &headers, ..*request };
        let canonical_request = v4::canonical_request(&request, &self.additional_headers)?;
        let string_to_sign = v4::string_to_sign(&datetime, &scope, &canonical_request);
        let signature = self.keys.signature(credentials.secret(), &scope, &string_to_sign);

        // The Go SDK's order and no spaces after the commas; `oss2` differs in both.
        let additional = match v4::additional_headers(&headers, &self.additional_headers) {
            names if names.is_empty() => String::new(),
            names => format!(",AdditionalHeaders={}", names.join(";")),
        };
        let authorization = format!(
            "{} Credential={}/{scope}{additional},Signature={signature}",
            v4::ALGORITHM,
            credentials.access_key_id(),
        );
        added.push((AUTHORIZATION, sensitive(&authorization)));
        Ok(HeaderSignature {
            headers: added,
            canonical_request: Some(canonical_request),
            string_to_sign,
        })
    }

    fn presign_v4(
        &self,
        request: &Request<'_>,
        credentials: &Credentials,
        time: SystemTime,
        expires: Duration,
    ) -> Result<QuerySignature, SignError> {
        let expires = whole_seconds(expires, v4::MAX_EXPIRES_SECONDS)?;
        let datetime = v4::datetime(time)?;
        let scope = self.scope(&datetime)?;
        let credential = format!("{}/{scope}", credentials.access_key_id());
        let mut query = request.query.to_vec();
        let mut add = |name: &str, value: String| query.push((name.to_owned(), value));
        add("x-oss-signature-version", v4::ALGORITHM.to_owned());
        add("x-oss-date", datetime.clone());
        add("x-oss-expires", expires.to_string());
        add("x-oss-credential", credential);
        if let Some(token) = credentials.token() {
            add("x-oss-security-token", token.expose_secret().to_owned());
        }
        let additional = v4::additional_headers(request.headers, &self.additional_headers);
        if !additional.is_empty() {
            add("x-oss-additional-headers", additional.join(";"));
        }

        let request = Request { query: &query, ..*request };
        let canonical_request = v4::canonical_request(&request, &self.additional_headers)?;
        let string_to_sign = v4::string_to_sign(&datetime, &scope, &canonical_request);
        let signature = self.keys.signature(credentials.secret(), &scope, &string_to_sign);
        query.push((v4::SIGNATURE.to_owned(), signature.clone()));
        let canonical_request = Some(canonical_request);
        Ok(QuerySignature { query, canonical_request, string_to_sign, signature })
    }

    fn scope<'a>(&'a self, datetime: &'a str) -> Result<Scope<'a>, SignError> {
        if !is_scope_part(&self.product) {
            return Err(SignError::Product { product: self.product.clone() });
        }
        let date = datetime.split_once('T').map_or(datetime, |(date, _)| date);
        Ok(Scope { date, region: &self.region, product: &self.product })
    }
}

fn sign_v1(
    request: &Request<'_>,
    credentials: &Credentials,
    time: SystemTime,
) -> Result<HeaderSignature, SignError> {
    let date = http_date(time)?;
    let mut added = vec![(DATE, header_value(&date))];
    added.extend(token_header(credentials));
    let headers = with_headers(request.headers, &added)?;

    let request = Request { headers: &headers, ..*request };
    let given_date = request.header(&OSS_DATE)?;
    let date = if given_date.is_empty() { &date } else { &given_date };
    let string_to_sign = v1::string_to_sign(&request, date)?;
    let signature = v1::signature(credentials.secret(), &string_to_sign);
    let authorization = format!("OSS {}:{signature}", credentials.access_key_id());
    added.push((AUTHORIZATION, sensitive(&authorization)));
    Ok(HeaderSignature { headers: added, canonical_request: None, string_to_sign })
}

fn presign_v1(
    request: &Request<'_>,
    credentials: &Credentials,
    time: SystemTime,
    expires: Duration,
) -> Result<QuerySignature, SignError> {
    let now = unix_seconds(time)?;
    let expires = (now + whole_seconds(expires, u64::MAX - now)?).to_string();
    let mut query = request.query.to_vec();
    if let Some(token) = credentials.token() {
        query.push(("security-token".to_owned(), token.expose_secret().to_owned()));
    }
    let request = Request { query: &query, ..*request };
    let string_to_sign = v1::string_to_sign(&request, &expires)?;
    let signature = v1::signature(credentials.secret(), &string_to_sign);
    query.extend([
        ("Expires".to_owned(), expires),
        ("OSSAccessKeyId".to_owned(), credentials.access_key_id().to_owned()),
        (V1_SIGNATURE.to_owned(), signature.clone()),
    ]);
    Ok(QuerySignature { query, canonical_request: None, string_to_sign, signature })
}

/// The official SDKs check only the upper bound, and only after signing; zero and below would give
/// a URL that never works.
fn whole_seconds(expires: Duration, max_seconds: u64) -> Result<u64, SignError> {
    match expires.as_secs() {
        seconds if (1..=max_seconds).contains(&seconds) => Ok(seconds),
        seconds => Err(SignError::Expires { seconds, max_seconds }),
    }
}

fn with_headers(
    headers: &HeaderMap,
    added: &[(HeaderName, HeaderValue)],
) -> Result<HeaderMap, SignError> {
    let mut headers = headers.clone();
    for (name, value) in added {
        headers.try_insert(name, value.clone()).map_err(|_| SignError::TooManyHeaders)?;
    }
    Ok(headers)
}

fn token_header(credentials: &Credentials) -> Option<(HeaderName, HeaderValue)> {
    credentials.token().map(|token| (OSS_SECURITY_TOKEN, sensitive(token.expose_secret())))
}

fn sensitive(text: &str) -> HeaderValue {
    let mut value = header_value(text);
    value.set_sensitive(true);
    value
}

fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text)
        .expect("credentials, scope and dates were checked to be visible ASCII")
}

fn is_scope_part(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(is_allowed)
}

const DEFAULT_PRODUCT: &str = "oss";
const OSS_DATE: HeaderName = HeaderName::from_static("x-oss-date");
const OSS_CONTENT_SHA256: HeaderName = HeaderName::from_static("x-oss-content-sha256");
const OSS_SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-oss-security-token");
const V1_SIGNATURE: &str = "Signature";

/// What presigning adds to a query, V4 then V1.
const SIGNING_PARAMETERS: [&str; 11] = [
    "x-oss-signature-version",
    "x-oss-date",
    "x-oss-expires",
    "x-oss-credential",
    "x-oss-security-token",
    "x-oss-additional-headers",
    v4::SIGNATURE,
    "security-token",
    "Expires",
    "OSSAccessKeyId",
    V1_SIGNATURE,
];
