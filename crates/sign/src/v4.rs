//! The building blocks of signature V4 (`OSS4-HMAC-SHA256`).
//!
//! [`Signer`](crate::Signer) puts them together. A verifier takes date, region, product and the
//! additional headers from what it received and recomputes: [`canonical_request`], then
//! [`string_to_sign`], then [`signature`].
//!
//! Source of all rules: the signers of `alibabacloud-oss-go-sdk-v2` 1.5.1 and `alibabacloud-oss-v2`
//! 1.4.1, which agree on every vector but those named at an item.

use std::fmt;
use std::time::SystemTime;

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::encode::pair;
use crate::time::basic_datetime;
use crate::{Request, SignError, encode, encode_path};

/// The name of the algorithm, first word of the `Authorization` header and of the string to sign.
pub const ALGORITHM: &str = "OSS4-HMAC-SHA256";

/// The payload hash of every request: OSS does not sign bodies.
///
/// Also the value of the header `x-oss-content-sha256`, which header form requires.
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// The longest lifetime of a presigned URL: seven days, in seconds.
pub const MAX_EXPIRES_SECONDS: u64 = 604_800;

/// What a signature is valid for. Displays as `20250309/cn-hangzhou/oss/aliyun_v4_request`.
///
/// Together with the access key id and a `/` before it, that is the credential of the
/// `Authorization` header and of `x-oss-credential`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope<'a> {
    /// The UTC date: the first eight characters of [`datetime`].
    pub date: &'a str,
    /// The region, `cn-hangzhou` rather than `oss-cn-hangzhou`; for a Cloud Box its id, `cb-…`.
    pub region: &'a str,
    /// The product: `oss`, or `oss-cloudbox`.
    pub product: &'a str,
}

impl fmt::Display for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{TERMINATOR}", self.date, self.region, self.product)
    }
}

/// Formats a time as in `x-oss-date` and in the string to sign: `20250309T080507Z`.
///
/// Fractions of a second are cut off.
///
/// # Errors
///
/// [`SignError::Time`] before 1970 or after 9999.
pub fn datetime(time: SystemTime) -> Result<String, SignError> {
    basic_datetime(time)
}

/// Selects the headers that are signed although V4 would not sign them by default.
///
/// Of the names in `wanted`, those are left that the request has, with a value that is not blank,
/// and that are not signed anyway: in lower case, sorted, each once. `authorization` is never among
/// them, since it holds the result. `oss2` keeps absent names and the Go SDK keeps duplicates; both
/// are taken for mistakes.
#[must_use]
pub fn additional_headers<S: AsRef<str>>(headers: &HeaderMap, wanted: &[S]) -> Vec<String> {
    let is_present = |name: &HeaderName| {
        headers.get_all(name).iter().any(|value| !value.as_bytes().trim_ascii().is_empty())
    };
    let mut names: Vec<String> = wanted
        .iter()
        .filter_map(|name| HeaderName::from_bytes(name.as_ref().as_bytes()).ok())
        .filter(|name| !is_signed_by_default(name.as_str()) && *name != http::header::AUTHORIZATION)
        .filter(is_present)
        .map(|name| name.as_str().to_owned())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Builds the canonical request: what is signed of a request, in one form.
///
/// `additional` is the list as it stands in the `Authorization` header or in
/// `x-oss-additional-headers`; it is put through [`additional_headers`]. A parameter
/// `x-oss-signature` of the query is left out, so that a presigned query can be given as received.
///
/// The query is sorted by the bytes of the encoded name, not of the decoded one and not of the
/// whole `name=value`; a parameter without value is its name alone. The header lines end with a
/// newline each, so that an empty line follows them. The payload is always [`UNSIGNED_PAYLOAD`].
///
/// # Errors
///
/// [`SignError::Bucket`], [`SignError::EmptyQueryName`], [`SignError::DuplicateQueryName`] and
/// [`SignError::HeaderNotUtf8`], each for a request that has no unambiguous canonical form.
pub fn canonical_request<S: AsRef<str>>(
    request: &Request<'_>,
    additional: &[S],
) -> Result<String, SignError> {
    request.check_query()?;
    let resource = encode_path(&request.resource()?);
    let additional = additional_headers(request.headers, additional);
    let headers = request.header_lines(|name| {
        is_signed_by_default(name) || additional.iter().any(|added| added == name)
    })?;
    Ok(format!(
        "{method}\n{resource}\n{query}\n{headers}\n{additional}\n{UNSIGNED_PAYLOAD}",
        method = request.method,
        query = canonical_query(request.query),
        additional = additional.join(";"),
    ))
}

/// Builds the text whose HMAC is the signature; `datetime` is the value of `x-oss-date`.
#[must_use]
pub fn string_to_sign(datetime: &str, scope: &Scope<'_>, canonical_request: &str) -> String {
    let hash = lower_hex(&Sha256::digest(canonical_request));
    format!("{ALGORITHM}\n{datetime}\n{scope}\n{hash}")
}

/// Computes the signature: 64 lower-case hexadecimal digits.
///
/// A verifier should compare it in constant time if timing matters to it.
#[must_use]
pub fn signature(secret: &SecretString, scope: &Scope<'_>, string_to_sign: &str) -> String {
    SigningKey::derive(secret, scope).sign(string_to_sign)
}

/// The key for a day, region and product. Wiped when dropped.
pub(crate) struct SigningKey(Zeroizing<[u8; 32]>);

impl SigningKey {
    /// All intermediate keys are wiped.
    pub(crate) fn derive(secret: &SecretString, scope: &Scope<'_>) -> Self {
        let secret = secret.expose_secret();
        // Sized beforehand: growing would leave a copy of the secret behind.
        let mut root = Zeroizing::new(Vec::with_capacity(KEY_PREFIX.len() + secret.len()));
        root.extend_from_slice(KEY_PREFIX.as_bytes());
        root.extend_from_slice(secret.as_bytes());
        let mut key = hmac_sha256(&root, scope.date);
        for part in [scope.region, scope.product, TERMINATOR] {
            key = hmac_sha256(&*key, part);
        }
        Self(key)
    }

    pub(crate) fn sign(&self, string_to_sign: &str) -> String {
        lower_hex(&hmac_sha256(&*self.0, string_to_sign)[..])
    }
}

fn hmac_sha256(key: &[u8], message: &str) -> Zeroizing<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message.as_bytes());
    Zeroizing::new(mac.finalize().into_bytes().into())
}

