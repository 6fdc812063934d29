//! A client on a bare socket: it sends what it is told and reports what came back.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use md5::{Digest as _, Md5};
use ossget_sign::{Credentials, Request, Signer, encode_path, encode_query};
use ossget_testkit::Simulator;

/// How the bytes ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The announced length has arrived.
    Complete,
    /// The server closed the connection before that, or after more than that.
    Closed,
    /// The connection was reset.
    Reset,
    /// Nothing came for the time the client waits.
    Silent,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) end: End,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The text of an XML element of the body.
    pub(crate) fn element(&self, name: &str) -> Option<String> {
        element(&self.text(), name)
    }
}

/// Checks how a request was refused.
#[track_caller]
pub(crate) fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.element("Code").as_deref()), (status, Some(code)));
}

/// The texts of all XML elements of a name.
pub(crate) fn elements(xml: &str, name: &str) -> Vec<String> {
    let tag = format!("<{name}>");
    let starts = xml.match_indices(&tag).map(|(at, _)| at);
    starts.map(|at| element(&xml[at..], name).unwrap()).collect()
}

pub(crate) fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0.to_owned())
}

/// A request to be signed and sent.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) bucket: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) time: SystemTime,
    pub(crate) wait: Duration,
}

impl Call {
    pub(crate) fn new(method: Method, key: &str) -> Self {
        Self {
            method,
            bucket: Some("examplebucket".to_owned()),
            key: Some(key.to_owned()).filter(|key| !key.is_empty()),
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: Vec::new(),
            time: SystemTime::now(),
            wait: Duration::from_secs(10),
        }
    }

    pub(crate) fn get(key: &str) -> Self {
        Self::new(Method::GET, key)
    }

    pub(crate) fn head(key: &str) -> Self {
        Self::new(Method::HEAD, key)
    }

    pub(crate) fn put(key: &str) -> Self {
        Self::new(Method::PUT, key)
    }

    pub(crate) fn post(key: &str) -> Self {
        Self::new(Method::POST, key)
    }

    pub(crate) fn delete(key: &str) -> Self {
        Self::new(Method::DELETE, key)
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        self
    }

    pub(crate) fn range(self, value: &str) -> Self {
        self.header("range", value).header("x-oss-range-behavior", "standard")
    }

    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// States the MD5 of the body.
    pub(crate) fn digested(self) -> Self {
        let digest = STANDARD.encode(Md5::digest(&self.body));
        self.header("content-md5", &digest)
    }

    pub(crate) fn request(&self) -> Request<'_> {
        Request {
            method: &self.method,
            bucket: self.bucket.as_deref(),
            key: self.key.as_deref(),
            query: &self.query,
            headers: &self.headers,
        }
    }

    /// Signs with V4 in the header.
    pub(crate) fn signed(self) -> Self {
        self.signed_by(&v4(), &test_credentials())
    }

    pub(crate) fn signed_by(mut self, signer: &Signer, credentials: &Credentials) -> Self {
        let signed = signer.sign(&self.request(), credentials, self.time).unwrap();
        self.headers.extend(signed.into_headers());
        self
    }

    pub(crate) fn presigned_by(
        mut self,
        signer: &Signer,
        credentials: &Credentials,
        life: u64,
    ) -> Self {
        let life = Duration::from_secs(life);
        let signed = signer.presign(&self.request(), credentials, self.time, life).unwrap();
        self.query = signed.into_query();
        self
    }

    /// The request in path style.
    pub(crate) fn send(&self, sim: &Simulator) -> Answer {
        let place = match &self.bucket {
            Some(bucket) => format!("/{bucket}/{}", self.key.as_deref().unwrap_or_default()),
            None => "/".to_owned(),
        };
        self.send_as(sim, &sim.address().to_string(), &encode_path(&place))
    }

    pub(crate) fn send_as(&self, sim: &Simulator, host: &str, path: &str) -> Answer {
        let mut stream = TcpStream::connect(sim.address()).unwrap();
        self.send_on(&mut stream, host, path)
    }

    pub(crate) fn send_on(&self, stream: &mut TcpStream, host: &str, path: &str) -> Answer {
        let query = encode_query(&self.query);
        let mark = if query.is_empty() { "" } else { "?" };
        let mut text = format!("{} {path}{mark}{query} HTTP/1.1\r\nHost: {host}\r\n", self.method);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
        }
        if !self.headers.contains_key("content-length") {
            text.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        text.push_str("\r\n");
        stream.set_read_timeout(Some(self.wait)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream.write_all(&self.body).unwrap();
        read_answer(stream, &self.method)
    }
}

pub(crate) fn v4() -> Signer {
    Signer::v4("cn-hangzhou").unwrap()
}

pub(crate) fn test_credentials() -> Credentials {
    Credentials::new("testid", "testsecret").unwrap()
}

fn read_answer(stream: &mut TcpStream, method: &Method) -> Answer {
    let mut bytes = Vec::new();
    let mut buf = vec![0; 64 << 10];
    let mut head: Option<(usize, u16, HeaderMap)> = None;
    let end = loop {
        if head.is_none() {
            head = read_head(&bytes);
        }
        if let Some((start, status, headers)) = &head {
            let length =
                headers.get("content-length").map(|v| v.to_str().unwrap().parse::<usize>());
            let expected = match length {
                _ if *method == Method::HEAD || *status == 204 || *status == 304 => Some(0),
                length => length.map(Result::unwrap),
            };
            if expected.is_some_and(|expected| bytes.len() == start + expected) {
                // A little more may follow when it should not.
                break End::Complete;
            }
        }
        match stream.read(&mut buf) {
            Ok(0) => break End::Closed,
            Ok(read) => bytes.extend_from_slice(&buf[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break End::Reset,
            Err(_) => break End::Silent,
        }
    };
    let (start, status, headers) = head.unwrap_or_else(|| (bytes.len(), 0, HeaderMap::new()));
    Answer { status, headers, body: bytes[start..].to_vec(), end }
}

fn read_head(bytes: &[u8]) -> Option<(usize, u16, HeaderMap)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = text.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_str(value.trim()).unwrap());
    }
    Some((end + 4, status, headers))
}
