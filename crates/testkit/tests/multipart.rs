//! Multipart uploads: parts in any order, and what a completion makes of them.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

mod support;

use md5::{Digest as _, Md5};
use ossget_testkit::{Close, Content, Fault, On, Simulator, Versioning};
use support::{Answer, Call, End, element, elements, refused};

/// The smallest part that is not the last.
const PART: usize = 100 << 10;

fn bytes(seed: u64, size: usize) -> Vec<u8> {
    Content::generated(seed, size as u64).window(0..size as u64)
}

/// The id of a new upload.
fn initiate(sim: &Simulator, key: &str) -> String {
    Call::post(key).query("uploads", "").signed().send(sim).element("UploadId").unwrap()
}

fn part(key: &str, id: &str, number: &str) -> Call {
    Call::put(key).query("partNumber", number).query("uploadId", id)
}

/// The ETag of an uploaded part.
fn upload(sim: &Simulator, (key, id): (&str, &str), number: u16, body: &[u8]) -> String {
    let answer = part(key, id, &number.to_string()).body(body).signed().send(sim);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("etag").unwrap().to_owned()
}

fn completion(parts: &[(u16, &str)]) -> String {
    let lines = parts.iter().map(|(number, etag)| {
        format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
    });
    format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", lines.collect::<String>())
}

fn complete(key: &str, id: &str, document: impl AsRef<[u8]>) -> Call {
    Call::post(key).query("uploadId", id).body(document)
}

/// What an upload of one part comes to.
fn whole(sim: &Simulator, key: &str, body: &[u8]) -> Answer {
    let id = initiate(sim, key);
    let etag = upload(sim, (key, &id), 1, body);
    complete(key, &id, completion(&[(1, &etag)])).signed().send(sim)
}

#[tokio::test]
async fn parts_sent_in_any_order_become_one_object() {
    let sim = Simulator::builder().start().await;
    let key = "dir/a b&c";
    let begun = Call::post(key)
        .query("uploads", "")
        .query("encoding-type", "url")
        .header("content-type", "text/x-example")
        .header("x-oss-meta-author", "somebody")
        .header("x-oss-storage-class", "IA")
        .header("x-oss-tagging", "a=1&b=2")
        .signed()
        .send(&sim);
    assert_eq!((begun.status, begun.element("Bucket").unwrap().as_str()), (200, "examplebucket"));
    assert_eq!(begun.element("Key").unwrap(), "dir%2Fa%20b%26c");
    assert_eq!(begun.element("EncodingType").unwrap(), "url");
    let id = begun.element("UploadId").unwrap();

    let bodies = [bytes(1, PART), bytes(2, PART + 1), bytes(3, 17)];
    let last = upload(&sim, (key, &id), 10_000, &bodies[2]);
    upload(&sim, (key, &id), 1, b"sent again below");
    let second = upload(&sim, (key, &id), 5, &bodies[1]);
    let answer = part(key, &id, "1").body(&bodies[0]).digested().signed().send(&sim);
    assert_eq!(answer.header("etag"), Some(Content::bytes(bodies[0].clone()).etag().as_str()));
    let crc = Content::bytes(bodies[0].clone()).crc64().to_string();
    assert_eq!(answer.header("x-oss-hash-crc64ecma"), Some(crc.as_str()));
    let first = answer.header("etag").unwrap().to_owned();
    refused(&Call::get(key).signed().send(&sim), 404, "NoSuchKey");

    let document = completion(&[(1, &first), (5, second.trim_matches('"')), (10_000, &last)]);
    let done = complete(key, &id, document).signed().send(&sim);
    assert_eq!((done.status, done.element("Key").as_deref()), (200, Some("dir/a b&amp;c")));
    let location = done.element("Location").unwrap();
    assert_eq!(location, "http://127.0.0.1/examplebucket/dir/a%20b%26c");
    let body = bodies.concat();
    let md5s: Vec<u8> = bodies.iter().flat_map(Md5::digest).collect();
    let hex: String = Md5::digest(md5s).iter().map(|byte| format!("{byte:02X}")).collect();
    let (etag, crc) = (format!("\"{hex}-3\""), Content::bytes(body.clone()).crc64().to_string());
    assert_eq!(done.element("ETag").unwrap(), etag.replace('"', "&quot;"));

    let got = Call::get(key).signed().send(&sim);
    assert!(got.body == body, "other bytes");
    for answer in [&done, &got, &Call::head(key).signed().send(&sim)] {
        assert_eq!(answer.header("etag"), Some(etag.as_str()));
        assert_eq!(answer.header("x-oss-hash-crc64ecma"), Some(crc.as_str()));
    }
    for (name, value) in [
        ("content-type", "text/x-example"),
        ("x-oss-meta-author", "somebody"),
        ("x-oss-storage-class", "IA"),
        ("x-oss-object-type", "Multipart"),
        ("x-oss-tagging-count", "2"),
    ] {
        assert_eq!(got.header(name), Some(value), "{name}");
    }
    let range = Call::get(key).range("bytes=102399-102401").signed().send(&sim);
    assert_eq!(range.body, body[102_399..102_402]);
    let listed = Call::get("").signed().send(&sim).text();
    assert_eq!(element(&listed, "Type").unwrap(), "Multipart");
    assert!(listed.contains("<StorageClass>IA</StorageClass>"), "{listed}");
}

