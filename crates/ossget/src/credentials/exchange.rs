//! One question to a service that hands credentials out, and its answer, bounded in time and size.

use super::issued;
use crate::source::transport_failure;
use crate::{Error, ErrorKind};
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_TYPE, DATE, USER_AGENT};
use http::{HeaderValue, Method, Request, StatusCode};
use jiff::fmt::rfc2822::DateTimeParser;
use ossget_sign::encode;
use ossget_transport::{Limits, Transport, TransportError, TransportErrorKind};
use serde_json::Value;
use std::error::Error as _;
use std::time::{Duration, SystemTime};
use tokio::time::timeout;

/// A question, without whom it goes to.
pub(super) struct Question {
    pub(super) method: Method,
    /// Holds secrets in its query where the service wants them there; never shown.
    pub(super) url: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) form: Vec<(String, String)>,
}

/// What came back.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    /// The service's clock.
    pub(super) date: Option<SystemTime>,
    pub(super) body: Vec<u8>,
}

/// How long to wait for what.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    pub(super) connect: Duration,
    /// From the request to the end of the answer.
    pub(super) answer: Duration,
}

impl Question {
    pub(super) fn get(url: impl Into<String>) -> Self {
        Self::new(Method::GET, url)
    }

    pub(super) fn new(method: Method, url: impl Into<String>) -> Self {
        Self { method, url: url.into(), headers: Vec::new(), form: Vec::new() }
    }

    fn request(&self, service: &str) -> Result<Request<Bytes>, Error> {
        let mut builder = Request::builder()
            .method(&self.method)
            .uri(&self.url)
            .header(USER_AGENT, AGENT)
            .header(ACCEPT_ENCODING, "identity");
        for (name, value) in &self.headers {
            builder = builder.header(*name, value);
        }
        let form: Vec<String> = self
            .form
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect();
        if !form.is_empty() {
            builder = builder.header(CONTENT_TYPE, FORM);
        }
        // What is wrong with it is not told: it may hold a secret.
        builder.body(Bytes::from(form.join("&"))).map_err(|_| {
            Error::new(ErrorKind::Config, format!("no request can be made to {service}"))
        })
    }
}

/// Asks. `service` names whom, in messages.
pub(super) async fn ask(
    transport: &dyn Transport,
    question: &Question,
    patience: Patience,
    service: &str,
) -> Result<Reply, Error> {
    let request = question.request(service)?;
    let limits = Limits::new(patience.connect, patience.answer);
    let unreachable = |error: TransportError| {
        let (_, kind) = transport_failure(&error);
        Error::new(kind, format!("{service} cannot be reached")).with_source(error)
    };
    let mut response = transport.send(request, limits).await.map_err(unreachable)?;
    let mut body = Vec::new();
    let reading = async {
        while let Some(chunk) = response.body.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > LARGEST_ANSWER {
                let message = format!("the answer of {service} is longer than 64 KiB");
                return Err(Error::new(ErrorKind::Protocol, message));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(())
    };
    timeout(patience.answer, reading).await.map_err(|_| {
        Error::new(ErrorKind::Timeout, format!("the answer of {service} takes too long"))
    })??;
    let date = response.head.headers.get(DATE).and_then(date);
    Ok(Reply { status: response.head.status, date, body })
}

/// Whether there was nobody to ask.
pub(super) fn never_arrived(error: &Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<TransportError>());
    cause.is_some_and(|cause| {
        matches!(
            cause.kind(),
            TransportErrorKind::Resolve
                | TransportErrorKind::Connect
                | TransportErrorKind::ConnectTimeout
                | TransportErrorKind::Exhausted
        )
    })
}

impl Reply {
    /// The object of JSON in an answer of success.
    pub(super) fn object(&self, service: &str) -> Result<Value, Error> {
        if !self.status.is_success() {
            return Err(self.refusal(service));
        }
        issued::parse(&self.body, &format!("the answer of {service}"), ErrorKind::Credentials)
    }

    /// When the answer was made, by the clock of whoever made it, as far as it tells.
    pub(super) fn now(&self) -> SystemTime {
        self.date.unwrap_or_else(SystemTime::now)
    }

    /// The service's word for what is wrong, if it is one: anything else may repeat a secret.
    pub(super) fn code(&self) -> Option<String> {
        let value: Value = serde_json::from_slice(&self.body).ok()?;
        let code = value.get("Code")?.as_str()?;
        let is_word = |character: char| character.is_ascii_alphanumeric() || character == '.';
        (!code.is_empty() && code.len() <= LONGEST_CODE && code.chars().all(is_word))
            .then(|| code.to_owned())
    }

    /// What an answer of another status than success means.
    pub(super) fn refusal(&self, service: &str) -> Error {
        let status = self.status.as_u16();
        let kind = match status {
            429 => ErrorKind::Throttled,
            500.. => ErrorKind::Unavailable,
            _ => ErrorKind::Credentials,
        };
        let code = self.code().map(|code| format!(" {code}")).unwrap_or_default();
        Error::new(kind, format!("{service} gives no credentials: {status}{code}"))
    }
}

fn date(value: &HeaderValue) -> Option<SystemTime> {
    let time = DateTimeParser::new().parse_timestamp(value.as_bytes()).ok()?;
    Some(time.into())
}

const AGENT: &str = concat!("ossget/", env!("CARGO_PKG_VERSION"));
const FORM: &str = "application/x-www-form-urlencoded";

/// Real answers have one or two KiB.
const LARGEST_ANSWER: usize = 64 << 10;
const LONGEST_CODE: usize = 64;
