//! Bodies of known length, which are read straight off their connections.

use crate::server::{Server, assert_kind, fetch, get, get_url, read, read_request, transport};
use crate::tls::Authority;
use bytes::Bytes;
use ossget_transport::{Body, Filled, Limits, Transport as _, TransportError, TransportErrorKind};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::time::sleep;
use tokio_rustls::rustls::ALL_VERSIONS;

/// More than comes with a head, and more than is worth it.
const LEN: usize = 300_000;

/// Bytes that differ from their neighbours, a page on as well.
fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|index| u8::try_from(index % 251).unwrap()).collect()
}

fn answer(len: usize, field: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 206 Partial Content\r\ncontent-length: {len}\r\n{field}\r\n");
    [head.as_bytes(), body].concat()
}

/// Everything, by rooms of this size.
async fn fill(body: &mut Body, room: usize) -> Result<Vec<u8>, TransportError> {
    let mut all = Vec::new();
    let mut room = vec![0xff; room];
    loop {
        match body.fill(&mut room).await? {
            Filled::Room(bytes) => {
                all.extend_from_slice(&room[..bytes]);
                assert!(room[bytes..].iter().all(|&byte| byte == 0xff), "touched beyond its bytes");
                room.fill(0xff);
            }
            Filled::Chunk(chunk) => all.extend_from_slice(&chunk),
            Filled::End => return Ok(all),
        }
    }
}

