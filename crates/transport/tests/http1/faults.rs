//! Each way in which a server or a network can fail, and the kind it is reported as.

use crate::server::{Server, assert_kind, fetch, get, get_url, read, read_request, transport};
use bytes::Bytes;
use ossget_transport::TransportErrorKind::{
    Broken, Connect, ConnectTimeout, HeadTimeout, Protocol, Request, Resolve,
};
use ossget_transport::{Limits, Transport};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;
use tokio::time::Instant;

#[tokio::test]
async fn a_refused_connection_is_connect() {
    // Bound but not listening: it refuses, and nobody else can be given its port.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    let error = get_url(&transport(), &format!("http://{address}/object")).await.unwrap_err();
    assert_kind(&error, Connect);
    assert_eq!(error.host(), Some("127.0.0.1"));
}

#[tokio::test]
async fn an_unknown_name_is_resolve_and_is_named() {
    let url = "http://bucket.invalid/object?signature=secret";
    let error = get_url(&transport(), url).await.unwrap_err();
    assert_kind(&error, Resolve);
    assert_eq!(error.host(), Some("bucket.invalid"));
    assert_eq!(error.to_string(), "the host name does not resolve (bucket.invalid)");
}

#[tokio::test]
async fn a_uri_without_a_host_is_request() {
    assert_kind(&get_url(&transport(), "/object?signature=secret").await.unwrap_err(), Request);
}

#[tokio::test]
async fn a_connection_that_ends_within_the_head_is_broken() {
    let whole = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
    for end in 0..whole.len() {
        let server = Server::closing_after(&whole[..end]).await;
        assert_kind(&get(&transport(), &server).await.unwrap_err(), Broken);
    }
}

#[tokio::test]
async fn a_connection_that_is_reset_is_broken() {
    for sent in ["", "HTTP/1.1 200 OK\r\n"] {
        let server = Server::start(move |mut stream, _| async move {
            read_request(&mut stream).await.unwrap();
            stream.write_all(sent.as_bytes()).await.unwrap();
            stream.set_zero_linger().unwrap();
        })
        .await;
        assert_kind(&get(&transport(), &server).await.unwrap_err(), Broken);
    }
}

/// Faults: 34, 36.
#[tokio::test]
async fn what_is_not_http_1_is_protocol() {
    for head in [
        "garbage\r\n\r\n",
        "\0\x01\x02\x03\r\n\r\n",
        "<html>not a response</html>\r\n\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 99 Low\r\n\r\n",
        "HTTP/1.1 20x OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon secret\r\n\r\n",
        "HTTP/1.1 200 OK\r\nname : secret\r\n\r\n",
        "HTTP/1.1 200 OK\r\nname: folded\r\n secret\r\n\r\n",
        "HTTP/1.1 200 OK\r\nname: secret\0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551616\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let server = Server::answering(head).await;
        let transport = transport();
        assert_kind(&get(&transport, &server).await.unwrap_err(), Protocol);
        // Such a connection is not to be trusted with another request.
        assert_kind(&get(&transport, &server).await.unwrap_err(), Protocol);
        assert_eq!(server.accepted(), 2, "{head}");
    }
}

/// Faults: 35.
#[tokio::test]
async fn a_head_is_limited_in_fields_and_in_bytes() {
    let with =
        |fields: String| format!("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n{fields}\r\nhello");
    let fields = |count: usize| (0..count).map(|n| format!("x-{n}: secret\r\n")).collect();
    let bytes = |count: usize| {
        let rest = count - with("x: \r\n".into()).len() + "hello".len();
        format!("x: {}\r\n", "s".repeat(rest))
    };
    let good = [with(fields(99)), with(bytes(64 * 1024))];
    let bad = [with(fields(100)), with(bytes(64 * 1024 + 1)), with(bytes(10_000_000))];
    for head in good {
        assert_eq!(fetch(&transport(), &Server::answering(head).await).await, b"hello");
    }
    for head in bad {
        let server = Server::answering(head).await;
        assert_kind(&get(&transport(), &server).await.unwrap_err(), Protocol);
    }
}

