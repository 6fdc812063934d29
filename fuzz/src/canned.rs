//! A transport that gives one answer to every request, and a source over it.

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use ossget::{Credentials, Endpoint, OssSource, Signing, StaticCredentials};
use ossget_transport::{
    Body, BodyStream, Limits, Response, Transport, TransportError, TransportErrorKind,
};
use std::future::Future;
use std::sync::{Arc, Mutex};

/// Gives one answer to every request and remembers what it was asked.
#[derive(Debug)]
pub(crate) struct Canned {
    answer: Answer,
    requests: Mutex<Vec<http::Request<Bytes>>>,
}

/// A response, whole.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// Adds a header, if the value can be one.
    pub(crate) fn header(mut self, name: &'static str, value: &[u8]) -> Self {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            self.headers.push((HeaderName::from_static(name), value));
        }
        self
    }

    pub(crate) fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }
}

impl Canned {
    pub(crate) fn new(answer: Answer) -> Arc<Self> {
        Arc::new(Self { answer, requests: Mutex::default() })
    }

    pub(crate) fn requests(&self) -> Vec<http::Request<Bytes>> {
        self.requests.lock().expect("no thread has panicked").clone()
    }
}

#[async_trait]
impl Transport for Canned {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        _limits: Limits,
    ) -> Result<Response, TransportError> {
        self.requests.lock().expect("no thread has panicked").push(request);
        let mut head = http::Response::new(());
        let Ok(status) = self.answer.status.try_into() else {
            return Err(TransportError::new(TransportErrorKind::Protocol, None, None));
        };
        *head.status_mut() = status;
        for (name, value) in &self.answer.headers {
            head.headers_mut().append(name, value.clone());
        }
        let (head, ()) = head.into_parts();
        let body = Bytes::copy_from_slice(&self.answer.body);
        Ok(Response { head, body: Body::new(Whole(Some(body))) })
    }
}

/// A body that comes at once.
struct Whole(Option<Bytes>);

#[async_trait]
impl BodyStream for Whole {
    async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        Ok(self.0.take().filter(|bytes| !bytes.is_empty()))
    }
}

/// A source over the transport, with credentials.
pub(crate) fn source(
    transport: &Arc<Canned>,
    endpoint: &Endpoint,
    credentials: Credentials,
) -> Result<OssSource, ossget::Error> {
    let signing = Signing::v4(endpoint, Some("cn-hangzhou"))?;
    let transport = Arc::clone(transport) as Arc<dyn Transport>;
    let provider = Arc::new(StaticCredentials::new(credentials));
    OssSource::builder(transport, endpoint.clone(), signing, provider).build()
}

/// A source at an ordinary endpoint.
pub(crate) fn ordinary_source(transport: &Arc<Canned>) -> OssSource {
    let endpoint = Endpoint::parse("oss-cn-hangzhou.aliyuncs.com").expect("an endpoint");
    let pair = Credentials::new("id", "secret").expect("credentials");
    source(transport, &endpoint, pair).expect("a source")
}

/// Waits for a future that does no I/O but that of its own threads.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}

/// All that an error says at any level, for people and for debuggers.
pub(crate) fn all_text(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = format!("{error}\n{error:?}\n{error:#?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!("\n{error}\n{error:?}"));
        cause = error.source();
    }
    text
}

/// What an error says to people, one text a level.
pub(crate) fn messages(error: &(dyn std::error::Error + 'static)) -> Vec<String> {
    let mut all = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        all.push(error.to_string());
        cause = error.source();
    }
    all
}

/// Asserts that a text can neither forge a line, nor colour a terminal, nor run on for ever.
pub(crate) fn assert_harmless(text: &str) {
    assert!(text.chars().count() <= MOST_TEXT, "{} characters", text.chars().count());
    for character in text.chars() {
        assert!(!character.is_control(), "{text:?}");
        assert!(!REORDERING.contains(&character), "{text:?}");
    }
}

/// More than any message has.
const MOST_TEXT: usize = 4096;
/// Characters that make a terminal show text in another order than it is in.
const REORDERING: [char; 9] = [
    '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}',
    '\u{2069}',
];
