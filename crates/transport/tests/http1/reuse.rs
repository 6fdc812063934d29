//! When a connection is used again, and when it must not be.

use crate::server::{OK, Server, fetch, get, read, read_request, send, transport};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

/// Longer than anything here takes: a test that waits for what never comes fails.
const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_connection_is_used_again_after_each_framing_that_ends() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\n\r\nhello",
    ] {
        let server = Server::answering(answer).await;
        let transport = transport();
        for _ in 0..3 {
            fetch(&transport, &server).await;
        }
        assert_eq!(server.accepted(), 1, "{answer}");
    }
}

#[tokio::test]
async fn clones_share_connections_and_transports_do_not() {
    let server = Server::answering(OK).await;
    let one = transport();
    fetch(&one, &server).await;
    fetch(&one.clone(), &server).await;
    assert_eq!(server.accepted(), 1);
    fetch(&transport(), &server).await;
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn a_connection_serves_one_request_at_a_time() {
    let server = Server::answering(OK).await;
    let transport = transport();
    let mut one = get(&transport, &server).await.unwrap();
    let mut two = get(&transport, &server).await.unwrap();
    assert_eq!(server.accepted(), 2);
    assert_eq!(read(&mut one.body).await.unwrap(), b"hello");
    assert_eq!(read(&mut two.body).await.unwrap(), b"hello");
    fetch(&transport, &server).await;
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn a_body_counted_but_not_asked_for_its_end_gives_its_connection_back() {
    let server = Server::answering(OK).await;
    let transport = transport();
    let mut response = get(&transport, &server).await.unwrap();
    assert_eq!(response.body.chunk().await.unwrap().unwrap(), "hello");
    drop(response);
    fetch(&transport, &server).await;
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_response_without_a_body_gives_its_connection_back_unread() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await;
    let transport = transport();
    for _ in 0..2 {
        send(&transport, http::Request::head(server.url("/"))).await.unwrap();
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_body_dropped_unread_is_not_drained_into_the_next_exchange() {
    let server = Server::answering(OK).await;
    let transport = transport();
    drop(get(&transport, &server).await.unwrap());
    assert_eq!(fetch(&transport, &server).await, b"hello");
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn dropping_a_body_closes_its_connection() {
    let (closed, is_closed) = oneshot::channel();
    let closed = Mutex::new(Some(closed));
    let server = Server::start(move |mut stream, _| {
        let closed = closed.lock().unwrap().take();
        async move {
            read_request(&mut stream).await.unwrap();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nhello")
                .await
                .unwrap();
            let end = stream.read(&mut [0]).await;
            closed.unwrap().send(end.is_err() || end.is_ok_and(|n| n == 0)).unwrap();
        }
    })
    .await;
    let mut response = get(&transport(), &server).await.unwrap();
    assert_eq!(response.body.chunk().await.unwrap().unwrap(), "hello");
    drop(response);
    assert!(timeout(SOON, is_closed).await.unwrap().unwrap());
}

#[tokio::test]
async fn dropping_an_exchange_that_waits_for_its_head_closes_its_connection() {
    let (asked, is_asked) = oneshot::channel();
    let (closed, is_closed) = oneshot::channel();
    let ends = Mutex::new(Some((asked, closed)));
    let server = Server::start(move |mut stream, _| {
        let (asked, closed) = ends.lock().unwrap().take().unwrap();
        async move {
            read_request(&mut stream).await.unwrap();
            asked.send(()).unwrap();
            closed.send(stream.read(&mut [0]).await.is_ok_and(|n| n == 0)).unwrap();
        }
    })
    .await;
    let transport = transport();
    tokio::select! {
        _ = get(&transport, &server) => panic!("there is no answer"),
        asked = is_asked => asked.unwrap(),
    }
    assert!(timeout(SOON, is_closed).await.unwrap().unwrap());
}

/// Faults: 12.
#[tokio::test]
async fn a_connection_the_server_has_closed_is_replaced() {
    let (close, is_to_close) = oneshot::channel::<()>();
    let (closed, is_closed) = oneshot::channel();
    let ends = Mutex::new(Some((is_to_close, closed)));
    let server = Server::start(move |mut stream, _| {
        let ends = ends.lock().unwrap().take();
        async move {
            read_request(&mut stream).await.unwrap();
            stream.write_all(OK).await.unwrap();
            if let Some((is_to_close, closed)) = ends {
                is_to_close.await.unwrap();
                drop(stream);
                closed.send(()).unwrap();
            }
        }
    })
    .await;
    let transport = transport();
    fetch(&transport, &server).await;
    close.send(()).unwrap();
    // The close has arrived, but this runtime has not yet asked the operating system about it.
    is_closed.await.unwrap();
    let body = timeout(SOON, fetch(&transport, &server)).await.unwrap();
    assert_eq!(body, b"hello");
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn a_connection_that_is_to_close_is_not_used_again() {
    for answer in [
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello",
        "HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        // The server keeps it open: only the client can end this.
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhelloand more",
    ] {
        let server = Server::answering(answer).await;
        let transport = transport();
        assert_eq!(fetch(&transport, &server).await, b"hello", "{answer}");
        assert_eq!(fetch(&transport, &server).await, b"hello", "{answer}");
        assert_eq!(server.accepted(), 2, "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_used_again_for_50_s() {
    let server = Server::answering(OK).await;
    let transport = transport();
    fetch(&transport, &server).await;
    tokio::time::advance(Duration::from_secs(49)).await;
    fetch(&transport, &server).await;
    assert_eq!(server.accepted(), 1);
    tokio::time::advance(Duration::from_secs(50)).await;
    fetch(&transport, &server).await;
    assert_eq!(server.accepted(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_expired_connection_is_closed_when_another_becomes_idle() {
    let closed = Arc::new(Semaphore::new(0));
    let server = Server::start({
        let closed = Arc::clone(&closed);
        move |mut stream, _| {
            let closed = Arc::clone(&closed);
            async move {
                while read_request(&mut stream).await.is_some() {
                    stream.write_all(OK).await.unwrap();
                }
                closed.add_permits(1);
            }
        }
    })
    .await;
    let transport = transport();
    let mut one = get(&transport, &server).await.unwrap();
    fetch(&transport, &server).await;
    tokio::time::advance(Duration::from_secs(50)).await;
    assert_eq!(closed.available_permits(), 0);
    read(&mut one.body).await.unwrap();
    timeout(SOON, closed.acquire()).await.unwrap().unwrap().forget();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn as_many_connections_as_requests_at_a_time_are_enough() {
    let server = Arc::new(Server::answering(OK).await);
    let transport = transport();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (transport, server) = (transport.clone(), Arc::clone(&server));
            tokio::spawn(async move {
                for _ in 0..100 {
                    assert_eq!(fetch(&transport, &server).await, b"hello");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(server.accepted() <= 8, "{}", server.accepted());
}
