//! Any bytes on a connection where an HTTP response is expected.

use crate::canned::{all_text, assert_harmless, block_on, messages};
use bytes::Bytes;
use ossget_transport::{HyperTransport, Limits, Transport};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Any bytes, then the end of the connection: an answer or an error, and never more of a body than
/// was sent, nor a body that is said to be complete and is not.
pub fn wire(bytes: &[u8]) {
    thread_local! {
        static TRANSPORT: HyperTransport =
            HyperTransport::builder().build().expect("a transport");
    }
    let transport = TRANSPORT.with(Clone::clone);
    block_on(async {
        let listener = TcpListener::bind(fresh_address()).await.expect("a loopback address");
        let address = listener.local_addr().expect("it is bound");
        let serving = async {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            serve(&mut stream, bytes).await;
        };
        let asking = async {
            let uri = format!("http://{address}/key");
            let request = http::Request::get(uri).body(Bytes::new()).expect("a request");
            ask(&transport, request, bytes).await;
        };
        let both = async { tokio::join!(serving, asking) };
        tokio::time::timeout(MOST_TIME, both).await.expect("it ends");
    });
}

/// An address that no connection of the last minute has used: closed ones keep their port for so
/// long, and one address has fewer ports than there are runs in that time.
fn fresh_address() -> (Ipv4Addr, u16) {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    // Elsewhere only the first of the loopback addresses is there without being set up.
    let host = if cfg!(target_os = "linux") { 1 + run % 0x00ff_fffe } else { 1 };
    (Ipv4Addr::from_bits(0x7f00_0000 | host), 0)
}

async fn serve(stream: &mut TcpStream, bytes: &[u8]) {
    let mut head = Vec::new();
    let mut piece = [0; 4096];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(read) => head.extend_from_slice(&piece[..read]),
        }
    }
    // The client may have seen enough and gone.
    drop(stream.write_all(bytes).await);
    drop(stream.shutdown().await);
}

async fn ask(transport: &HyperTransport, request: http::Request<Bytes>, sent: &[u8]) {
    let limits = Limits::new(MOST_TIME, MOST_TIME);
    let mut response = match transport.send(request, limits).await {
        Ok(response) => response,
        Err(error) => {
            messages(&error).iter().for_each(|text| assert_harmless(text));
            assert!(!all_text(&error).is_empty());
            return;
        }
    };
    assert!(response.head.headers.len() <= 100);
    let length = response.head.headers.get(http::header::CONTENT_LENGTH);
    let length: Option<usize> = length.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let mut received = 0;
    loop {
        match response.body.chunk().await {
            Ok(Some(chunk)) => received += chunk.len(),
            Ok(None) => break,
            Err(_) => return,
        }
        assert!(received <= sent.len(), "{received} of {} bytes", sent.len());
    }
    // RFC 9112, section 6.3: whatever a length says of these, nothing of them follows.
    let has_body = !matches!(response.head.status.as_u16(), 100..=199 | 204 | 304);
    if let Some(length) = length.filter(|_| has_body) {
        assert_eq!(received, length, "a body was called complete");
    }
}

const MOST_TIME: Duration = Duration::from_secs(5);
