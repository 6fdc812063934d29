//! The scripted server keeps to its script, byte for byte.
#![allow(clippy::unwrap_used, reason = "clippy knows the test functions, not what they share")]

use ossget_testkit::scripted::{Ending, Place, Script, ScriptedServer, Step};
use ossget_testkit::{Content, On};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const GET: &str =
    "GET /examplebucket/key HTTP/1.1\r\nHost: 127.0.0.1\r\nRange: bytes=100-299\r\n\r\n";

fn server() -> ScriptedServer {
    ScriptedServer::start(Content::generated(3, 1000)).unwrap()
}

/// What comes in answer to `request` on a new connection, and how that ends.
fn ask(server: &ScriptedServer, request: &str) -> (Vec<u8>, Option<ErrorKind>) {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut got = Vec::new();
    // A server that resets connections may be there before the request.
    if let Err(error) = stream.write_all(request.as_bytes()) {
        return (got, Some(error.kind()));
    }
    let end = stream.read_to_end(&mut got).err().map(|error| error.kind());
    (got, end)
}

fn scripted(steps: impl Into<Vec<Step>>) -> (Vec<u8>, Option<ErrorKind>) {
    let server = server();
    server.script(On::get(), Script::new(steps));
    ask(&server, GET)
}

/// The right response to [`GET`], split into head and body. Its date may differ.
fn right() -> (String, Vec<u8>) {
    let (got, end) = ask(&server(), GET);
    // It keeps the connection.
    assert_eq!(end, Some(ErrorKind::WouldBlock));
    let head = got.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    (String::from_utf8(got[..head].to_vec()).unwrap(), got[head..].to_vec())
}

#[test]
fn unscripted_it_answers_as_the_service_does() {
    let content = Content::generated(3, 1000);
    let (head, body) = right();
    assert!(head.starts_with("HTTP/1.1 206 Partial Content\r\n"), "{head}");
    for field in [
        "Content-Length: 200".to_owned(),
        "Content-Range: bytes 100-299/1000".to_owned(),
        format!("ETag: {}", content.etag()),
        format!("x-oss-hash-crc64ecma: {}", content.crc64()),
        "Last-Modified: Sun, 09 Mar 2025 08:05:07 GMT".to_owned(),
    ] {
        assert!(head.contains(&format!("\r\n{field}\r\n")), "{field} in {head}");
    }
    assert_eq!(body, content.window(100..300));
    let server = server();
    for (request, status) in [
        (GET.replace("GET", "HEAD").replace("Range", "X"), "200 OK"),
        (GET.replace("100-299", "1000-"), "416 Range Not Satisfiable"),
        (GET.replace("Host", "If-Match: \"other\"\r\nHost"), "412 Precondition Failed"),
    ] {
        let (got, _) = ask(&server, &request);
        assert!(got.starts_with(format!("HTTP/1.1 {status}\r\n").as_bytes()), "{request}");
    }
    let exchanges = server.exchanges();
    assert_eq!(exchanges.len(), 3);
    assert_eq!((exchanges[0].sent, exchanges[0].range.clone()), (0, None));
}

#[test]
fn a_connection_ends_at_the_place_named_and_as_it_says() {
    let (head, body) = right();
    let length = head.len();
    for (place, sent) in [
        (Place::Byte(0), 0),
        (Place::Byte(10), 10),
        (Place::Header("content-range"), head.find("bytes 100").unwrap() + 1),
        (Place::BlankLine, length - 2),
        (Place::Body(0), length),
        (Place::Body(1), length + 1),
        (Place::Object(150), length + 50),
        (Place::Object(299), length + body.len() - 1),
        (Place::End, length + body.len()),
    ] {
        for (ending, error) in
            [(Ending::Fin, None), (Ending::Rst, Some(ErrorKind::ConnectionReset))]
        {
            let (got, end) = scripted([Step::UpTo(place), Step::End(ending)]);
            assert_eq!((got.len(), end), (sent, error), "{place:?} {ending:?}");
        }
        let (got, end) = scripted([Step::UpTo(place), Step::Stall]);
        assert_eq!((got.len(), end), (sent, Some(ErrorKind::WouldBlock)), "{place:?}");
    }
}

#[test]
fn bytes_are_flipped_replaced_and_added_where_the_script_says() {
    let content = Content::generated(3, 1000);
    let length = right().0.len();
    let (got, _) = scripted([Step::UpTo(Place::Object(150)), Step::Flip, Step::Rest]);
    let mut wanted = content.window(100..300);
    wanted[50] ^= 1;
    assert_eq!(got[length..], wanted);

    let foreign = Step::Foreign { from: 500, bytes: 50 };
    let (got, _) = scripted([Step::UpTo(Place::Body(100)), foreign, Step::Rest]);
    let wanted =
        [content.window(100..200), content.window(500..550), content.window(250..300)].concat();
    assert_eq!(got[length..], wanted);

    let (got, _) = scripted([Step::Rest, Step::Send("junk".into())]);
    assert!(got.ends_with(b"junk"));
    assert_eq!(got.len(), length + 204);
}

#[test]
fn a_flip_can_wait_for_the_next_response_of_the_connection() {
    let (head, body) = right();
    let server = server();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    server.script(On::get(), Script::new([Step::Rest, Step::FlipNext]));
    let mut answer = vec![0; head.len() + body.len()];
    for first in [b'H', b'H' ^ 1] {
        stream.write_all(GET.as_bytes()).unwrap();
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer[0], first);
    }
}

#[test]
fn a_script_may_drip_and_change_the_head() {
    let drip = Step::Drip { to: Place::Byte(8), bytes: 1, every: Duration::from_millis(5) };
    let (got, end) = scripted([drip, Step::End(Ending::Fin)]);
    assert_eq!((got.as_slice(), end), (&b"HTTP/1.1"[..], None));
    let server = server();
    server.script(On::get(), Script::head(|head| head.replace("ETag", "X-Tag")));
    let (got, _) = ask(&server, GET);
    let text = String::from_utf8_lossy(&got);
    assert!(text.contains("\r\nX-Tag: \"") && !text.contains("ETag"));
    assert_eq!(server.exchanges()[0].sent, 200);
}

#[test]
fn an_outage_resets_old_and_new_connections_until_it_is_over() {
    let server = server();
    server.script(On::get(), Script::new([Step::UpTo(Place::Body(7)), Step::Stall]));
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(GET.as_bytes()).unwrap();
    let _ = stream.read(&mut [0; 64]).unwrap();
    server.cut_off();
    let mut rest = Vec::new();
    assert_eq!(stream.read_to_end(&mut rest).unwrap_err().kind(), ErrorKind::ConnectionReset);
    let (got, end) = ask(&server, GET);
    assert!(got.is_empty() && end == Some(ErrorKind::ConnectionReset), "{end:?}");
    server.restore();
    assert!(ask(&server, GET).0.starts_with(b"HTTP/1.1 206"));
}