/// Faults: 36.
#[tokio::test]
async fn ten_interim_responses_are_skipped_and_an_eleventh_is_protocol() {
    let interim = "HTTP/1.1 103 Early Hints\r\nlink: secret\r\n\r\n";
    let last = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
    let server = Server::answering(interim.repeat(10) + last).await;
    assert_eq!(fetch(&transport(), &server).await, b"hello");
    let server = Server::answering(interim.repeat(11)).await;
    assert_kind(&get(&transport(), &server).await.unwrap_err(), Protocol);
}

#[tokio::test]
async fn a_body_that_is_cut_short_is_broken_and_stays_so() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ] {
        let server = Server::closing_after(answer).await;
        let mut response = get(&transport(), &server).await.unwrap();
        assert_eq!(response.body.chunk().await.unwrap().unwrap(), "hello", "{answer}");
        for _ in 0..2 {
            assert_kind(&response.body.chunk().await.unwrap_err(), Broken);
        }
    }
}

#[tokio::test]
async fn a_body_cut_before_its_first_byte_is_broken() {
    let server = Server::closing_after("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n").await;
    let mut response = get(&transport(), &server).await.unwrap();
    assert_kind(&response.body.chunk().await.unwrap_err(), Broken);
}

#[tokio::test]
async fn broken_chunked_coding_is_protocol() {
    for body in [
        "secret\r\n".to_owned(),
        "5\r\nhelloworld\r\n0\r\n\r\n".to_owned(),
        "FFFFFFFFFFFFFFFFFF\r\nhello".to_owned(),
        "0\r\nx-trailer: secret\0\r\n\r\n".to_owned(),
        format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(20_000)),
    ] {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let server = Server::answering(format!("{head}{body}")).await;
        let mut response = get(&transport(), &server).await.unwrap();
        assert_kind(&read(&mut response.body).await.unwrap_err(), Protocol);
    }
}

#[tokio::test]
async fn a_body_framed_by_the_close_ends_cleanly() {
    for answer in ["HTTP/1.1 200 OK\r\n\r\nhello", "HTTP/1.0 206 Partial\r\n\r\nhello"] {
        let server = Server::closing_after(answer).await;
        let transport = transport();
        assert_eq!(fetch(&transport, &server).await, b"hello");
        assert_eq!(fetch(&transport, &server).await, b"hello");
        assert_eq!(server.accepted(), 2);
    }
}

/// Faults: 17.
#[tokio::test]
async fn bytes_past_the_length_are_never_handed_out() {
    let server = Server::answering(
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhelloHTTP/1.1 500 No\r\n\r\n",
    )
    .await;
    let transport = transport();
    for _ in 0..3 {
        let mut response = get(&transport, &server).await.unwrap();
        assert_eq!(response.head.status, 200);
        assert_eq!(read(&mut response.body).await.unwrap(), b"hello");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_head_timeout() {
    let server = Server::start(|mut stream, _| async move {
        read_request(&mut stream).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let begun = Instant::now();
    assert_kind(&get(&transport(), &server).await.unwrap_err(), HeadTimeout);
    assert_eq!(begun.elapsed().as_secs(), 30);
}

/// Faults: 15.
#[tokio::test(start_paused = true)]
async fn a_head_that_trickles_in_is_head_timeout() {
    let server = Server::start(|mut stream, _| async move {
        read_request(&mut stream).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
        while stream.write_all(b"x: y\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
    .await;
    let begun = Instant::now();
    let request = http::Request::get(server.url("/")).body(Bytes::new()).unwrap();
    let limits = Limits::new(Duration::from_secs(10), Duration::from_secs(20));
    let error = transport().send(request, limits).await.unwrap_err();
    assert_kind(&error, HeadTimeout);
    assert_eq!(begun.elapsed().as_secs(), 20);
}

/// Faults: 4.
#[tokio::test(start_paused = true)]
async fn a_tls_handshake_that_stalls_is_connect_timeout() {
    let server = Server::start(|stream, _| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let begun = Instant::now();
    let url = server.url("/object").replace("http:", "https:");
    assert_kind(&get_url(&transport(), &url).await.unwrap_err(), ConnectTimeout);
    assert_eq!(begun.elapsed().as_secs(), 10);
}
