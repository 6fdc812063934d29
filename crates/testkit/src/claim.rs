//! What a request claims about who signed it: the four forms of a signature, taken apart.

use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::call::Call;
use crate::clock;
use crate::refusal::Refusal;

/// How a request was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SignatureForm {
    /// Not at all.
    None,
    /// Signature V4 in the `Authorization` header.
    V4Header,
    /// Signature V4 in the query: a presigned URL.
    V4Query,
    /// Signature V1 in the `Authorization` header.
    V1Header,
    /// Signature V1 in the query: a presigned URL.
    V1Query,
}

/// A signature with everything needed to recompute it.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) form: SignatureForm,
    pub(crate) access_key_id: String,
    pub(crate) token: Option<String>,
    pub(crate) signature: String,
    /// The date as it is signed.
    pub(crate) date: String,
    pub(crate) time: Time,
    /// V4 only.
    pub(crate) scope: Option<ClaimedScope>,
    /// V4 only.
    pub(crate) additional_headers: Vec<String>,
}

/// When the signature is valid.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Time {
    /// Around the time of signing.
    Signed(Timestamp),
    /// V4 query form.
    Window { from: Timestamp, until: Timestamp },
    /// V1 query form.
    Until(Timestamp),
}

/// What a V4 signature says it is for.
#[derive(Debug)]
pub(crate) struct ClaimedScope {
    pub(crate) date: String,
    pub(crate) region: String,
    pub(crate) product: String,
    terminator: String,
}

impl Claim {
    /// Reads the signature of a request, or none when it is anonymous.
    pub(crate) fn read(call: &Call) -> Result<Option<Self>, Refusal> {
        let authorization = call.header("authorization");
        let v4 =
            call.parameter("x-oss-signature-version").or_else(|| call.parameter("x-oss-signature"));
        let v1 = call.parameter("OSSAccessKeyId").or_else(|| call.parameter("Signature"));
        match (authorization, v4, v1) {
            (None, None, None) => Ok(None),
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) | (None, Some(_), Some(_)) => {
                let message = "Only one auth mechanism allowed; only the \"Authorization\" header \
                               or the signature parameters of the query may be given.";
                Err(invalid(message))
            }
            (Some(text), None, None) => match text.strip_prefix("OSS4-HMAC-SHA256 ") {
                Some(fields) => Self::v4_header(call, fields).map(Some),
                None => Self::v1_header(call, text).map(Some),
            },
            (None, Some(_), None) => Self::v4_query(call).map(Some),
            (None, None, Some(_)) => Self::v1_query(call).map(Some),
        }
    }

    fn v4_header(call: &Call, fields: &str) -> Result<Self, Refusal> {
        // `oss2` puts spaces after the commas and `Signature` before `AdditionalHeaders`.
        let mut credential = None;
        let mut signature = None;
        let mut additional = Vec::new();
        for field in fields.split(',') {
            match field.trim().split_once('=') {
                Some(("Credential", value)) => credential = Some(value),
                Some(("Signature", value)) => signature = Some(value),
                Some(("AdditionalHeaders", value)) => additional = header_names(value)?,
                _ => return Err(invalid("Invalid field in Authorization header.")),
            }
        }
        let credential = credential.ok_or_else(|| invalid("Missing Credential."))?;
        let signature = signature.ok_or_else(|| invalid("Missing Signature."))?;
        if call.header("x-oss-content-sha256") != Some(ossget_sign::v4::UNSIGNED_PAYLOAD) {
            return Err(invalid("x-oss-content-sha256 must be UNSIGNED-PAYLOAD."));
        }
        let (access_key_id, scope) = read_credential(credential)?;
        let date = call.header("x-oss-date").ok_or_else(no_date)?.to_owned();
        let time = clock::parse_basic_date(&date).ok_or_else(no_date)?;
        Ok(Self {
            form: SignatureForm::V4Header,
            access_key_id,
            token: token_header(&call.headers),
            signature: signature.to_owned(),
            date,
            time: Time::Signed(time),
            scope: Some(scope),
            additional_headers: additional,
        })
    }

    fn v4_query(call: &Call) -> Result<Self, Refusal> {
        let required = |name| {
            call.parameter(name).ok_or_else(|| invalid(&format!("The query has no {name}.")))
        };
        if required("x-oss-signature-version")? != ossget_sign::v4::ALGORITHM {
            return Err(invalid("Invalid x-oss-signature-version."));
        }
        let (access_key_id, scope) = read_credential(required("x-oss-credential")?)?;
        let date = required("x-oss-date")?.to_owned();
        let from = clock::parse_basic_date(&date).ok_or_else(|| invalid("Invalid x-oss-date."))?;
        let expires = required("x-oss-expires")?.parse().ok();
        let lifetime = 1..=ossget_sign::v4::MAX_EXPIRES_SECONDS;
        let Some(expires) = expires.filter(|seconds| lifetime.contains(seconds)) else {
            return Err(invalid("Invalid x-oss-expires."));
        };
        let until = from.saturating_add(SignedDuration::from_secs(expires.cast_signed()));
        let additional = call.parameter("x-oss-additional-headers").map(header_names);
        Ok(Self {
            form: SignatureForm::V4Query,
            access_key_id,
            token: call.parameter("x-oss-security-token").map(str::to_owned),
            signature: required("x-oss-signature")?.to_owned(),
            date,
            time: Time::Window { from, until: until.map_err(|_| invalid("Invalid x-oss-date."))? },
            scope: Some(scope),
            additional_headers: additional.transpose()?.unwrap_or_default(),
        })
    }

    fn v1_header(call: &Call, text: &str) -> Result<Self, Refusal> {
        let pair = text.strip_prefix("OSS ").and_then(|pair| pair.split_once(':'));
        let (access_key_id, signature) =
            pair.ok_or_else(|| invalid("Authorization header is invalid."))?;
        let date = call.header("x-oss-date").filter(|date| !date.trim().is_empty());
        let date = date.or_else(|| call.header("date")).ok_or_else(no_date)?.to_owned();
        let time = clock::parse_http_date(&date).ok_or_else(no_date)?;
        Ok(Self {
            form: SignatureForm::V1Header,
            access_key_id: access_key_id.to_owned(),
            token: token_header(&call.headers),
            signature: signature.to_owned(),
            date,
            time: Time::Signed(time),
            scope: None,
            additional_headers: Vec::new(),
        })
    }

    fn v1_query(call: &Call) -> Result<Self, Refusal> {
        let required = |name| {
            let message = "OSS authentication via query requires Signature, Expires and \
                           OSSAccessKeyId.";
            call.parameter(name).ok_or_else(|| Refusal::forbidden("AccessDenied", message))
        };
        let date = required("Expires")?.to_owned();
        let until = date.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
        let until = until.ok_or_else(|| invalid("Invalid Expires."))?;
        Ok(Self {
            form: SignatureForm::V1Query,
            access_key_id: required("OSSAccessKeyId")?.to_owned(),
            token: call.parameter("security-token").map(str::to_owned),
            signature: required("Signature")?.to_owned(),
            date,
            time: Time::Until(until),
            scope: None,
            additional_headers: Vec::new(),
        })
    }
}

