//! Hostile keys put by an SDK, as far as its HTTP library leaves the path alone.

use super::{BUCKET, ID, Process, REGION, SECRET, assert_success, python};
use ossget_tests::binary;
use ossget_tests::keys::{KEYS, encoded};
use serde_json::Value;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// What became of a key.
#[derive(Debug, PartialEq, Eq)]
enum Put {
    /// Under a right path.
    Well,
    /// The path was changed, or the SDK refused the key.
    Not,
}

#[allow(clippy::print_stdout, reason = "the numbers are a result")]
pub(crate) fn put_and_download(sdk: &str) {
    let sim = Process::start();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut script = sim.script(python(), "hostile_keys.py", &dir);
    script.args(["--sdk", sdk]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = script.stderr(Stdio::piped()).spawn().expect("Python starts");
    let keys = serde_json::to_vec(KEYS).expect("keys are text");
    child.stdin.take().expect("a pipe").write_all(&keys).expect("it reads them");
    let output = child.wait_with_output().expect("it ends");
    assert_success(&output);
    let lines = String::from_utf8(output.stdout).expect("JSON is text");
    let told: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(told.len(), KEYS.len());
    let put: Vec<(&str, Put)> =
        KEYS.iter().zip(&told).map(|(key, told)| (*key, judge(key, told))).collect();
    let mut downloaded = 0;
    for (key, _) in put.iter().filter(|(_, put)| *put == Put::Well) {
        let destination = dir.path().join("download.bin");
        let mut ossget = Command::new(binary("ossget"));
        ossget.args(["get", "--literal-key", "-q", "--endpoint", &sim.endpoint]);
        ossget.args(["--region", REGION]).arg(format!("oss://{BUCKET}/{key}")).arg(&destination);
        ossget.env("OSS_ACCESS_KEY_ID", ID).env("OSS_ACCESS_KEY_SECRET", SECRET);
        ossget.env_remove("OSS_SESSION_TOKEN").stdin(Stdio::null());
        assert_success(&ossget.output().expect("the binary starts"));
        let found = fs::read(&destination).expect("the destination is there");
        assert_eq!(found, format!("content of {key}").as_bytes(), "{key:?}");
        fs::remove_file(&destination).expect("it is there");
        downloaded += 1;
    }
    let changed: Vec<&str> =
        put.iter().filter(|(_, put)| *put == Put::Not).map(|(key, _)| *key).collect();
    println!("{sdk}: {downloaded} of {} keys put as they are and downloaded", KEYS.len());
    println!("{sdk}: changed on the way or refused: {changed:?}");
    assert!(downloaded >= LEAST, "{sdk}: {downloaded}");
    // Those a raw client puts, in the test `keys`.
    let is_expected = |key: &&str| key.split('/').any(|segment| [".", ".."].contains(&segment));
    assert!(changed.iter().all(is_expected), "{sdk}: {changed:?}");
}

fn judge(key: &str, told: &Value) -> Put {
    let paths = told["paths"].as_array().expect("paths");
    let right = encoded(key);
    // oss2 encodes slashes, too: then no dots are a segment.
    let forms = [format!("/{BUCKET}/{right}"), format!("/{BUCKET}/{}", right.replace('/', "%2F"))];
    let arrived = paths.iter().any(|path| forms.iter().any(|form| path.as_str() == Some(form)));
    match arrived && told["failed"].is_null() {
        true => Put::Well,
        false => Put::Not,
    }
}

const LEAST: usize = 60;