#[tokio::test]
async fn an_upload_ends_when_it_is_completed_or_aborted() {
    let sim = Simulator::builder().start().await;
    sim.put_object("k", "before");
    let (completed, aborted) = (initiate(&sim, "k"), initiate(&sim, "k"));
    let etag = upload(&sim, ("k", &completed), 1, b"after");
    upload(&sim, ("k", &aborted), 1, b"never");
    let abort = |id: &str| Call::delete("k").query("uploadId", id).signed().send(&sim);
    assert_eq!(abort(&aborted).status, 204);
    assert_eq!(Call::get("k").signed().send(&sim).text(), "before");
    let document = completion(&[(1, &etag)]);
    assert_eq!(complete("k", &completed, &document).signed().send(&sim).status, 200);
    assert_eq!(Call::get("k").signed().send(&sim).text(), "after");
    for id in [completed.as_str(), aborted.as_str(), "unknown"] {
        refused(&abort(id), 404, "NoSuchUpload");
        refused(&part("k", id, "1").body("x").signed().send(&sim), 404, "NoSuchUpload");
        refused(&complete("k", id, &document).signed().send(&sim), 404, "NoSuchUpload");
        refused(&Call::get("k").query("uploadId", id).signed().send(&sim), 404, "NoSuchUpload");
    }
    let id = initiate(&sim, "k");
    refused(&part("other", &id, "1").body("x").signed().send(&sim), 404, "NoSuchUpload");
}

#[tokio::test]
async fn a_part_that_is_not_right_is_refused() {
    let sim = Simulator::builder().start().await;
    let id = initiate(&sim, "k");
    for number in ["0", "10001", "-1", "x", ""] {
        let answer = part("k", &id, number).body("x").signed().send(&sim);
        refused(&answer, 400, "InvalidArgument");
        assert_eq!(answer.element("ArgumentName").as_deref(), Some("partNumber"));
    }
    let unnumbered = Call::put("k").query("uploadId", &id).body("x").signed();
    refused(&unnumbered.send(&sim), 400, "MissingArgument");
    let unnamed = Call::put("k").query("partNumber", "1").body("x").signed();
    refused(&unnamed.send(&sim), 400, "MissingArgument");
    let damaged = part("k", &id, "1").body("sent").digested().body("came").signed();
    refused(&damaged.send(&sim), 400, "InvalidDigest");
    let listed = Call::get("k").query("uploadId", &id).signed().send(&sim).text();
    assert!(!listed.contains("<Part>"), "{listed}");
}

#[tokio::test]
async fn a_completion_must_name_the_parts_as_they_are() {
    let sim = Simulator::builder().start().await;
    let id = initiate(&sim, "k");
    let first = upload(&sim, ("k", &id), 1, &bytes(1, PART));
    let small = upload(&sim, ("k", &id), 2, &bytes(2, PART - 1));
    let last = upload(&sim, ("k", &id), 3, b"");
    let (first, small, last) = (first.as_str(), small.as_str(), last.as_str());
    let doctype = "<!DOCTYPE x [<!ENTITY e \"1\">]>".to_owned();
    for (document, code) in [
        (completion(&[(2, small), (1, first)]), "InvalidPartOrder"),
        (completion(&[(1, first), (1, first)]), "InvalidPartOrder"),
        (completion(&[(0, first)]), "InvalidPartOrder"),
        (completion(&[(10_001, first)]), "InvalidPartOrder"),
        (completion(&[(1, first), (4, last)]), "InvalidPart"),
        (completion(&[(1, small), (3, last)]), "InvalidPart"),
        (completion(&[(1, first), (2, small), (3, last)]), "EntityTooSmall"),
        (completion(&[]), "MalformedXML"),
        (String::new(), "MalformedXML"),
        ("<CompleteMultipartUpload><Part>".to_owned(), "MalformedXML"),
        (completion(&[(1, first)]).replace("ETag", "Tag"), "MalformedXML"),
        (completion(&[(1, first)]).replace("CompleteMultipart", ""), "MalformedXML"),
        (doctype + &completion(&[(1, first)]), "MalformedXML"),
    ] {
        let answer = complete("k", &id, &document).signed().send(&sim);
        assert_eq!(answer.element("Code").as_deref(), Some(code), "{document}");
        assert_eq!(answer.status, 400);
    }
    let document = completion(&[(1, first), (3, last)]);
    let damaged = complete("k", &id, &document).digested().body(document.replace('3', "2"));
    refused(&damaged.signed().send(&sim), 400, "InvalidDigest");
    let all = complete("k", &id, "").header("x-oss-complete-all", "yes").signed().send(&sim);
    refused(&all, 501, "NotImplemented");
    refused(&Call::get("k").signed().send(&sim), 404, "NoSuchKey");
    // All of that has left the upload as it was.
    let done = complete("k", &id, &document).digested().signed().send(&sim);
    assert_eq!(done.status, 200, "{}", done.text());
    assert!(Call::get("k").signed().send(&sim).body == bytes(1, PART));
}

