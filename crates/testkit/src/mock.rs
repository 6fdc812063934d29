//! An object on a [`wiremock::MockServer`], for applications that test with wiremock.
//!
//! A mock answers HEAD and GET for one path with the service's range rules and headers, without
//! looking at signatures. What wiremock cannot do (cut, stall, throttle) the
//! [`Simulator`](crate::Simulator) can.
//!
//! ```
//! # async fn example() {
//! use ossget_testkit::mock::ObjectMock;
//!
//! let server = wiremock::MockServer::start().await;
//! ObjectMock::new("/examplebucket/exampledir/exampleobject.txt", "hello")
//!     .fail_nth(2, 503)
//!     .expect_ranged_gets(2)
//!     .mount(&server)
//!     .await;
//! # }
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderName, Method};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::Content;
use crate::call::Call;
use crate::objects;
use crate::refusal::Refusal;
use crate::reply::{Reply, ReplyBody};
use crate::store::{NewObject, Place, Store, Versioning};

/// One object to be mounted on a mock server.
#[derive(Debug)]
#[must_use = "a mock does nothing until it is mounted"]
pub struct ObjectMock {
    path: String,
    content: Content,
    ranged_gets: Option<u64>,
    failures: Vec<(u64, u16)>,
}

impl ObjectMock {
    /// An object under a decoded path: `/bucket/key`, or `/key` for a server that is the bucket.
    pub fn new(path: impl Into<String>, content: impl Into<Content>) -> Self {
        Self { path: path.into(), content: content.into(), ranged_gets: None, failures: Vec::new() }
    }

    /// Expects exactly so many GETs with a range; wiremock checks it when the server is dropped.
    pub fn expect_ranged_gets(mut self, count: u64) -> Self {
        self.ranged_gets = Some(count);
        self
    }

    /// Answers the n-th GET, counted from 1, with an error status.
    pub fn fail_nth(mut self, nth: u64, status: u16) -> Self {
        self.failures.push((nth, status));
        self
    }

    /// Mounts the object on a server.
    pub async fn mount(self, server: &MockServer) {
        let store = Store::new(Versioning::Off, None);
        store.create_bucket(BUCKET);
        store.put(BUCKET, KEY, NewObject::plain(self.content, jiff::Timestamp::now()));
        let object = Arc::new(Mounted {
            path: self.path,
            store,
            failures: self.failures,
            gets: AtomicU64::new(0),
        });
        // The first mock that matches answers, so the ranged GETs come first, to be counted alone.
        for kind in [Kind::RangedGet, Kind::Other] {
            let (matching, answering) = (object.clone(), object.clone());
            let mock = Mock::given(move |request: &Request| matching.matches(request, kind))
                .respond_with(move |request: &Request| answering.respond(request));
            match self.ranged_gets {
                Some(count) if kind == Kind::RangedGet => mock.expect(count).mount(server).await,
                _ => mock.mount(server).await,
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    RangedGet,
    Other,
}

struct Mounted {
    path: String,
    store: Store,
    failures: Vec<(u64, u16)>,
    gets: AtomicU64,
}

impl Mounted {
    fn matches(&self, request: &Request, kind: Kind) -> bool {
        let path = percent_encoding::percent_decode_str(request.url.path()).decode_utf8_lossy();
        let is_get = request.method == Method::GET;
        let is_read = is_get || request.method == Method::HEAD;
        let is_ranged = is_get && request.headers.contains_key(http::header::RANGE);
        path == self.path && is_read && is_ranged == (kind == Kind::RangedGet)
    }

    fn respond(&self, request: &Request) -> ResponseTemplate {
        let call = Call {
            method: request.method.clone(),
            host: String::new(),
            path: String::new(),
            bucket: Some(BUCKET.to_owned()),
            key: Some(KEY.to_owned()),
            query: Vec::new(),
            headers: request.headers.clone(),
        };
        let reply = self.failure(&call).map_or_else(
            || objects::read(&self.store, &call, Place { bucket: BUCKET, key: KEY }),
            Err,
        );
        let mut reply = reply
            .unwrap_or_else(|refusal| Reply::refuse(&refusal, &call.method, REQUEST_ID, "mock"));
        reply.set(HeaderName::from_static("x-oss-request-id"), REQUEST_ID);
        template(reply)
    }

    fn failure(&self, call: &Call) -> Option<Refusal> {
        if call.method != Method::GET {
            return None;
        }
        let nth = self.gets.fetch_add(1, Ordering::Relaxed) + 1;
        let (_, status) = self.failures.iter().find(|(failing, _)| *failing == nth)?;
        let status = http::StatusCode::from_u16(*status).ok()?;
        Some(Refusal::new(status, "InternalError", "Injected by the mock."))
    }
}

fn template(reply: Reply) -> ResponseTemplate {
    let mut template = ResponseTemplate::new(reply.status);
    for (name, value) in &reply.headers {
        template = template.append_header(name, value);
    }
    // Of the answer to a HEAD the server sends the length only.
    match reply.body {
        ReplyBody::Empty => template,
        ReplyBody::Bytes(bytes) => template.set_body_bytes(bytes),
        ReplyBody::Object { content, range } => template.set_body_bytes(content.window(range)),
    }
}

const BUCKET: &str = "mock";
const KEY: &str = "object";
const REQUEST_ID: &str = "000000000000000000000000";
