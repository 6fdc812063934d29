//! The wiremock mock.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use ossget_testkit::Content;
use ossget_testkit::mock::ObjectMock;
use wiremock::MockServer;

/// Status, headers and body of a request on a bare socket.
fn send(server: &MockServer, method: &str, range: &str) -> (u16, String, Vec<u8>) {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    let range = if range.is_empty() { String::new() } else { format!("Range: {range}\r\n") };
    let behavior = "x-oss-range-behavior: standard\r\n";
    let head = format!(
        "{method} /b/a%20b HTTP/1.1\r\nHost: x\r\n{range}{behavior}Connection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
    (head[9..12].parse().unwrap(), head, bytes[end..].to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_answers_head_and_ranges() {
    let server = MockServer::start().await;
    let content = Content::generated(1, 1000);
    ObjectMock::new("/b/a b", content.clone()).expect_ranged_gets(2).mount(&server).await;
    let (status, head, body) = send(&server, "HEAD", "");
    assert_eq!((status, body.len()), (200, 0));
    assert!(head.contains("content-length: 1000"));
    assert!(head.contains(&format!("x-oss-hash-crc64ecma: {}", content.crc64())));
    let (status, head, body) = send(&server, "GET", "bytes=10-19");
    assert_eq!((status, body), (206, content.window(10..20)));
    assert!(head.contains("content-range: bytes 10-19/1000"));
    assert_eq!(send(&server, "GET", "bytes=1000-").0, 416);
    assert_eq!(send(&server, "GET", "").2.len(), 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nth_get_fails() {
    let server = MockServer::start().await;
    ObjectMock::new("/b/a b", "hello").fail_nth(2, 503).mount(&server).await;
    let statuses: Vec<u16> = (0..3).map(|_| send(&server, "GET", "").0).collect();
    assert_eq!(statuses, [200, 503, 200]);
}

#[tokio::test(flavor = "multi_thread")]
#[should_panic(expected = "Verifications failed")]
async fn a_missing_ranged_get_is_noticed() {
    let server = MockServer::start().await;
    ObjectMock::new("/b/a b", "hello").expect_ranged_gets(1).mount(&server).await;
    send(&server, "GET", "");
}