#[tokio::test]
async fn an_upload_that_must_not_overwrite_stays_when_it_would() {
    let sim = Simulator::builder().start().await;
    let id = initiate(&sim, "k");
    let etag = upload(&sim, ("k", &id), 1, b"new");
    let document = completion(&[(1, &etag)]);
    let carefully = |call: Call| call.header("x-oss-forbid-overwrite", "true").signed().send(&sim);
    sim.put_object("k", "old");
    refused(&carefully(Call::post("k").query("uploads", "")), 409, "FileAlreadyExists");
    refused(&carefully(complete("k", &id, &document)), 409, "FileAlreadyExists");
    assert_eq!(Call::get("k").signed().send(&sim).text(), "old");
    sim.delete_object("k");
    assert_eq!(carefully(complete("k", &id, &document)).status, 200);
    assert_eq!(Call::get("k").signed().send(&sim).text(), "new");
}

#[tokio::test]
async fn where_versions_are_kept_an_upload_adds_one() {
    let sim = Simulator::builder().versioning(Versioning::Enabled).start().await;
    let old = sim.put_object("k", "old").unwrap();
    let begun = Call::post("k").query("uploads", "").header("x-oss-forbid-overwrite", "true");
    let id = begun.signed().send(&sim).element("UploadId").unwrap();
    let etag = upload(&sim, ("k", &id), 1, b"new");
    let done = complete("k", &id, completion(&[(1, &etag)]))
        .header("x-oss-forbid-overwrite", "true")
        .signed()
        .send(&sim);
    let new = done.header("x-oss-version-id").unwrap();
    let read = |version| Call::get("k").query("versionId", version).signed().send(&sim).text();
    assert_eq!((read(&old), read(new)), ("old".to_owned(), "new".to_owned()));
}

#[tokio::test]
async fn parts_are_copied_from_objects() {
    let sim = Simulator::builder().start().await;
    let size = 3 << 30;
    let source = Content::generated(1, size);
    sim.put_object("a b/source", source.clone());
    let id = initiate(&sim, "k");
    let copy = |number| {
        part("k", &id, number).header("x-oss-copy-source", "/examplebucket/a%20b%2Fsource")
    };
    let half = size / 2;
    let mut etags = Vec::new();
    for (number, start, end) in [("1", 0, half), ("2", half, size)] {
        let range = format!("bytes={start}-{}", end - 1);
        let answer = copy(number).header("x-oss-copy-source-range", &range).signed().send(&sim);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let said = format!("bytes {start}-{}/{size}", end - 1);
        assert_eq!(answer.header("content-range"), Some(said.as_str()));
        assert!(element(&answer.text(), "LastModified").unwrap().ends_with(".000Z"));
        etags.push(answer.element("ETag").unwrap());
    }
    let document = completion(&[(1, &etags[0]), (2, &etags[1])]);
    let done = complete("k", &id, document).signed().send(&sim);
    let crc = source.crc64().to_string();
    assert_eq!(done.header("x-oss-hash-crc64ecma"), Some(crc.as_str()));
    let range = format!("bytes={}-{}", half - 5, half + 4);
    let got = Call::get("k").range(&range).signed().send(&sim);
    assert_eq!(got.body, source.window(half - 5..half + 5));
}