fn canonical_query(query: &[(String, String)]) -> String {
    let mut pairs: Vec<(String, String)> = query
        .iter()
        .filter(|(name, _)| name != SIGNATURE)
        .map(|(name, value)| (encode(name), encode(value)))
        .collect();
    pairs.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| pair(name, value)).collect();
    pairs.join("&")
}

fn is_signed_by_default(name: &str) -> bool {
    name == "content-type" || name == "content-md5" || name.starts_with("x-oss-")
}

fn lower_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The query parameter with the signature, the only one that is not signed.
pub(crate) const SIGNATURE: &str = "x-oss-signature";

const KEY_PREFIX: &str = "aliyun_v4";
const TERMINATOR: &str = "aliyun_v4_request";

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const SCOPE: Scope<'_> = Scope { date: "20231216", region: "cn-hangzhou", product: "oss" };

    #[test]
    fn derives_the_key_of_the_worked_example() {
        let SigningKey(key) = SigningKey::derive(&SecretString::from("sk"), &SCOPE);
        let expected = "b412a03b134ebddd720f5167b5de6db66620ebb3b01cff4d49e3ccb09f8de97f";
        assert_eq!(lower_hex(&key[..]), expected);
    }

    #[test]
    fn names_the_scope_with_its_terminator() {
        assert_eq!(SCOPE.to_string(), "20231216/cn-hangzhou/oss/aliyun_v4_request");
    }

    #[test]
    fn selects_additional_headers_that_are_present_and_not_signed_anyway() {
        let mut headers = HeaderMap::new();
        for name in ["range", "if-match", "content-type", "x-oss-meta-a", "authorization"] {
            headers.insert(name, HeaderValue::from_static("v"));
        }
        headers.insert("blank", HeaderValue::from_static(" \t"));
        let wanted = [
            "Range",
            "range",
            "If-Match",
            "Content-Type",
            "X-Oss-Meta-A",
            "absent",
            "blank",
            "not a name",
            "Authorization",
            "",
        ];
        assert_eq!(additional_headers(&headers, &wanted), ["if-match", "range"]);
    }

    #[test]
    fn leaves_the_signature_itself_out_of_the_query() {
        let query = [("x-oss-signature", "s"), ("x-oss-signature-version", "v"), ("b", "")];
        assert_eq!(
            canonical_query(&query.map(|(n, v)| (n.into(), v.into()))),
            "b&x-oss-signature-version=v"
        );
    }
}
