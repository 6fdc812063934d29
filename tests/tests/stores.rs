//! `ossget get s3://…` and `file://…` by the real binary, built with them. The S3 server is one that we did
//! not write: `OSSGET_TEST_S3` names it, such as `http://127.0.0.1:5000`; it has a bucket `bkt` and takes any
//! credentials. `cargo xtask ci` starts one.

use ossget_testkit::Content;
use ossget_tests::{Ended, Rig, wait_until};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

const SIZE: u64 = 2_000_000;
const SIGNATURE: &str = "AWS4-HMAC-SHA256 Credential=id/20260101/us-east-1/s3/aws4_request, \
                         SignedHeaders=host, Signature=0";
const ARGS: &[&str] = &["--part-size", "100KiB", "--parallel", "2", "--json"];

/// A folder, and an object of the S3 server.
struct Stored {
    rig: Rig,
    key: String,
}

impl Stored {
    fn new(seed: u64) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let key = format!("cli-{}-{count}/object.bin", std::process::id());
        let stored = Self { rig: Rig::new(seed, SIZE), key };
        stored.put(&stored.rig.content);
        stored
    }

    /// Puts the object. The server wants to see a signature and does not look at it.
    fn put(&self, content: &Content) {
        let server = server();
        let mut stream = TcpStream::connect(&server).expect("the S3 server answers");
        let head = format!(
            "PUT /bkt/{} HTTP/1.1\r\nHost: {server}\r\nAuthorization: {SIGNATURE}\r\n\
             Content-Length: {SIZE}\r\nConnection: close\r\n\r\n",
            self.key
        );
        stream.write_all(head.as_bytes()).expect("it takes them");
        stream.write_all(&content.window(0..SIZE)).expect("it takes them");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    fn source(&self) -> String {
        format!("s3://bkt/{}", self.key)
    }

    fn command(&self, args: &[&str]) -> Command {
        let destination = self.rig.destination();
        let destination = destination.to_str().expect("a path of text");
        let mut command =
            self.rig.ossget(&[&["get", &self.source(), destination], ARGS, args].concat());
        command
            .env("AWS_ENDPOINT_URL", format!("http://{}", server()))
            .env("AWS_ACCESS_KEY_ID", "canary-id")
            .env("AWS_SECRET_ACCESS_KEY", "canary-secret")
            .env("AWS_REGION", "us-east-1");
        command
    }

    fn run(&self, args: &[&str]) -> Ended {
        let ended = Ended::from(self.command(args).output().expect("the binary starts"));
        assert!(!format!("{ended:?}").contains("canary-secret"), "{ended:?}");
        ended
    }

    /// Kills a run once a quarter of the object has come.
    fn kill(&self) {
        let mut child = self.command(&["--bandwidth-limit", "1MiB"]).spawn().expect("it starts");
        let recorded = || {
            let found = ossget::checkpoint::show(&self.rig.destination(), None).ok().flatten();
            found.is_some_and(|found| found.bytes_recorded > SIZE / 4)
        };
        wait_until("a quarter of the object", recorded);
        child.kill().expect("it runs");
        child.wait().expect("it ends");
    }
}

/// Host and port of the S3 server.
fn server() -> String {
    let url = std::env::var("OSSGET_TEST_S3").expect("OSSGET_TEST_S3 names an S3 server");
    url.strip_prefix("http://").expect("a URL without TLS").to_owned()
}

#[test]
fn a_killed_download_from_s3_goes_on() {
    let stored = Stored::new(31);
    stored.kill();
    let ended = stored.run(&[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let done = ended.event("object_done");
    assert!(done["resumed_bytes"].as_u64().unwrap() > SIZE / 4, "{done}");
    assert_eq!(done["integrity"], "unverified-by-server", "{done}");
    assert_eq!(done["source"], stored.source());
    stored.rig.assert_downloaded();
}

#[test]
fn an_object_of_s3_that_was_replaced_meanwhile_is_fetched_anew() {
    let mut stored = Stored::new(32);
    stored.kill();
    let other = Content::generated(33, SIZE);
    stored.put(&other);
    stored.rig.content = other;
    let ended = stored.run(&[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.event("object_done")["resumed_bytes"], 0);
    stored.rig.assert_downloaded();
    let stored = Stored::new(34);
    stored.kill();
    stored.put(&Content::generated(35, SIZE));
    let ended = stored.run(&["--on-change", "fail"]);
    assert_eq!(ended.code, Some(5), "{ended:?}");
    assert!(!stored.rig.destination().exists());
}

#[test]
fn a_digest_decides() {
    let stored = Stored::new(36);
    let ended = stored.run(&["--checksum", "crc64:1"]);
    assert_eq!(ended.code, Some(6), "{ended:?}");
    assert!(!stored.rig.destination().exists());
    let digest = format!("crc64:{}", stored.rig.content.crc64());
    let ended = stored.run(&["--checksum", &digest]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.event("object_done")["integrity"], "verified-by-user");
}

#[test]
fn what_is_missing_is_told_at_once() {
    let stored = Stored { key: "no/such".to_owned(), ..Stored::new(37) };
    let ended = stored.run(&[]);
    assert_eq!(ended.code, Some(4), "{ended:?}");
}

#[test]
fn credentials_do_not_go_to_other_machines_in_the_open() {
    let stored = Stored::new(38);
    let mut command = stored.command(&["--retry-max-time", "2s"]);
    // An address for documentation (RFC 5737): nobody is there.
    command.env("AWS_ENDPOINT_URL", "http://192.0.2.1:9000");
    let ended = Ended::from(command.output().expect("the binary starts"));
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("plain http"), "{}", ended.stderr);
}

#[test]
fn a_file_is_downloaded_by_its_url() {
    let rig = Rig::new(39, SIZE);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a b%41#ü"), rig.content.window(0..SIZE)).unwrap();
    let source = format!("file://{}/a%20b%2541%23%C3%BC", folder.path().display());
    let destination = rig.destination();
    let output =
        rig.ossget(&["get", &source, destination.to_str().unwrap(), "--json"]).output().unwrap();
    let ended = Ended::from(output);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    rig.assert_downloaded();
}

#[test]
fn settings_that_cannot_be_are_named_and_not_shown() {
    let stored = Stored::new(40);
    for (name, value) in [
        ("AWS_ENDPOINT_URL", "canary-secret"),
        ("AWS_ENDPOINT_URL", "http://user:canary-secret@127.0.0.1:1"),
        ("AWS_SECRET_ACCESS_KEY", "canary-secret\n"),
    ] {
        let output = stored.command(&[]).env(name, value).output().expect("the binary starts");
        let ended = Ended::from(output);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(name), "{}", ended.stderr);
        assert!(!format!("{ended:?}").contains("canary-secret"), "{ended:?}");
    }
    // An empty variable counts as none.
    let output = stored.command(&[]).env("AWS_SESSION_TOKEN", "").env("AWS_PROFILE", "").output();
    assert_eq!(Ended::from(output.expect("the binary starts")).code, Some(0));
}

#[test]
fn a_pipe_is_no_file_and_a_file_has_no_versions() {
    let rig = Rig::new(41, SIZE);
    let pipe = rig.dir().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is there").success());
    let source = format!("file://{}", pipe.display());
    let run = |args: &[&str]| {
        let destination = rig.dir().join("x");
        let args = [&["get", &source, destination.to_str().unwrap()], args].concat();
        Ended::from(rig.ossget(&args).output().expect("the binary starts"))
    };
    for args in [&["--json"][..], &["--json", "--version-id", "v"]] {
        let ended = run(args);
        assert_eq!(ended.code, Some(2), "{ended:?}");
    }
}
