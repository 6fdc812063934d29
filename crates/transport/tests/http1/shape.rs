//! What goes onto the wire and what comes back unchanged.

use crate::server::{OK, Server, get, get_url, read, read_request, send, transport};
use bytes::Bytes;
use ossget_transport::{HyperTransport, Limits, Transport};
use std::sync::{Arc, Mutex};
use tokio::io::AsyncWriteExt;
use wiremock::matchers::{any, body_string, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// The one request that `send` causes.
async fn on_the_wire(request: impl Fn(&Server) -> http::request::Builder) -> String {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let server = Server::start({
        let seen = Arc::clone(&seen);
        move |mut stream, _| {
            let seen = Arc::clone(&seen);
            async move {
                let request = read_request(&mut stream).await.unwrap();
                seen.lock().unwrap().push(request);
                stream.write_all(OK).await.unwrap();
            }
        }
    })
    .await;
    send(&transport(), request(&server)).await.unwrap();
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    let [request] = <[String; 1]>::try_from(seen).unwrap();
    request.replace(&server.address.to_string(), "ADDRESS")
}

#[tokio::test]
async fn a_request_is_sent_byte_for_byte() {
    let path = "/a/../b/%2e%2e//c%20%2B";
    let sent = on_the_wire(|server| http::Request::get(server.url(path))).await;
    assert_eq!(sent, format!("GET {path} HTTP/1.1\r\nhost: ADDRESS\r\n\r\n"));
}

#[tokio::test]
async fn a_query_and_fields_are_sent_as_they_are_and_nothing_is_added() {
    let sent = on_the_wire(|server| {
        http::Request::head(server.url("/?b=%2f&a&&=+"))
            .version(http::Version::HTTP_3)
            .header("x-oss-date", "20250101T000000Z")
            .header("host", "bucket.example")
            .header("x-twice", "1")
            .header("x-twice", "2")
    })
    .await;
    let fields = "x-oss-date: 20250101T000000Z\r\nhost: bucket.example\r\nx-twice: 1\r\nx-twice: 2";
    assert_eq!(sent, format!("HEAD /?b=%2f&a&&=+ HTTP/1.1\r\n{fields}\r\n\r\n"));
}

#[tokio::test]
async fn a_body_is_sent_with_its_length_and_no_other_framing() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(header("content-length", "11"))
        .and(body_string("RoleArn=a%3"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    let request = http::Request::post(server.uri()).body(Bytes::from("RoleArn=a%3")).unwrap();
    let response = transport().send(request, Limits::default()).await.unwrap();
    assert_eq!(response.head.status, 200);
    let [seen] = <[_; 1]>::try_from(server.received_requests().await.unwrap()).unwrap();
    assert!(!seen.headers.contains_key("transfer-encoding"));
}

#[tokio::test]
async fn a_request_reaches_an_ordinary_server_with_its_fields() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/object"))
        .and(header("range", "bytes=0-4"))
        .and(header("host", server.address().to_string().as_str()))
        .respond_with(
            ResponseTemplate::new(206)
                .insert_header("content-range", "bytes 0-4/10")
                .set_body_bytes("hello"),
        )
        .expect(1)
        .mount(&server)
        .await;
    let request = http::Request::get(format!("{}/object", server.uri()));
    let mut response = send(&transport(), request.header("range", "bytes=0-4")).await.unwrap();
    assert_eq!(response.head.status, 206);
    assert_eq!(response.head.headers["content-range"], "bytes 0-4/10");
    assert_eq!(read(&mut response.body).await.unwrap(), b"hello");
    assert!(response.body.chunk().await.unwrap().is_none());
}

#[tokio::test]
async fn a_redirect_is_handed_back_and_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let server = MockServer::start().await;
        let elsewhere = format!("{}/elsewhere", server.uri());
        Mock::given(any())
            .respond_with(ResponseTemplate::new(status).insert_header("location", elsewhere))
            .expect(1)
            .mount(&server)
            .await;
        let response = get_url(&transport(), &format!("{}/object", server.uri())).await.unwrap();
        assert_eq!(response.head.status, status);
        assert!(response.head.headers.contains_key("location"));
    }
}

#[tokio::test]
async fn any_status_is_ok() {
    for status in [204, 304, 400, 403, 404, 412, 416, 429, 500, 503, 599] {
        let server = MockServer::start().await;
        Mock::given(any())
            .respond_with(ResponseTemplate::new(status))
            .expect(1)
            .mount(&server)
            .await;
        let response = get_url(&transport(), &server.uri()).await.unwrap();
        assert_eq!(response.head.status, status);
    }
}

#[tokio::test]
async fn content_is_not_decoded() {
    let server = MockServer::start().await;
    let gzip = b"\x1f\x8b\x08 not really gzip";
    Mock::given(any())
        .respond_with(
            ResponseTemplate::new(200)
                .insert_header("content-encoding", "gzip")
                .set_body_bytes(gzip.as_slice()),
        )
        .mount(&server)
        .await;
    let mut response = get_url(&transport(), &server.uri()).await.unwrap();
    assert_eq!(response.head.headers["content-encoding"], "gzip");
    assert_eq!(read(&mut response.body).await.unwrap(), gzip);
}

#[tokio::test]
async fn a_chunked_body_is_joined_and_its_trailers_are_dropped() {
    let server = Server::answering(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
         3;extension=1\r\nhel\r\n2\r\nlo\r\n0\r\nx-trailer: 1\r\n\r\n",
    )
    .await;
    let mut response = get(&transport(), &server).await.unwrap();
    assert_eq!(read(&mut response.body).await.unwrap(), b"hello");
}

#[tokio::test]
async fn a_name_with_several_addresses_is_reached_on_any_of_them() {
    // Where `localhost` is also `::1`, that address refuses.
    let server = Server::answering(OK).await;
    let url = format!("http://localhost:{}/object", server.address.port());
    let transport = transport();
    for _ in 0..4 {
        // Dropped unread: each takes a connection, and so a turn, of its own.
        drop(get_url(&transport, &url).await.unwrap());
    }
    assert_eq!(server.accepted(), 4);
}

#[tokio::test]
async fn the_transport_can_be_used_as_a_trait_object() {
    let server = Server::answering(OK).await;
    let transport: Arc<dyn Transport> = Arc::new(HyperTransport::builder().build().unwrap());
    let request = http::Request::get(server.url("/")).body(Bytes::new()).unwrap();
    let response = transport.send(request, Limits::default()).await.unwrap();
    assert_eq!(response.head.status, 200);
}