#[tokio::test]
async fn all_bytes_come_in_whatever_way_they_are_read_and_the_connection_is_used_again() {
    let body = bytes(LEN);
    let server = Server::answering(answer(LEN, "", &body)).await;
    let transport = transport();
    for room in [1 << 20, 70_000, 4096, 1000] {
        let mut response = get(&transport, &server).await.unwrap();
        assert!(fill(&mut response.body, room).await.unwrap() == body, "room of {room}");
        let mut response = get(&transport, &server).await.unwrap();
        assert!(read(&mut response.body).await.unwrap() == body);
        // In turns: a little here, a little there.
        let mut response = get(&transport, &server).await.unwrap();
        let mut all = response.body.chunk().await.unwrap().unwrap().to_vec();
        let mut room = vec![0; room];
        if let Filled::Room(bytes) = response.body.fill(&mut room).await.unwrap() {
            all.extend_from_slice(&room[..bytes]);
        }
        all.extend(read(&mut response.body).await.unwrap());
        assert!(all == body, "in turns");
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn small_and_chunked_bodies_come_in_chunks_of_their_own() {
    for answer in [
        answer(5, "", b"hello"),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_vec(),
    ] {
        let server = Server::answering(answer).await;
        let mut response = get(&transport(), &server).await.unwrap();
        let filled = response.body.fill(&mut [0; 100]).await.unwrap();
        assert!(matches!(filled, Filled::Chunk(chunk) if chunk == "hello"));
        assert!(matches!(response.body.fill(&mut [0; 100]).await.unwrap(), Filled::End));
    }
}

#[tokio::test]
async fn a_connection_that_is_to_be_closed_is_not_used_again() {
    for field in ["connection: close\r\n", "connection: x, CLOSE\r\n"] {
        let body = bytes(LEN);
        let server = Server::answering(answer(LEN, field, &body)).await;
        let transport = transport();
        for _ in 0..2 {
            assert!(fetch(&transport, &server).await == body);
        }
        assert_eq!(server.accepted(), 2, "{field}");
    }
}

#[tokio::test]
async fn what_comes_after_the_body_is_nobodys_answer() {
    let body = bytes(LEN);
    let more = [&body[..], b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwrong"].concat();
    let server = Server::answering(answer(LEN, "", &more)).await;
    let transport = transport();
    for _ in 0..3 {
        assert!(fetch(&transport, &server).await == body);
    }
    assert_eq!(server.accepted(), 3);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error_and_stays_one() {
    let server = Server::closing_after(answer(LEN, "", &bytes(LEN - 1))).await;
    let transport = transport();
    let mut filled = get(&transport, &server).await.unwrap().body;
    let mut chunks = get(&transport, &server).await.unwrap().body;
    for _ in 0..2 {
        assert_kind(&fill(&mut filled, 4096).await.unwrap_err(), TransportErrorKind::Broken);
        assert_kind(&read(&mut chunks).await.unwrap_err(), TransportErrorKind::Broken);
    }
    get(&transport, &server).await.unwrap();
    assert_eq!(server.accepted(), 3);
}

#[tokio::test]
async fn an_ended_body_stays_ended() {
    let server = Server::answering(answer(LEN, "", &bytes(LEN))).await;
    let mut body = get(&transport(), &server).await.unwrap().body;
    fill(&mut body, 4096).await.unwrap();
    assert!(matches!(body.fill(&mut [0; 10]).await.unwrap(), Filled::End));
    assert!(body.chunk().await.unwrap().is_none());
}

#[tokio::test]
async fn what_answers_a_request_with_a_body_stays_with_hyper() {
    let body = bytes(LEN);
    let server = Server::answering(answer(LEN, "", &body)).await;
    let request = http::Request::post(server.url("/")).body(Bytes::from("asked")).unwrap();
    let mut response = transport().send(request, Limits::default()).await.unwrap();
    assert!(matches!(response.body.fill(&mut [0; 10]).await.unwrap(), Filled::Chunk(_)));
}

#[tokio::test]
async fn a_body_that_has_come_as_a_whole_is_read_though_its_connection_has_ended() {
    let body = bytes(LEN);
    let server = Server::closing_after(answer(LEN, "connection: close\r\n", &body)).await;
    let transport = transport();
    for _ in 0..20 {
        let mut response = get(&transport, &server).await.unwrap();
        assert!(read(&mut response.body).await.unwrap() == body);
    }
}

/// Answers each request over TLS with a body of `len` bytes, of which `sent` come.
async fn tls_server(authority: &Authority, len: usize, sent: usize) -> (Server, String) {
    let acceptor = authority.acceptor("127.0.0.1", ALL_VERSIONS, |_| {});
    let server = Server::start(move |stream, _| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = acceptor.accept(stream).await.unwrap();
            while read_request(&mut stream).await.is_some() {
                stream.write_all(&answer(len, "", &bytes(sent))).await.unwrap();
                stream.flush().await.unwrap();
                if sent < len {
                    return;
                }
            }
        }
    })
    .await;
    let url = server.url("/object?signature=secret").replace("http:", "https:");
    (server, url)
}

#[tokio::test]
async fn over_tls_all_bytes_come_and_the_connection_is_used_again() {
    let authority = Authority::new();
    let (server, url) = tls_server(&authority, LEN, LEN).await;
    let transport = authority.builder().build().unwrap();
    for room in [1 << 20, 70_000, 4096, 1000] {
        let mut body = get_url(&transport, &url).await.unwrap().body;
        assert!(fill(&mut body, room).await.unwrap() == bytes(LEN), "room of {room}");
        let mut body = get_url(&transport, &url).await.unwrap().body;
        assert!(read(&mut body).await.unwrap() == bytes(LEN));
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn over_tls_all_that_came_before_it_broke_off_is_handed_out() {
    let authority = Authority::new();
    let (_server, url) = tls_server(&authority, LEN, LEN - 50_000).await;
    let mut body = get_url(&authority.builder().build().unwrap(), &url).await.unwrap().body;
    let mut room = vec![0; LEN];
    let mut came = 0;
    let error = loop {
        match body.fill(&mut room).await {
            Ok(Filled::Room(bytes)) => came += bytes,
            Ok(_) => panic!("it ended well"),
            Err(error) => break error,
        }
        sleep(Duration::from_millis(20)).await;
    };
    assert_kind(&error, TransportErrorKind::Broken);
    assert_eq!(came, LEN - 50_000);
}
