//! Copies of objects.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

mod support;

use ossget_testkit::{Content, Simulator, Versioning};
use support::{Call, element, refused};

fn copy(source: &str, key: &str) -> Call {
    Call::put(key).header("x-oss-copy-source", source)
}

/// A simulator with one object that has all a PUT can give it.
async fn simulator() -> Simulator {
    let sim = Simulator::builder().start().await;
    let put = Call::put("dir/a b+c%?")
        .body("content")
        .header("content-type", "text/x-example")
        .header("cache-control", "no-cache")
        .header("x-oss-meta-author", "somebody")
        .header("x-oss-storage-class", "IA")
        .header("x-oss-tagging", "a=1&b=2");
    assert_eq!(put.signed().send(&sim).status, 200);
    sim
}

const SOURCE: &str = "/examplebucket/dir%2Fa%20b%2Bc%25%3F";

#[tokio::test]
async fn a_copy_has_the_bytes_the_metadata_and_the_tags() {
    let sim = simulator().await;
    let answer = copy(SOURCE, "k").signed().send(&sim);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let content = Content::bytes("content");
    assert_eq!(answer.element("ETag").unwrap(), content.etag().replace('"', "&quot;"));
    assert!(answer.element("LastModified").unwrap().ends_with(".000Z"));
    let crc = content.crc64().to_string();
    assert_eq!(answer.header("x-oss-hash-crc64ecma"), Some(crc.as_str()));
    assert_eq!(answer.header("etag"), Some(content.etag().as_str()));
    let got = Call::get("k").signed().send(&sim);
    assert_eq!(got.text(), "content");
    for (name, value) in [
        ("content-type", "text/x-example"),
        ("cache-control", "no-cache"),
        ("x-oss-meta-author", "somebody"),
        ("x-oss-tagging-count", "2"),
        // Not of the source: it would cost something else.
        ("x-oss-storage-class", "Standard"),
    ] {
        assert_eq!(got.header(name), Some(value), "{name}");
    }
    let archived = copy(SOURCE, "archived").header("x-oss-storage-class", "Archive");
    assert_eq!(archived.signed().send(&sim).status, 200);
    let head = Call::head("archived").signed().send(&sim);
    assert_eq!(head.header("x-oss-storage-class"), Some("Archive"));
}

#[tokio::test]
async fn what_the_request_says_replaces_what_the_source_has() {
    let sim = simulator().await;
    let replaced = |metadata: &str, tagging: &str| {
        let call = copy(SOURCE, "k")
            .header("x-oss-metadata-directive", metadata)
            .header("x-oss-tagging-directive", tagging)
            .header("content-type", "text/plain")
            .header("x-oss-meta-title", "new")
            .header("x-oss-tagging", "c=3");
        assert_eq!(call.signed().send(&sim).status, 200);
        let head = Call::head("k").signed().send(&sim);
        let header = |name| head.header(name).map(str::to_owned);
        (
            header("content-type").unwrap(),
            header("x-oss-meta-author").is_some(),
            header("x-oss-meta-title").is_some(),
            header("x-oss-tagging-count").unwrap(),
        )
    };
    let expected =
        |kind: &str, author, title, tags: &str| (kind.to_owned(), author, title, tags.to_owned());
    assert_eq!(replaced("COPY", "Copy"), expected("text/x-example", true, false, "2"));
    assert_eq!(replaced("REPLACE", "Copy"), expected("text/plain", false, true, "2"));
    assert_eq!(replaced("COPY", "Replace"), expected("text/x-example", true, false, "1"));
    for header in ["x-oss-metadata-directive", "x-oss-tagging-directive"] {
        let answer = copy(SOURCE, "k").header(header, "MOVE").signed().send(&sim);
        refused(&answer, 400, "InvalidArgument");
    }
}

#[tokio::test]
async fn an_object_copied_to_itself_gets_the_metadata_of_the_request() {
    let sim = simulator().await;
    let size = 2 << 30;
    sim.put_object("large", Content::generated(1, size));
    let itself = copy("/examplebucket/large", "large").header("content-type", "text/plain");
    assert_eq!(itself.signed().send(&sim).status, 200);
    let head = Call::head("large").signed().send(&sim);
    assert_eq!(head.header("content-type"), Some("text/plain"));
    assert_eq!(head.header("content-length"), Some(size.to_string().as_str()));
    let key = "dir/a b+c%?";
    assert_eq!(copy(SOURCE, key).signed().send(&sim).status, 200);
    let head = Call::head(key).signed().send(&sim);
    assert_eq!(head.header("x-oss-storage-class"), Some("IA"));
    assert_eq!(head.header("x-oss-meta-author"), None);
    assert_eq!(head.header("x-oss-tagging-count"), Some("2"));
}