#[tokio::test]
async fn a_part_is_a_whole_object_unless_a_range_is_within_it() {
    let sim = Simulator::builder().start().await;
    sim.put_object("source", "0123456789");
    assert_eq!(whole(&sim, "uploaded", b"abcdef").status, 200);
    let id = initiate(&sim, "k");
    let copied = |number: u16, source: &str, range: Option<&str>| {
        let call = part("k", &id, &number.to_string())
            .header("x-oss-copy-source", &format!("/examplebucket/{source}"));
        let call = range
            .into_iter()
            .fold(call, |call, range| call.header("x-oss-copy-source-range", range));
        let answer = call.signed().send(&sim);
        (answer.header("content-range").map(str::to_owned), answer.element("ETag").unwrap())
    };
    let etag = |text: &'static str| Content::bytes(text).etag().replace('"', "&quot;");
    assert_eq!(copied(1, "source", None), (None, etag("0123456789")));
    assert_eq!(copied(2, "source", Some("bytes=5-10")), (None, etag("0123456789")));
    let within = copied(3, "source", Some("bytes=5-9"));
    assert_eq!(within, (Some("bytes 5-9/10".to_owned()), etag("56789")));
    // That of a part is an MD5, also where that of the object is none.
    assert_eq!(copied(4, "uploaded", None), (None, etag("abcdef")));
}

#[tokio::test]
async fn a_part_that_cannot_be_copied_is_refused() {
    let sim = Simulator::builder().start().await;
    sim.put_object("source", "content");
    sim.put_object("large", Content::generated(1, (5 << 30) + 1));
    let id = initiate(&sim, "k");
    let copy = |source: &str| part("k", &id, "1").header("x-oss-copy-source", source);
    refused(&copy("/examplebucket/absent").signed().send(&sim), 404, "NoSuchKey");
    refused(&copy("/otherbucket/source").signed().send(&sim), 404, "NoSuchBucket");
    refused(&copy("examplebucket/source").signed().send(&sim), 400, "InvalidArgument");
    refused(&copy("/examplebucket/large").signed().send(&sim), 400, "EntityTooLarge");
    let changed = copy("/examplebucket/source").header("x-oss-copy-source-if-match", "\"OTHER\"");
    refused(&changed.signed().send(&sim), 412, "PreconditionFailed");
    let unknown = part("k", "unknown", "1").header("x-oss-copy-source", "/examplebucket/source");
    refused(&unknown.signed().send(&sim), 404, "NoSuchUpload");
}

#[tokio::test]
async fn the_parts_of_an_upload_are_listed_page_by_page() {
    let sim = Simulator::builder().start().await;
    let id = initiate(&sim, "dir/k");
    let numbers = [7, 2, 9999, 40];
    for number in numbers {
        upload(&sim, ("dir/k", &id), number, format!("part {number}").as_bytes());
    }
    let mut found = Vec::new();
    let mut marker = String::new();
    loop {
        let page = Call::get("dir/k")
            .query("uploadId", &id)
            .query("max-parts", "3")
            .query("part-number-marker", &marker)
            .query("encoding-type", "url")
            .signed()
            .send(&sim)
            .text();
        assert_eq!(element(&page, "Key").unwrap(), "dir%2Fk");
        found.extend(elements(&page, "PartNumber"));
        marker = element(&page, "NextPartNumberMarker").unwrap();
        let sizes = elements(&page, "Size");
        assert!(sizes.iter().all(|size| size.parse::<u64>().unwrap() >= 6), "{page}");
        match element(&page, "IsTruncated").as_deref() {
            Some("true") => assert_eq!(sizes.len(), 3),
            _ => break,
        }
    }
    assert_eq!(found, ["2", "7", "40", "9999"]);
    let listing = Call::get("dir/k").query("uploadId", &id);
    for (name, value) in [("max-parts", "0"), ("max-parts", "1001"), ("part-number-marker", "x")] {
        let answer = listing.clone().query(name, value).signed().send(&sim);
        refused(&answer, 400, "InvalidArgument");
    }
}

