//! The building blocks of signature V1 (HMAC-SHA1), kept for regions and accounts that still use it.
//!
//! [`Signer`](crate::Signer) puts them together. A verifier recomputes [`string_to_sign`] and
//! [`signature`] from what it received.
//!
//! V1 signs the key and the values as they are, not encoded, so what is signed is less exact than
//! in V4: a key that ends in `?acl` and a key without it but with the parameter `acl` give the same
//! text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderName;
use http::header::CONTENT_TYPE;
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;

use crate::encode::pair;
use crate::{Request, SignError};

/// Builds the text whose HMAC is the signature.
///
/// `date` is, in header form, the value of `x-oss-date` if that header is present and not blank,
/// else of `Date`; in query form the value of `Expires`.
///
/// Of the query only the parameters for which [`is_v1_subresource`] holds are signed, sorted by
/// name, values decoded, a parameter without value as its name alone (the Java SDK writes `name=`).
///
/// # Errors
///
/// [`SignError::Bucket`], [`SignError::EmptyQueryName`], [`SignError::DuplicateQueryName`] and
/// [`SignError::HeaderNotUtf8`], each for a request that has no unambiguous form to sign.
pub fn string_to_sign(request: &Request<'_>, date: &str) -> Result<String, SignError> {
    request.check_query()?;
    Ok(format!(
        "{method}\n{md5}\n{content_type}\n{date}\n{headers}{resource}{query}",
        method = request.method,
        md5 = request.header(&CONTENT_MD5)?,
        content_type = request.header(&CONTENT_TYPE)?,
        headers = request.header_lines(|name| name.starts_with(OSS_PREFIX))?,
        resource = request.resource()?,
        query = canonical_query(request.query),
    ))
}

/// Computes the signature: base64 of 20 bytes.
///
/// A verifier should compare it in constant time if timing matters to it.
#[must_use]
pub fn signature(secret: &SecretString, string_to_sign: &str) -> String {
    STANDARD.encode(hmac_sha1(secret.expose_secret().as_bytes(), string_to_sign))
}

/// Says whether V1 signs a query parameter of this (decoded) name.
///
/// It does if the name starts with `x-oss-` or is known as a sub-resource to the Go SDK (base list
/// and the lists of its operations), the Python SDKs, the Java SDK or the documentation. The Python
/// SDK 1.4.1 leaves `x-oss-process` and `x-oss-traffic-limit` out; the others sign them.
#[must_use]
pub fn is_v1_subresource(name: &str) -> bool {
    name.starts_with(OSS_PREFIX) || SUBRESOURCES.binary_search(&name).is_ok()
}

fn canonical_query(query: &[(String, String)]) -> String {
    let mut signed: Vec<&(String, String)> =
        query.iter().filter(|(name, _)| is_v1_subresource(name)).collect();
    if signed.is_empty() {
        return String::new();
    }
    signed.sort_unstable_by_key(|(name, _)| name);
    let pairs: Vec<String> = signed.iter().map(|(name, value)| pair(name, value)).collect();
    format!("?{}", pairs.join("&"))
}

pub(crate) fn hmac_sha1(key: &[u8], message: &str) -> [u8; 20] {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().into()
}

const OSS_PREFIX: &str = "x-oss-";
const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// Sorted by byte. Names known to a single SDK are included: a name left out shows only as a 403.
const SUBRESOURCES: &[&str] = &[
    "accessPoint",
    "accessPointConfigForObjectProcess",
    "accessPointForObjectProcess",
    "accessPointPolicy",
    "accessPointPolicyForObjectProcess",
    "acl",
    "append",
    "asyncFetch",
    "bucketArchiveDirectRead",
    "bucketInfo",
    "callback",
    "callback-var",
    "cleanRestoredObject",
    "cloudboxes",
    "cname",
    "comp",
    "continuation-token",
    "cors",
    "dataPipeline",
    "delete",
    "encryption",
    "endTime",
    "group",
    "httpsConfig",
    "img",
    "inventory",
    "inventoryId",
    "legalHold",
    "lifecycle",
    "link",
    "live",
    "location",
    "logging",
    "metaQuery",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "objectInfo",
    "objectMeta",
    "objectWorm",
    "overwriteConfig",
    "partNumber",
    "policy",
    "policyStatus",
    "position",
    "processConfiguration",
    "publicAccessBlock",
    "qos",
    "qosInfo",
    "qosRequester",
    "quota",
    "redundancyTransition",
    "referer",
    "regionList",
    "replication",
    "replicationLocation",
    "replicationProgress",
    "requestPayment",
    "requesterQosInfo",
    "resourceGroup",
    "resourcePool",
    "resourcePoolBuckets",
    "resourcePoolInfo",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "retention",
    "rtc",
    "seal",
    "security-token",
    "sequential",
    "startTime",
    "stat",
    "status",
    "style",
    "styleName",
    "symlink",
    "tagging",
    "transferAcceleration",
    "udf",
    "udfApplication",
    "udfApplicationLog",
    "udfImage",
    "udfImageDesc",
    "udfName",
    "uploadId",
    "uploads",
    "userDefinedLogFieldsConfig",
    "versionId",
    "versioning",
    "versions",
    "vip",
    "vod",
    "vpcip",
    "website",
    "worm",
    "wormExtend",
    "wormId",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_subresource_of_the_table() {
        assert!(SUBRESOURCES.windows(2).all(|pair| pair[0] < pair[1]), "not sorted or not unique");
        assert!(SUBRESOURCES.iter().all(|name| is_v1_subresource(name)));
    }

    #[test]
    fn signs_what_starts_with_the_oss_prefix_and_nothing_ordinary() {
        for name in ["x-oss-process", "x-oss-anything", "acl", "continuation-token", "versionId"] {
            assert!(is_v1_subresource(name), "{name}");
        }
        for name in ["prefix", "marker", "max-keys", "delimiter", "list-type", "encoding-type"] {
            assert!(!is_v1_subresource(name), "{name}");
        }
        for name in ["", "ACL", "X-Oss-Process", "x-os", "Expires", "OSSAccessKeyId", "Signature"] {
            assert!(!is_v1_subresource(name), "{name}");
        }
    }
}