#[tokio::test]
async fn conditions_on_the_source_are_kept() {
    let sim = Simulator::builder().start().await;
    sim.put_object("source", "content");
    let head = Call::head("source").signed().send(&sim);
    let (etag, modified) = (head.header("etag").unwrap(), head.header("last-modified").unwrap());
    let past = "Sun, 09 Mar 2025 08:05:07 GMT";
    for (name, value, status) in [
        ("x-oss-copy-source-if-match", etag, 200),
        ("x-oss-copy-source-if-match", "\"OTHER\"", 412),
        ("x-oss-copy-source-if-none-match", etag, 304),
        ("x-oss-copy-source-if-none-match", "\"OTHER\"", 200),
        ("x-oss-copy-source-if-modified-since", past, 200),
        ("x-oss-copy-source-if-modified-since", modified, 304),
        ("x-oss-copy-source-if-unmodified-since", past, 412),
        ("x-oss-copy-source-if-unmodified-since", modified, 200),
    ] {
        sim.delete_object("k");
        let answer = copy("/examplebucket/source", "k").header(name, value).signed().send(&sim);
        assert_eq!(answer.status, status, "{name}: {value}");
        assert_eq!(sim.object("k").is_some(), status == 200, "{name}: {value}");
        match status {
            412 => refused(&answer, 412, "PreconditionFailed"),
            304 => assert!(answer.body.is_empty()),
            _ => {}
        }
    }
}

#[tokio::test]
async fn what_cannot_be_copied_is_refused() {
    let sim = Simulator::builder().start().await;
    sim.put_object("source", "content");
    sim.put_object("largest", Content::generated(1, 1 << 30));
    sim.put_object("larger", Content::generated(1, (1 << 30) + 1));
    let answer = |source: &str| copy(source, "k").signed().send(&sim);
    refused(&answer("/examplebucket/absent"), 404, "NoSuchKey");
    refused(&answer("/otherbucket/source"), 404, "NoSuchBucket");
    for source in ["examplebucket/source", "/examplebucket", "/examplebucket/", "", "/"] {
        refused(&answer(source), 400, "InvalidArgument");
    }
    let larger = answer("/examplebucket/larger");
    refused(&larger, 400, "EntityTooLarge");
    let message = element(&larger.text(), "Message").unwrap();
    assert_eq!(message, "Source object Length exceeds the maximum allowed size.");
    assert_eq!(answer("/examplebucket/largest").status, 200);
    assert_eq!(sim.object("k").unwrap().crc64(), sim.object("largest").unwrap().crc64());
    for condition in ["if-match", "if-none-match"] {
        let call = copy("/examplebucket/source", "k").header(condition, "*");
        refused(&call.signed().send(&sim), 501, "NotImplemented");
    }
}

#[tokio::test]
async fn a_copy_overwrites_unless_that_is_forbidden() {
    let sim = Simulator::builder().start().await;
    sim.put_object("source", "new");
    sim.put_object("k", "old");
    let copied = |forbid: &str| {
        copy("/examplebucket/source", "k").header("x-oss-forbid-overwrite", forbid).signed()
    };
    refused(&copied("true").send(&sim), 409, "FileAlreadyExists");
    assert_eq!(Call::get("k").signed().send(&sim).text(), "old");
    assert_eq!(copied("false").send(&sim).status, 200);
    assert_eq!(Call::get("k").signed().send(&sim).text(), "new");
    sim.delete_object("k");
    assert_eq!(copied("true").send(&sim).status, 200);
}

#[tokio::test]
async fn where_versions_are_kept_any_of_them_is_copied() {
    let sim = Simulator::builder().versioning(Versioning::Enabled).start().await;
    let first = sim.put_object("k", "one").unwrap();
    let second = sim.put_object("k", "two").unwrap();
    let current = copy("/examplebucket/k", "other").signed().send(&sim);
    assert_eq!(current.header("x-oss-copy-source-version-id"), Some(second.as_str()));
    assert!(current.header("x-oss-version-id").is_some_and(|version| version != second));
    assert_eq!(Call::get("other").signed().send(&sim).text(), "two");
    // An old version becomes the current one.
    let restored = copy(&format!("/examplebucket/k?versionId={first}"), "k")
        .header("x-oss-forbid-overwrite", "true")
        .signed()
        .send(&sim);
    assert_eq!(restored.header("x-oss-copy-source-version-id"), Some(first.as_str()));
    assert_eq!(Call::get("k").signed().send(&sim).text(), "one");
    let unknown = copy("/examplebucket/k?versionId=unknown", "other").signed().send(&sim);
    refused(&unknown, 404, "NoSuchVersion");
    sim.delete_object("k");
    refused(&copy("/examplebucket/k", "other").signed().send(&sim), 404, "NoSuchKey");
}

#[tokio::test]
async fn objects_are_copied_between_buckets_and_into_files() {
    let dir = tempfile::tempdir().unwrap();
    let sim = Simulator::builder().data_dir(dir.path()).start().await;
    sim.put_object_in("otherbucket", "source", Content::generated(1, 3_000_000));
    let answer = copy("/otherbucket/source", "dir/k").signed().send(&sim);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let file = std::fs::read(dir.path().join("examplebucket/dir/k")).unwrap();
    assert!(file == Content::generated(1, 3_000_000).window(0..3_000_000), "other bytes");
}
