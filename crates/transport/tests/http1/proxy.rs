//! Through HTTP proxies: CONNECT for https, absolute-form requests for http.

use crate::server::{OK, Server, assert_kind, get, get_url, read, read_request};
use crate::tls::Authority;
use ossget_transport::TransportErrorKind::{
    Broken, Certificate, Connect, ConnectTimeout, Protocol, ProxyRefused, Resolve,
};
use ossget_transport::{HyperTransport, Proxy, TransportError};
use std::error::Error as StdError;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use tokio_rustls::rustls::ALL_VERSIONS;

/// What a server or a proxy was sent, in order.
pub(crate) type Seen = Arc<Mutex<Vec<String>>>;

const URL: &str = "https://bucket.example/object?signature=secret";
const PLAIN: &str = "http://bucket.example/object?signature=secret";
const ESTABLISHED: &str = "HTTP/1.1 200 Connection established\r\n\r\n";
/// user:secret
const CREDENTIALS: &str = "Basic dXNlcjpzZWNyZXQ=";

/// A server that speaks TLS as `name` and records the requests.
pub(crate) async fn tls_server(authority: &Authority, name: &str, seen: &Seen) -> Server {
    let acceptor = authority.acceptor(name, ALL_VERSIONS, |_| {});
    let seen = Arc::clone(seen);
    Server::start(move |stream, _| {
        let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            while let Some(request) = read_request(&mut stream).await {
                seen.lock().unwrap().push(request);
                stream.write_all(OK).await.unwrap();
                stream.flush().await.unwrap();
            }
        }
    })
    .await
}

/// Passes bytes both ways until one side ends; returns what the client sent.
pub(crate) async fn relay(client: TcpStream, target: SocketAddr) -> Vec<u8> {
    let server = TcpStream::connect(target).await.unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let back = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
    });
    let mut sent = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(n @ 1..) = from_client.read(&mut chunk).await {
        sent.extend_from_slice(&chunk[..n]);
        if to_server.write_all(&chunk[..n]).await.is_err() {
            break;
        }
    }
    back.abort();
    sent
}

/// A proxy that connects everybody to `target`, whatever they ask for.
async fn connect_proxy(target: SocketAddr, seen: &Seen) -> Server {
    let seen = Arc::clone(seen);
    Server::start(move |mut stream, _| {
        let seen = Arc::clone(&seen);
        async move {
            let request = read_request(&mut stream).await.unwrap();
            seen.lock().unwrap().push(request);
            stream.write_all(ESTABLISHED.as_bytes()).await.unwrap();
            relay(stream, target).await;
        }
    })
    .await
}

fn through(proxy: &Server) -> HyperTransport {
    build(&format!("http://{}", proxy.address))
}

fn with_credentials(proxy: &Server) -> HyperTransport {
    build(&format!("http://user:secret@{}", proxy.address))
}

fn build(url: &str) -> HyperTransport {
    HyperTransport::builder().proxy(Proxy::new(url)).build().unwrap()
}

pub(crate) fn taken(seen: &Seen) -> Vec<String> {
    std::mem::take(&mut *seen.lock().unwrap())
}

/// All that an error says.
pub(crate) fn told(error: &TransportError) -> String {
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        told = format!("{told}: {cause}");
        source = cause.source();
    }
    told
}

#[tokio::test]
async fn https_goes_through_connect_and_tls_ends_at_the_server() {
    let authority = Authority::new();
    let (asked, requests) = (Seen::default(), Seen::default());
    let server = tls_server(&authority, "bucket.example", &requests).await;
    let proxy = connect_proxy(server.address, &asked).await;
    let url = format!("http://user:secret@{}", proxy.address);
    let transport = authority.builder().proxy(Proxy::new(url)).build().unwrap();
    for _ in 0..2 {
        let mut response = get_url(&transport, URL).await.unwrap();
        assert_eq!(read(&mut response.body).await.unwrap(), b"hello");
    }
    // One connection for both, and nothing of the requests in what the proxy can read.
    let connect = "CONNECT bucket.example:443 HTTP/1.1\r\nhost: bucket.example:443\r\n";
    assert_eq!(taken(&asked), [format!("{connect}proxy-authorization: {CREDENTIALS}\r\n\r\n")]);
    // The proxy's credentials are not for the server.
    let request = "GET /object?signature=secret HTTP/1.1\r\nhost: bucket.example\r\n\
                   authorization: secret\r\n\r\n";
    assert_eq!(taken(&requests), [request, request]);
}

