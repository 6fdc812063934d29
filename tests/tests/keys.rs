//! Keys of any legal bytes: put by a client that sends the path as it stands, listed, looked at and
//! downloaded by `ossget`, the path on the wire compared byte for byte.

use ossget_sign::{Credentials, Request, Signer};
use ossget_tests::Rig;
use ossget_tests::keys::{KEYS, encoded};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::SystemTime;

const BUCKET: &str = "examplebucket";

/// One signed exchange; the body of the answer.
fn exchange(rig: &Rig, method: &str, key: Option<&str>, query: &str, body: &str) -> String {
    let parameters: Vec<(String, String)> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let (method, headers) = (method.parse().expect("a method"), http::HeaderMap::new());
    let request = Request {
        method: &method,
        bucket: Some(BUCKET),
        key,
        query: &parameters,
        headers: &headers,
    };
    let credentials = Credentials::new("test-id", "test-secret").expect("credentials");
    let signer = Signer::v4("cn-hangzhou").expect("a region");
    let signed = signer.sign(&request, &credentials, SystemTime::now()).expect("a signature");
    let address = rig.sim.address();
    let path = key.map(encoded).unwrap_or_default();
    let mut text = format!("{method} /{BUCKET}/{path}?{query} HTTP/1.1\r\nhost: {address}\r\n");
    for (name, value) in signed.headers() {
        write!(text, "{name}: {}\r\n", value.to_str().expect("text")).expect("a string");
    }
    write!(text, "connection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        .expect("a string");
    let mut stream = TcpStream::connect(address).expect("the simulator listens");
    stream.write_all(text.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer of text");
    assert!(answer.starts_with("HTTP/1.1 200"), "{text}\n{answer}");
    answer.split_once("\r\n\r\n").expect("a head").1.to_owned()
}

/// The keys that a listing names.
fn listed(rig: &Rig) -> BTreeSet<String> {
    let document = exchange(rig, "GET", None, "list-type=2&max-keys=1000&encoding-type=url", "");
    let pieces = document.split("<Key>").skip(1).map(|piece| piece.split("</Key>").next());
    pieces.map(|piece| decoded(piece.expect("an end"))).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                bytes.push(u8::from_str_radix(&digits, 16).expect("hex digits"));
            }
            b'+' => bytes.push(b' '),
            _ => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).expect("keys are text")
}

#[test]
fn every_legal_key_survives_putting_listing_looking_and_downloading() {
    assert!(KEYS.len() >= 60, "{}", KEYS.len());
    assert_eq!(KEYS.iter().collect::<BTreeSet<_>>().len(), KEYS.len(), "each is another key");
    let rig = Rig::new(1, 1);
    for key in KEYS {
        exchange(&rig, "PUT", Some(key), "", &format!("content of {key}"));
    }
    let mut expected: BTreeSet<String> = KEYS.iter().map(|key| (*key).to_owned()).collect();
    expected.insert("dir/object.bin".to_owned());
    assert_eq!(listed(&rig), expected);

    for key in KEYS {
        rig.sim.clear_requests();
        let content = format!("content of {key}");
        let source = format!("oss://{BUCKET}/{key}");
        let output = rig.ossget(&["stat", &source, "--literal-key", "--json"]).output().unwrap();
        assert!(output.status.success(), "{key:?}: {output:?}");
        let line: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(line["bytes"], content.len(), "{key:?}");
        assert_eq!(line["source"], source.as_str());

        let destination = rig.destination();
        let mut command = rig.ossget(&["get", &source, "--literal-key", "-q"]);
        let ended = command.arg(&destination).output().unwrap();
        assert!(ended.status.success(), "{key:?}: {ended:?}");
        assert_eq!(std::fs::read(&destination).unwrap(), content.as_bytes(), "{key:?}");
        std::fs::remove_file(&destination).unwrap();

        let path = format!("/{BUCKET}/{}", encoded(key));
        let requests = rig.sim.requests();
        assert_eq!(requests.len(), 2, "{key:?}: a HEAD and a GET");
        assert!(requests.iter().all(|request| request.path == path), "{key:?}: {requests:?}");
    }
}

#[test]
fn a_key_with_a_zero_byte_is_read_from_a_file() {
    let rig = Rig::new(2, 1);
    let key = "a\0b ";
    exchange(&rig, "PUT", Some(key), "", "zero");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "oss://{BUCKET}/{key}").unwrap();
    let source: OsString = format!("@{}", file.path().display()).into();
    let output = rig.ossget(&["cat"]).arg(source).output().unwrap();
    assert_eq!(output.stdout, b"zero", "{output:?}");
}

#[test]
fn names_that_the_service_does_not_take_are_refused_before_any_request() {
    let rig = Rig::new(3, 1);
    let long = "a".repeat(1024);
    for key in ["/a", "//a", "\\a", "", &long] {
        let source = format!("oss://{BUCKET}/{key}");
        let output = rig.ossget(&["stat", &source]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{key:?}: {output:?}");
    }
    assert!(rig.sim.requests().is_empty());
}