impl ClaimedScope {
    /// Refuses a scope that is not the service's own; `datetime` is what the signature dates from.
    pub(crate) fn check(&self, region: &str, datetime: &str) -> Result<(), Refusal> {
        if self.region != region {
            return Err(invalid("Invalid signing region in Authorization header.")
                .child("Region", &self.region));
        }
        if self.product != "oss" || self.terminator != "aliyun_v4_request" {
            return Err(invalid("Invalid signing product in Authorization header."));
        }
        if !datetime.starts_with(&self.date) || self.date.len() != 8 {
            return Err(invalid("Invalid signing date in Authorization header."));
        }
        Ok(())
    }
}

fn read_credential(text: &str) -> Result<(String, ClaimedScope), Refusal> {
    let parts: Vec<&str> = text.split('/').collect();
    let [access_key_id, date, region, product, terminator] = parts[..] else {
        return Err(invalid("Invalid Credential."));
    };
    let scope = ClaimedScope {
        date: date.to_owned(),
        region: region.to_owned(),
        product: product.to_owned(),
        terminator: terminator.to_owned(),
    };
    Ok((access_key_id.to_owned(), scope))
}

/// An empty list or a stray separator is an error (EC 0002-00000209 and 0002-00000210).
fn header_names(text: &str) -> Result<Vec<String>, Refusal> {
    let names: Vec<String> = text.split(';').map(str::to_owned).collect();
    if names.iter().any(String::is_empty) {
        return Err(invalid("Invalid AdditionalHeaders."));
    }
    Ok(names)
}

fn token_header(headers: &HeaderMap) -> Option<String> {
    Some(headers.get("x-oss-security-token")?.to_str().ok()?.to_owned())
}

fn invalid(message: &str) -> Refusal {
    Refusal::bad_request("InvalidArgument", message)
}

fn no_date() -> Refusal {
    Refusal::forbidden("AccessDenied", "OSS authentication requires a valid Date.")
}