#[tokio::test]
async fn the_proxy_cannot_read_what_it_carries() {
    let authority = Authority::new();
    let server = tls_server(&authority, "bucket.example", &Seen::default()).await;
    let carried = Arc::new(Mutex::new(None));
    let (sent, is_sent) = oneshot::channel();
    let sent = Mutex::new(Some(sent));
    let proxy = Server::start({
        let target = server.address;
        move |mut stream, _| {
            let sent = sent.lock().unwrap().take();
            async move {
                read_request(&mut stream).await.unwrap();
                stream.write_all(ESTABLISHED.as_bytes()).await.unwrap();
                let _ = sent.unwrap().send(relay(stream, target).await);
            }
        }
    })
    .await;
    let url = Proxy::new(format!("http://{}", proxy.address));
    let transport = authority.builder().proxy(url).build().unwrap();
    drop(get_url(&transport, URL).await.unwrap());
    drop(transport);
    *carried.lock().unwrap() = timeout(Duration::from_secs(30), is_sent).await.unwrap().ok();
    let carried = carried.lock().unwrap().take().unwrap();
    // A TLS handshake record, and no text of ours after it.
    assert_eq!(carried[0], 0x16);
    for text in ["GET", "/object", "secret", "HTTP/1.1\r\n"] {
        assert!(!carried.windows(text.len()).any(|window| window == text.as_bytes()), "{text}");
    }
}

#[tokio::test]
async fn a_proxy_that_speaks_tls_in_the_servers_place_is_not_trusted() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let server = tls_server(&theirs, "bucket.example", &Seen::default()).await;
    let proxy = connect_proxy(server.address, &Seen::default()).await;
    let url = format!("http://{}", proxy.address);
    let transport = ours.builder().proxy(Proxy::new(&url)).build().unwrap();
    let error = get_url(&transport, URL).await.unwrap_err();
    assert_kind(&error, Certificate);
    assert_eq!((error.host(), error.proxy()), (Some("bucket.example"), Some(url.as_str())));
}

#[tokio::test]
async fn http_is_asked_of_the_proxy_in_absolute_form() {
    let seen = Seen::default();
    let proxy = Server::start({
        let seen = Arc::clone(&seen);
        move |mut stream, _| {
            let seen = Arc::clone(&seen);
            async move {
                while let Some(request) = read_request(&mut stream).await {
                    seen.lock().unwrap().push(request);
                    stream.write_all(OK).await.unwrap();
                }
            }
        }
    })
    .await;
    let transport = with_credentials(&proxy);
    for _ in 0..2 {
        let mut response = get_url(&transport, PLAIN).await.unwrap();
        assert_eq!(read(&mut response.body).await.unwrap(), b"hello");
    }
    let request = format!(
        "GET {PLAIN} HTTP/1.1\r\nhost: bucket.example\r\nauthorization: secret\r\n\
         proxy-authorization: {CREDENTIALS}\r\n\r\n"
    );
    assert_eq!(taken(&seen), [request.clone(), request]);
    assert_eq!(proxy.accepted(), 1);

    drop(get_url(&through(&proxy), "http://Bucket.example:8080/a/../%2e?").await.unwrap());
    let [plain] = <[String; 1]>::try_from(taken(&seen)).unwrap();
    assert!(plain.starts_with("GET http://Bucket.example:8080/a/../%2e? HTTP/1.1\r\n"), "{plain}");
    assert!(plain.contains("host: Bucket.example:8080\r\n"), "{plain}");
    assert!(!plain.contains("proxy-authorization"), "{plain}");
}

/// Faults: 24.
#[tokio::test]
async fn a_proxy_that_wants_credentials_is_final_and_says_so() {
    let answer = "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 5\r\n\
                  proxy-authenticate: Basic realm=\"secret\"\r\n\r\nhello";
    let proxy = Server::answering(answer).await;
    for url in [URL, PLAIN] {
        let error = get_url(&through(&proxy), url).await.unwrap_err();
        assert_kind(&error, ProxyRefused);
        let told = told(&error);
        assert!(told.contains("wants credentials"), "{told}");
        assert!(told.contains("407") && told.contains(&proxy.address.to_string()), "{told}");
        let error = get_url(&with_credentials(&proxy), url).await.unwrap_err();
        assert_kind(&error, ProxyRefused);
        assert!(error.source().unwrap().to_string().contains("does not accept"), "{error}");
    }
    // From the server itself it is an answer like any other.
    let direct = get(&crate::server::transport(), &proxy).await.unwrap();
    assert_eq!(direct.head.status, 407);
    let answer = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";
    let proxy = Server::answering(answer).await;
    let error = get_url(&with_credentials(&proxy), URL).await.unwrap_err();
    assert_kind(&error, ProxyRefused);
    assert!(told(&error).contains("does not accept the credentials in its URL (401)"), "{error}");
    let answer = get_url(&through(&proxy), PLAIN).await.unwrap();
    assert_eq!(answer.head.status, 401);
}

/// Faults: 24.
#[tokio::test]
async fn a_refused_connect_is_final_and_one_that_failed_beyond_the_proxy_is_not() {
    for (status, kind) in [
        (300, ProxyRefused),
        (400, ProxyRefused),
        (403, ProxyRefused),
        (405, ProxyRefused),
        (408, Connect),
        (429, Connect),
        (500, Connect),
        (502, Connect),
        (503, Connect),
        (504, Connect),
    ] {
        let proxy = Server::answering(format!(
            "HTTP/1.1 {status} secret\r\ncontent-length: 6\r\n\r\nsecret"
        ))
        .await;
        let error = get_url(&with_credentials(&proxy), URL).await.unwrap_err();
        assert_kind(&error, kind);
        assert_eq!(error.host(), Some("bucket.example"));
        let told = told(&error);
        assert!(told.contains(&format!("http://{}", proxy.address)), "{told}");
        assert!(told.contains(&format!("CONNECT with {status}")), "{told}");
    }
}

