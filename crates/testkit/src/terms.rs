//! The terms of a request besides who asks for what: who pays, and how fast the answer may be.

use http::StatusCode;

use crate::call::Call;
use crate::refusal::Refusal;

/// Who pays for what is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Payer {
    #[default]
    Owner,
    Requester,
}

impl Payer {
    /// Refuses a request that does not agree to pay.
    pub(crate) fn check(self, call: &Call) -> Result<(), Refusal> {
        let agrees = term(call, "x-oss-request-payer") == Some("requester");
        match self {
            Self::Requester if !agrees => {
                let message = "The bucket is in requester-pays mode: the request must contain \
                               x-oss-request-payer.";
                Err(Refusal::new(StatusCode::FORBIDDEN, "RequestPayerMissing", message))
            }
            _ => Ok(()),
        }
    }
}

/// The rate in bytes a second that a request wants its answer to have.
pub(crate) fn traffic_limit(call: &Call) -> Result<Option<u64>, Refusal> {
    let Some(text) = term(call, "x-oss-traffic-limit") else { return Ok(None) };
    match text.parse::<u64>() {
        Ok(bits) if (819_200..=838_860_800).contains(&bits) => Ok(Some(bits / 8)),
        _ => {
            let message = "The x-oss-traffic-limit must be 819200 to 838860800.";
            Err(Refusal::bad_request("InvalidArgument", message).child("ArgumentValue", text))
        }
    }
}

/// A term may be a header or a parameter.
fn term<'a>(call: &'a Call, name: &str) -> Option<&'a str> {
    call.header(name).or_else(|| call.parameter(name))
}
