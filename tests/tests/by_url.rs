//! URLs: made by `ossget sign`, and downloaded from.

use ossget_testkit::{Content, Fault, On};
use ossget_tests::{Ended, Rig};
use serde_json::Value;
use std::io::Write as _;
use std::process::{Output, Stdio};

const SOURCE: &str = "oss://examplebucket/dir/object.bin";
const SIZE: u64 = 2_000_000;
const ARGS: &[&str] = &["--part-size", "100KiB", "--parallel", "2", "--json"];

fn run(rig: &Rig, args: &[&str]) -> Output {
    rig.ossget(args).output().expect("the binary starts")
}

fn sign(rig: &Rig, args: &[&str]) -> String {
    let output = run(rig, &[&["sign", SOURCE], args].concat());
    assert!(output.status.success(), "{output:?}");
    let url = String::from_utf8(output.stdout).expect("a URL is text");
    url.strip_suffix('\n').expect("a line").to_owned()
}

/// Downloads from the URL, without any credentials and reading the URL from a file.
fn get(rig: &Rig, url: &str, args: &[&str]) -> Ended {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    writeln!(file, "{url}").expect("it can be written");
    let source = format!("@{}", file.path().display());
    let destination = rig.destination();
    let destination = destination.to_str().expect("a path of text");
    let mut command = rig.ossget(&[&["get", &source, destination], ARGS, args].concat());
    command.env_remove("OSS_ACCESS_KEY_ID").env_remove("OSS_ACCESS_KEY_SECRET");
    command.env_remove("OSS_ENDPOINT").env_remove("OSS_REGION");
    let ended = Ended::from(command.output().expect("the binary starts"));
    let shown = format!("{ended:?}");
    let query = url.split_once('?').expect("a query").1;
    for secret in query.split('&').filter_map(|pair| pair.split_once("ignature=")) {
        assert!(!shown.contains(secret.1), "{shown}");
    }
    ended
}

#[test]
fn a_signed_url_lets_others_download_resumably_and_verified_in_both_versions() {
    for version in ["v4", "v1"] {
        let rig = Rig::new(11, SIZE);
        let url = sign(&rig, &["--expires", "1h", "--sign-version", version]);
        rig.sim.clear_requests();
        let later = On::get().range_start(|start| start >= SIZE / 2).always();
        rig.sim.fault(later, Fault::status(403, "AccessDenied"));
        let ended = get(&rig, &url, &[]);
        assert_eq!(ended.code, Some(3), "{ended:?}");
        assert!(ended.stderr.contains("new URL for the same object"), "{}", ended.stderr);
        assert!(ended.stderr.contains("are kept"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("run the same command again"), "{}", ended.stderr);
        rig.sim.clear_faults();

        let other = sign(&rig, &["--expires", "2h", "--sign-version", version]);
        assert_ne!(other, url);
        let ended = get(&rig, &other, &[]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        rig.assert_downloaded();
        let done = ended.event("object_done");
        assert_eq!(done["integrity"], "verified");
        assert!(done["resumed_bytes"].as_u64().unwrap() >= SIZE / 4, "{done}");
        let source = done["source"].as_str().unwrap();
        assert!(source.ends_with("/examplebucket/dir/object.bin"), "{source}");
        let requests = rig.sim.requests();
        assert!(requests.iter().all(|request| request.method == "GET"), "no HEAD was signed");

        let again = get(&rig, &other, &[]);
        assert_eq!(again.code, Some(0));
        assert_eq!(again.event("object_skipped")["integrity"], "verified");
    }
}

#[test]
fn an_expired_url_says_so_and_keeps_what_is_there() {
    let rig = Rig::new(12, SIZE);
    let url = sign(&rig, &["--expires", "1s"]);
    std::thread::sleep(std::time::Duration::from_millis(2100));
    let ended = get(&rig, &url, &[]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert_eq!(ended.event("object_failed")["kind"], "credentials");
    assert!(ended.stderr.contains("the URL has expired: get a new one"), "{}", ended.stderr);
    assert!(rig.files().is_empty(), "{:?}", rig.files());
}

#[test]
fn an_object_replaced_under_a_url_is_noticed() {
    let mut rig = Rig::new(13, SIZE);
    let url = sign(&rig, &[]);
    let later = On::get().range_start(|start| start >= SIZE / 2).always();
    rig.sim.fault(later, Fault::status(403, "AccessDenied"));
    assert_eq!(get(&rig, &url, &[]).code, Some(3));
    rig.sim.clear_faults();
    rig.replace(Content::generated(14, SIZE));
    let ended = get(&rig, &url, &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    rig.assert_downloaded();
    assert_eq!(ended.event("object_done")["resumed_bytes"], 0);
}

#[test]
fn an_empty_object_is_downloaded_by_its_url_too() {
    let mut rig = Rig::new(15, 1);
    rig.replace(Content::generated(15, 0));
    let url = sign(&rig, &[]);
    let ended = get(&rig, &url, &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    rig.assert_downloaded();
}

#[test]
fn a_url_may_come_from_standard_input_and_name_a_directory() {
    let rig = Rig::new(16, SIZE);
    let url = sign(&rig, &[]);
    let dir = format!("{}/", rig.dir().display());
    let mut command = rig.ossget(&["get", "@-", &dir, "-q"]);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the binary starts");
    writeln!(child.stdin.take().expect("a pipe"), "{url}").expect("it reads");
    assert!(child.wait().expect("it ends").success());
    rig.assert_downloaded();
}

#[test]
fn what_a_url_is_to_have_is_signed_with_it_and_what_signing_adds_is_refused() {
    let rig = Rig::new(17, 1000);
    let wanted = "response-content-disposition=attachment; filename=\"ä b\"";
    let url = sign(&rig, &["--query", wanted, "--request-payer", "--version-id", "null"]);
    assert!(
        url.contains("response-content-disposition=attachment%3B%20filename%3D%22%C3%A4%20b%22")
    );
    assert!(url.contains("x-oss-request-payer=requester") && url.contains("versionId=null"));
    for parameter in ["x-oss-expires=1", "Signature=x", "versionId=1", "=x"] {
        let output = run(&rig, &["sign", SOURCE, "--query", parameter]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
    for expires in ["0s", "169h"] {
        let output = run(&rig, &["sign", SOURCE, "--expires", expires]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
    assert_eq!(run(&rig, &["sign", &url]).status.code(), Some(2));
    let output = run(&rig, &["sign", SOURCE, "--json"]);
    let line: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(line["url"].as_str().unwrap().starts_with(&rig.sim.endpoint()));
    assert!(line["expires"].as_u64().unwrap() > 1_700_000_000);
    assert!(rig.sim.requests().is_empty(), "signing asks nobody");
}