#[tokio::test]
async fn a_proxy_that_cannot_be_reached_is_named() {
    // Bound but not listening: it refuses, and nobody else can be given its port.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    let dead = |scheme: &str| build(&format!("{scheme}://user:secret@{address}"));
    for (transport, scheme) in
        [(dead("http"), "http"), (dead("socks5"), "socks5"), (dead("socks5h"), "socks5h")]
    {
        for url in ["https://127.0.0.1:1/object", "http://127.0.0.1:1/object"] {
            let error = get_url(&transport, url).await.unwrap_err();
            assert_kind(&error, Connect);
            let expected = format!("the proxy {scheme}://{address} cannot be reached: ");
            assert!(error.to_string().starts_with(&expected), "{error}");
        }
    }
    let error = get_url(&build("http://proxy.invalid:1"), URL).await.unwrap_err();
    assert_kind(&error, Resolve);
    assert_eq!(error.host(), Some("proxy.invalid"));
    assert_eq!(error.proxy(), Some("http://proxy.invalid:1"));
}

/// Faults: 24.
#[tokio::test]
async fn an_answer_to_connect_that_is_none_is_told_from_one_that_breaks_off() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "s".repeat(64 * 1024));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: secret\r\n".repeat(101));
    let early = format!("{ESTABLISHED}HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret");
    for (answer, kind) in [
        ("garbage secret\r\n\r\n", Protocol),
        (long.as_str(), Protocol),
        (many.as_str(), Protocol),
        (early.as_str(), Protocol),
        ("", Connect),
        ("HTTP/1.1 200 OK\r\n", Connect),
    ] {
        let proxy = Server::closing_after(answer).await;
        let error = get_url(&through(&proxy), URL).await.unwrap_err();
        assert_kind(&error, kind);
        assert!(told(&error).contains(&proxy.address.to_string()), "{error}");
    }
}

/// Faults: 24.
#[tokio::test(start_paused = true)]
async fn a_proxy_that_never_answers_or_never_ends_its_head_is_connect_timeout() {
    for head in ["", "HTTP/1.1 200 OK\r\n"] {
        let proxy = Server::start(move |mut stream, _| async move {
            read_request(&mut stream).await.unwrap();
            stream.write_all(head.as_bytes()).await.unwrap();
            std::future::pending::<()>().await;
        })
        .await;
        let begun = Instant::now();
        let error = get_url(&through(&proxy), URL).await.unwrap_err();
        assert_kind(&error, ConnectTimeout);
        assert!(error.to_string().contains("through the proxy"), "{error}");
        assert_eq!(begun.elapsed().as_secs(), 10);
    }
}

#[tokio::test]
async fn dropping_an_exchange_that_waits_for_connect_closes_the_connection() {
    let (asked, is_asked) = oneshot::channel();
    let (closed, is_closed) = oneshot::channel();
    let ends = Mutex::new(Some((asked, closed)));
    let proxy = Server::start(move |mut stream, _| {
        let (asked, closed) = ends.lock().unwrap().take().unwrap();
        async move {
            read_request(&mut stream).await.unwrap();
            asked.send(()).unwrap();
            closed.send(stream.read(&mut [0]).await.is_ok_and(|n| n == 0)).unwrap();
        }
    })
    .await;
    let transport = through(&proxy);
    tokio::select! {
        _ = get_url(&transport, URL) => panic!("there is no answer"),
        asked = is_asked => asked.unwrap(),
    }
    assert!(timeout(Duration::from_secs(30), is_closed).await.unwrap().unwrap());
}

#[tokio::test]
async fn a_body_that_breaks_off_says_which_proxy_it_came_through() {
    let proxy = Server::closing_after("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhello").await;
    let mut response = get_url(&through(&proxy), PLAIN).await.unwrap();
    assert_eq!(response.body.chunk().await.unwrap().unwrap(), "hello");
    for _ in 0..2 {
        let error = response.body.chunk().await.unwrap_err();
        assert_kind(&error, Broken);
        assert_eq!(error.proxy(), Some(format!("http://{}", proxy.address).as_str()));
    }
}

/// Faults: 143.
#[tokio::test]
async fn the_environments_proxy_never_sees_loopback_and_one_named_outright_does() {
    let server = Server::answering(OK).await;
    let proxy = Server::answering(OK).await;
    let url = format!("http://{}", proxy.address);
    let environment = Proxy::from_lookup(|name| (name == "ALL_PROXY").then(|| url.clone().into()));
    let transport = HyperTransport::builder().proxy(environment).build().unwrap();
    get(&transport, &server).await.unwrap();
    assert_eq!((server.accepted(), proxy.accepted()), (1, 0));
    get_url(&transport, PLAIN).await.unwrap();
    assert_eq!((server.accepted(), proxy.accepted()), (1, 1));
    get(&through(&proxy), &server).await.unwrap();
    assert_eq!((server.accepted(), proxy.accepted()), (1, 2));
}
