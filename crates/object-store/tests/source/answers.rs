//! What a cloud's answers mean for a download: object_store's own S3 client, and a server that answers as
//! it is told.

use crate::s3::bucket;
use ossget::{ByteRange, ErrorKind, Failure, ObjectIdentity, Source as _, SourceError};
use ossget_object_store::ObjectStoreSource;
use ossget_testkit::scripted::{Ending, Place, Script, ScriptedServer, Step};
use ossget_testkit::{Content, On};
use std::sync::Arc;

const SIZE: u64 = 300_000;

struct Rig {
    server: ScriptedServer,
    source: ObjectStoreSource,
}

impl Rig {
    fn new() -> Self {
        let server = ScriptedServer::start(Content::generated(1, SIZE)).unwrap();
        let store = bucket(server.endpoint());
        Self { server, source: ObjectStoreSource::new(Arc::new(store), "s3://bkt") }
    }

    /// What the answer to a look at the object makes of it.
    async fn answered(&self, line: &str) -> SourceError {
        self.server.clear_scripts();
        self.server.script(
            On::any(),
            Script::raw(format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n")),
        );
        self.source.probe(&self.source.object("k").unwrap()).await.unwrap_err()
    }
}

#[tokio::test]
async fn each_status_has_its_class() {
    let rig = Rig::new();
    for (line, failure, kind) in [
        ("400 Bad Request", Failure::Fatal, ErrorKind::Service),
        ("401 Unauthorized", Failure::Denied, ErrorKind::Credentials),
        ("403 Forbidden", Failure::Denied, ErrorKind::Denied),
        ("404 Not Found", Failure::NotFound, ErrorKind::NotFound),
        ("412 Precondition Failed", Failure::Changed, ErrorKind::Changed),
        ("429 Too Many Requests", Failure::Throttled, ErrorKind::Throttled),
        ("500 Internal Server Error", Failure::Unavailable, ErrorKind::Unavailable),
        ("503 Slow Down", Failure::Throttled, ErrorKind::Throttled),
        // To a bucket of another region S3 answers so, without a place to go to.
        ("301 Moved Permanently", Failure::Fatal, ErrorKind::Config),
    ] {
        let error = rig.answered(line).await;
        assert_eq!((error.failure(), error.kind()), (failure, kind), "{line}: {error:?}");
    }
    assert_eq!(rig.server.exchanges().len(), 9, "each was asked once");
}

#[tokio::test]
async fn what_befell_the_transport_is_told_as_it_is() {
    let rig = Rig::new();
    let error = rig.answered("not a status").await;
    assert_eq!((error.failure(), error.kind()), (Failure::Protocol, ErrorKind::Protocol));
    rig.server.cut_off();
    let error = rig.source.probe(&rig.source.object("k").unwrap()).await.unwrap_err();
    assert_eq!(
        (error.failure(), error.kind()),
        (Failure::Network, ErrorKind::Network),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_body_that_is_cut_is_an_error_and_not_an_end() {
    let rig = Rig::new();
    let object = rig.source.object("k").unwrap();
    let identity: ObjectIdentity = rig.source.probe(&object).await.unwrap();
    let cut = [Step::UpTo(Place::Object(SIZE / 2)), Step::End(Ending::Rst)];
    rig.server.script(On::get(), Script::new(cut));
    let range = ByteRange::new(0, SIZE).unwrap();
    let mut body = rig.source.get_range(&object, range, &identity).await.unwrap().body;
    let mut bytes = 0;
    let error = loop {
        match body.chunk().await {
            Ok(Some(chunk)) => bytes += chunk.len() as u64,
            Ok(None) => panic!("ended after {bytes} bytes"),
            Err(error) => break error,
        }
    };
    assert!(bytes <= SIZE / 2, "{bytes}");
    assert_eq!(error.kind(), ossget::TransportErrorKind::Broken, "{error:?}");
}

impl Rig {
    /// What a ranged GET comes to.
    async fn range(&self) -> Result<ossget::RangeBody, SourceError> {
        let object = self.source.object("k").unwrap();
        let identity = self.source.probe(&object).await.unwrap();
        self.source.get_range(&object, ByteRange::new(0, 100).unwrap(), &identity).await
    }
}

#[tokio::test]
async fn an_object_is_not_empty_because_a_look_says_so() {
    let rig = Rig::new();
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: \"e\"\r\n\
                Last-Modified: Sun, 29 Nov 2026 00:00:00 GMT\r\n\r\n";
    rig.server.script(On::head(), Script::raw(head));
    let identity = rig.source.probe(&rig.source.object("k").unwrap()).await.unwrap();
    assert_eq!(identity.size, SIZE);
}

#[tokio::test]
async fn a_server_that_ignores_the_range_is_no_failure_of_the_network() {
    let rig = Rig::new();
    rig.server
        .script(On::get(), Script::head(|head| head.replacen("206 Partial Content", "200 OK", 1)));
    let error = rig.range().await.unwrap_err();
    assert_eq!(
        (error.failure(), error.kind()),
        (Failure::Protocol, ErrorKind::Protocol),
        "{error:?}"
    );
}

#[tokio::test]
async fn credentials_that_have_expired_are_told_apart() {
    let rig = Rig::new();
    let body = "<Error><Code>ExpiredToken</Code></Error>";
    let answer =
        format!("HTTP/1.1 400 Bad Request\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    rig.server.script(On::get(), Script::raw(answer));
    let error = rig.range().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error:?}");
}

#[tokio::test]
async fn a_version_that_the_store_says_nothing_of_is_not_taken_for_that_one() {
    let rig = Rig::new();
    let object = rig.source.object("k").unwrap().version_id("v7").unwrap();
    let error = rig.source.probe(&object).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
}
