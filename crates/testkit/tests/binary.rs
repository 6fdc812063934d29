//! `ossget-sim` as other processes see it.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use ossget_testkit::Content;

struct Running {
    child: Child,
    address: String,
}

impl Running {
    fn start(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ossget-sim"))
            .args(args)
            .env_remove("OSS_ACCESS_KEY_ID")
            .env_remove("OSS_ACCESS_KEY_SECRET")
            .env_remove("OSS_SESSION_TOKEN")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening on http://").unwrap().to_owned();
        Self { child, address }
    }

    fn send(&self, method: &str, path: &str, body: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}",
            self.address
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        (String::from_utf8(bytes[..end].to_vec()).unwrap(), bytes[end..].to_vec())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn it_serves_files_and_generated_objects_and_logs_requests() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("data/examplebucket/dir")).unwrap();
    std::fs::write(dir.path().join("data/examplebucket/dir/file"), "from a file").unwrap();
    let data = dir.path().join("data");
    let log = dir.path().join("log");
    let sim = Running::start(&[
        "--public-read",
        "--data",
        data.to_str().unwrap(),
        "--log",
        log.to_str().unwrap(),
        "--object",
        "big=100KiB@7",
        "--fault",
        "get:nth=2:status=503/SlowDown",
    ]);
    assert_eq!(sim.send("GET", "/examplebucket/dir/file", "").1, b"from a file");
    assert!(sim.send("GET", "/examplebucket/big", "").0.starts_with("HTTP/1.1 503"));
    let body = sim.send("GET", "/examplebucket/big", "").1;
    assert!(body == Content::generated(7, 100 << 10).window(0..100 << 10));
    // Records are written when a response has ended, which the client may notice first.
    let lines = loop {
        let text = std::fs::read_to_string(&log).unwrap();
        if text.lines().count() == 3 {
            break text;
        }
        std::thread::yield_now();
    };
    let records: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seen: Vec<_> = records.iter().map(|r| (r["key"].as_str(), r["status"].as_u64())).collect();
    assert_eq!(
        seen,
        [(Some("dir/file"), Some(200)), (Some("big"), Some(503)), (Some("big"), Some(200))]
    );
    assert_eq!(records[2]["sent"].as_u64(), Some(100 << 10));
}

#[test]
fn it_can_be_steered_over_http() {
    let sim = Running::start(&["--public-read", "--control", "--crc-header", "none"]);
    let order = r#"{"bucket":"examplebucket","key":"k","size":10,"seed":3}"#;
    assert!(sim.send("POST", "/-/sim/object", order).0.starts_with("HTTP/1.1 200"));
    let (head, body) = sim.send("GET", "/examplebucket/k", "");
    assert_eq!(body, Content::generated(3, 10).window(0..10));
    assert!(!head.contains("x-oss-hash-crc64ecma"));
}

#[test]
fn what_it_does_not_understand_ends_it() {
    for args in [["--fault", "get:cat"], ["--object", "nosize"], ["--throttle", "fast"]] {
        let status = Command::new(env!("CARGO_BIN_EXE_ossget-sim"))
            .args(args)
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(!status.success(), "{args:?}");
    }
}