#[tokio::test]
async fn the_uploads_of_a_bucket_are_listed_page_by_page() {
    let sim = Simulator::builder().start().await;
    let mut expected: Vec<(String, String)> = ["b", "a/1", "a/2", "a/1", "é"]
        .iter()
        .map(|key| ((*key).to_owned(), initiate(&sim, key)))
        .collect();
    expected.sort();
    let list = |query: &[(&str, &str)]| {
        let call = Call::get("").query("uploads", "");
        let call = query.iter().fold(call, |call, (name, value)| call.query(name, value));
        call.signed().send(&sim)
    };
    let lines = |page: &str| -> Vec<(String, String)> {
        let uploads = elements(page, "Upload");
        let text = |upload: &str, name| element(upload, name).unwrap();
        uploads.iter().map(|upload| (text(upload, "Key"), text(upload, "UploadId"))).collect()
    };
    assert_eq!(lines(&list(&[]).text()), expected);
    assert_eq!(lines(&list(&[("prefix", "a/")]).text()), expected[..3]);
    let encoded = list(&[("prefix", "é"), ("encoding-type", "url")]).text();
    assert_eq!(element(&encoded, "Key").unwrap(), "%C3%A9");
    let (mut found, mut key, mut id) = (Vec::new(), String::new(), String::new());
    loop {
        let markers = [("key-marker", key.as_str()), ("upload-id-marker", &id)];
        let page = list(&[&markers[..], &[("max-uploads", "2")][..]].concat()).text();
        found.extend(lines(&page));
        key = element(&page, "NextKeyMarker").unwrap();
        id = element(&page, "NextUploadIdMarker").unwrap();
        if element(&page, "IsTruncated").unwrap() == "false" {
            break;
        }
    }
    assert_eq!(found, expected);
    refused(&list(&[("max-uploads", "0")]), 400, "InvalidArgument");
    refused(&list(&[("delimiter", "/")]), 501, "NotImplemented");
}

#[tokio::test]
async fn faults_meet_one_request_of_an_upload() {
    let sim = Simulator::builder().start().await;
    let id = initiate(&sim, "k");
    let second = On::put().parameter("partNumber").nth(2);
    sim.fault(second, Fault::status(503, "SlowDown"));
    let first = upload(&sim, ("k", &id), 1, &bytes(1, PART));
    let call = part("k", &id, "2").body(bytes(2, 300_000));
    refused(&call.clone().signed().send(&sim), 503, "SlowDown");
    let last = call.signed().send(&sim).header("etag").unwrap().to_owned();
    // The answer is lost, not what it would have told.
    sim.fault(On::post().parameter("uploadId"), Fault::CutHead { bytes: 0, how: Close::Fin });
    let done = complete("k", &id, completion(&[(1, &first), (2, &last)])).signed();
    assert_eq!((done.send(&sim).end, sim.object("k").unwrap().size()), (End::Closed, 402_400));
    refused(&done.send(&sim), 404, "NoSuchUpload");
    let log: Vec<_> = sim.requests().into_iter().map(|r| (r.method, r.query, r.status)).collect();
    let id_of = |query: &str| query.replace(&id, "ID");
    let log: Vec<_> = log.iter().map(|(m, q, s)| (m.as_str(), id_of(q), s.unwrap())).collect();
    let expected = [
        ("POST", "uploads", 200),
        ("PUT", "partNumber=1&uploadId=ID", 200),
        ("PUT", "partNumber=2&uploadId=ID", 503),
        ("PUT", "partNumber=2&uploadId=ID", 200),
        ("POST", "uploadId=ID", 200),
        ("POST", "uploadId=ID", 404),
    ];
    assert_eq!(log, expected.map(|(m, q, s)| (m, q.to_owned(), s)));
}

#[tokio::test]
async fn an_uploaded_object_is_a_file_where_objects_are_files() {
    let dir = tempfile::tempdir().unwrap();
    let sim = Simulator::builder().data_dir(dir.path()).start().await;
    let id = initiate(&sim, "dir/k");
    let bodies = [bytes(1, PART), bytes(2, 1_500_000)];
    let etags = [1, 2].map(|n| upload(&sim, ("dir/k", &id), n, &bodies[usize::from(n) - 1]));
    let done = complete("dir/k", &id, completion(&[(1, &etags[0]), (2, &etags[1])])).signed();
    let done = done.send(&sim);
    assert_eq!(done.status, 200, "{}", done.text());
    let file = std::fs::read(dir.path().join("examplebucket/dir/k")).unwrap();
    assert!(file == bodies.concat(), "other bytes");
    let head = Call::head("dir/k").signed().send(&sim);
    assert_eq!(head.header("etag"), done.header("etag"));
    assert!(head.header("etag").unwrap().ends_with("-2\""));
}

#[tokio::test]
async fn what_one_request_cannot_carry_is_refused() {
    let sim = Simulator::builder().start().await;
    let too_long = ((5_u64 << 30) + 1).to_string();
    let id = initiate(&sim, "k");
    for call in [Call::put("k"), part("k", &id, "1")] {
        let answer = call.signed().header("content-length", &too_long).send(&sim);
        refused(&answer, 400, "EntityTooLarge");
    }
}
