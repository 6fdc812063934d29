//! Through SOCKS 5 proxies (RFC 1928, RFC 1929).

use crate::proxy::{Seen, relay, taken, tls_server, told};
use crate::server::{OK, Server, assert_kind, get_url, read};
use crate::tls::Authority;
use ossget_transport::TransportErrorKind::{Connect, Protocol, ProxyRefused, Resolve};
use ossget_transport::{HyperTransport, Proxy};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PLAIN: &str = "http://bucket.example/object?signature=secret";
const NO_AUTHENTICATION: u8 = 0;
const PASSWORD: u8 = 2;

/// How a proxy answers.
#[derive(Clone, Copy)]
struct Script {
    /// The method of authentication it picks.
    method: u8,
    /// Its answer to a user name and password.
    login: u8,
    /// Its answer to a request to connect.
    reply: u8,
    target: SocketAddr,
}

impl Script {
    fn to(target: SocketAddr) -> Self {
        Self { method: NO_AUTHENTICATION, login: 0, reply: 0, target }
    }

    /// Records the login and where the client wants to go.
    async fn serve(self, mut stream: TcpStream, seen: Seen) -> std::io::Result<()> {
        let mut greeting = [0; 2];
        stream.read_exact(&mut greeting).await?;
        let mut methods = vec![0; greeting[1].into()];
        stream.read_exact(&mut methods).await?;
        stream.write_all(&[5, self.method]).await?;
        if self.method == PASSWORD {
            assert_eq!(stream.read_u8().await?, 1);
            let (user, password) = (text(&mut stream).await?, text(&mut stream).await?);
            seen.lock().unwrap().push(format!("{user} {password}"));
            stream.write_all(&[1, self.login]).await?;
        }
        let mut request = [0; 4];
        stream.read_exact(&mut request).await?;
        assert_eq!(request[..3], [5, 1, 0]);
        let host = match request[3] {
            1 => {
                let mut address = [0; 4];
                stream.read_exact(&mut address).await?;
                std::net::Ipv4Addr::from(address).to_string()
            }
            4 => {
                let mut address = [0; 16];
                stream.read_exact(&mut address).await?;
                std::net::Ipv6Addr::from(address).to_string()
            }
            _ => text(&mut stream).await?,
        };
        let port = stream.read_u16().await?;
        seen.lock().unwrap().push(format!("{host} {port}"));
        stream.write_all(&[5, self.reply, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
        if self.reply == 0 {
            relay(stream, self.target).await;
        }
        Ok(())
    }

    async fn start(self, seen: &Seen) -> Server {
        let seen = Arc::clone(seen);
        Server::start(move |stream, _| {
            let serving = self.serve(stream, Arc::clone(&seen));
            async move {
                // The client may leave at any time.
                let _ = serving.await;
            }
        })
        .await
    }
}

async fn text(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut text = vec![0; stream.read_u8().await?.into()];
    stream.read_exact(&mut text).await?;
    Ok(String::from_utf8(text).unwrap())
}

fn through(scheme: &str, proxy: &Server) -> HyperTransport {
    let proxy = Proxy::new(format!("{scheme}://{}", proxy.address));
    HyperTransport::builder().proxy(proxy).build().unwrap()
}

fn with_login(proxy: &Server) -> HyperTransport {
    let proxy = Proxy::new(format!("socks5h://us%40er:secret@{}", proxy.address));
    HyperTransport::builder().proxy(proxy).build().unwrap()
}

#[tokio::test]
async fn socks5h_gives_the_name_and_socks5_an_address() {
    let seen = Seen::default();
    let server = Server::answering(OK).await;
    let proxy = Script::to(server.address).start(&seen).await;
    let port = server.address.port();
    let transport = through("socks5h", &proxy);
    for _ in 0..2 {
        let mut response = get_url(&transport, PLAIN).await.unwrap();
        assert_eq!(read(&mut response.body).await.unwrap(), b"hello");
    }
    // One connection for both.
    assert_eq!(taken(&seen), ["bucket.example 80"]);

    get_url(&through("socks5h", &proxy), &format!("http://localhost:{port}/")).await.unwrap();
    assert_eq!(taken(&seen), [format!("localhost {port}")]);
    get_url(&through("socks5", &proxy), &format!("http://localhost:{port}/")).await.unwrap();
    let [asked] = <[String; 1]>::try_from(taken(&seen)).unwrap();
    assert!([format!("127.0.0.1 {port}"), format!("::1 {port}")].contains(&asked), "{asked}");
    for scheme in ["socks5", "socks5h"] {
        get_url(&through(scheme, &proxy), "http://[::1]:7/").await.unwrap();
        assert_eq!(taken(&seen), ["::1 7"]);
    }
}

#[tokio::test]
async fn https_through_socks_is_tls_with_the_server() {
    let seen = Seen::default();
    let authority = Authority::new();
    let server = tls_server(&authority, "bucket.example", &Seen::default()).await;
    let proxy = Script { method: PASSWORD, ..Script::to(server.address) }.start(&seen).await;
    let url = Proxy::new(format!("socks5h://us%40er:secret@{}", proxy.address));
    let transport = authority.builder().proxy(url).build().unwrap();
    let mut response = get_url(&transport, "https://bucket.example/object").await.unwrap();
    assert_eq!(read(&mut response.body).await.unwrap(), b"hello");
    assert_eq!(taken(&seen), ["us@er secret", "bucket.example 443"]);
}

#[tokio::test]
async fn a_name_that_does_not_resolve_here_is_resolve_with_socks5() {
    let seen = Seen::default();
    let proxy = Script::to("127.0.0.1:1".parse().unwrap()).start(&seen).await;
    let error = get_url(&through("socks5", &proxy), "http://bucket.invalid/").await.unwrap_err();
    assert_kind(&error, Resolve);
    assert_eq!(error.host(), Some("bucket.invalid"));
    assert_eq!(proxy.accepted(), 0);
}

#[tokio::test]
async fn credentials_that_are_wanted_or_refused_are_final() {
    let target = "127.0.0.1:1".parse().unwrap();
    let seen = Seen::default();
    let none_will_do = Script { method: 0xff, ..Script::to(target) }.start(&seen).await;
    let error = get_url(&through("socks5h", &none_will_do), PLAIN).await.unwrap_err();
    assert_kind(&error, ProxyRefused);
    assert!(told(&error).contains("wants credentials"), "{}", told(&error));
    let error = get_url(&with_login(&none_will_do), PLAIN).await.unwrap_err();
    assert_kind(&error, ProxyRefused);
    assert!(told(&error).contains("takes no user name"), "{}", told(&error));

    let wrong = Script { method: PASSWORD, login: 1, ..Script::to(target) }.start(&seen).await;
    let error = get_url(&with_login(&wrong), PLAIN).await.unwrap_err();
    assert_kind(&error, ProxyRefused);
    assert!(told(&error).contains("does not accept the credentials"), "{}", told(&error));
    assert!(told(&error).contains(&format!("socks5h://{}", wrong.address)), "{}", told(&error));

    // Asked for a password although none was offered.
    let error = get_url(&through("socks5h", &wrong), PLAIN).await.unwrap_err();
    assert_kind(&error, Protocol);
}

/// The replies of RFC 1928, section 6, and one beyond them.
#[tokio::test]
async fn a_rule_of_the_proxy_is_final_and_what_it_cannot_reach_is_not() {
    for (reply, kind, text) in [
        (1, Connect, "general server failure"),
        (2, ProxyRefused, "not allowed"),
        (3, Connect, "network unreachable"),
        (4, Connect, "host unreachable"),
        (5, Connect, "connection refused"),
        (6, Connect, "ttl expired"),
        (7, ProxyRefused, "command not supported"),
        (8, Connect, "address type"),
        (9, Protocol, "SOCKS"),
    ] {
        let target = "127.0.0.1:1".parse().unwrap();
        let proxy = Script { reply, ..Script::to(target) }.start(&Seen::default()).await;
        let error = get_url(&through("socks5h", &proxy), PLAIN).await.unwrap_err();
        assert_kind(&error, kind);
        let told = told(&error);
        assert!(told.to_lowercase().contains(&text.to_lowercase()), "{reply}: {told}");
        assert!(told.contains(&format!("socks5h://{}", proxy.address)), "{told}");
    }
}

#[tokio::test]
async fn what_is_no_socks_is_protocol_and_what_breaks_off_is_connect() {
    for (answer, kind) in [(&b"HTTP/1.1 400 Bad\r\n\r\n"[..], Protocol), (b"\x05", Connect)] {
        let proxy = Server::start(move |mut stream, _| async move {
            stream.read_exact(&mut [0; 3]).await.unwrap();
            stream.write_all(answer).await.unwrap();
        })
        .await;
        let error = get_url(&through("socks5h", &proxy), PLAIN).await.unwrap_err();
        assert_kind(&error, kind);
    }
}
