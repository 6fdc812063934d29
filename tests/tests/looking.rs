//! `ossget stat` and `ossget cat`.

use ossget_testkit::{Close, Content, Fault, On, RequestRecord, Simulator};
use ossget_tests::Rig;
use serde_json::Value;
use std::io::Read as _;
use std::process::{Command, Output};

const SOURCE: &str = "oss://examplebucket/dir/object.bin";
const SIZE: u64 = 3_000_000;
const ARGS: &[&str] = &["cat", SOURCE, "--part-size", "100KiB"];

fn run(rig: &Rig, args: &[&str]) -> Output {
    rig.ossget(args).output().expect("the binary starts")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn stat_says_what_the_object_is_to_people_and_to_programs() {
    let rig = Rig::new(1, SIZE);
    let output = run(&rig, &["stat", SOURCE]);
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.contains("size             3000000 bytes"), "{text}");
    assert!(text.contains("etag") && text.contains("storage class"), "{text}");
    let output = run(&rig, &["stat", SOURCE, "--json"]);
    let line: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&line["bytes"], &line["source"]), (&SIZE.into(), &SOURCE.into()));
    let crc64 = rig.content.crc64().to_string();
    assert_eq!(line["crc64"], crc64.as_str());
    assert_eq!(line["headers"]["x-oss-hash-crc64ecma"], crc64.as_str());
    assert!(rig.sim.requests().iter().all(|request| request.method == "HEAD"));

    let missing = run(&rig, &["stat", "oss://examplebucket/none"]);
    assert_eq!(missing.status.code(), Some(4), "{missing:?}");
    assert!(stderr(&missing).contains("NoSuchKey"), "{}", stderr(&missing));
}

#[test]
fn doctor_goes_on_until_the_step_that_fails_and_names_it() {
    let rig = Rig::new(9, SIZE);
    let steps = |output: &Output| -> Vec<(String, bool)> {
        let text = String::from_utf8(output.stdout.clone()).expect("JSON is text");
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        lines.map(|line| (line["step"].as_str().unwrap().to_owned(), line["ok"] == true)).collect()
    };
    let all =
        ["configuration", "credentials", "name lookup", "request", "clock", "checksum", "ranges"];
    let output = run(&rig, &["doctor", SOURCE, "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(steps(&output), all.map(|step| (step.to_owned(), true)));

    let mut command = rig.ossget(&["doctor", SOURCE, "--json"]);
    let output = command.env("OSS_ACCESS_KEY_SECRET", "canary").output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert_eq!(steps(&output).last().unwrap(), &("request".to_owned(), false));
    assert!(stderr(&output).contains("SignatureDoesNotMatch"), "{}", stderr(&output));

    let output = rig.ossget(&["doctor", SOURCE, "--json", "-e", ""]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert_eq!(steps(&output), [("configuration".to_owned(), false)]);

    rig.sim.set_clock_offset(1800);
    let output = run(&rig, &["doctor", SOURCE]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("clock          FAILED"), "{text}");
    assert!(stderr(&output).contains("set the clock"), "{}", stderr(&output));
}

#[test]
fn cat_writes_the_object_in_order_whatever_breaks_meanwhile() {
    let rig = Rig::new(2, SIZE);
    rig.sim.fault(On::get().nth(3), Fault::CutAfter { bytes: 40_000, how: Close::Rst });
    rig.sim.fault(On::get().nth(5), Fault::status(503, "ServiceUnavailable"));
    rig.sim.fault(On::get().nth(8), Fault::CutAfter { bytes: 7, how: Close::Fin });
    for args in [ARGS, &["get", SOURCE, "-", "--part-size", "100KiB", "--parallel", "3"]] {
        let output = run(&rig, args);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(output.stdout == rig.content.window(0..SIZE), "other bytes");
        assert_eq!(stderr(&output), "");
    }
}

#[test]
fn cat_of_a_range_and_of_nothing_gives_just_that() {
    let mut rig = Rig::new(3, SIZE);
    let output = run(&rig, &[ARGS, &["--range", "1000-299999"]].concat());
    assert!(output.stdout == rig.content.window(1000..300_000), "{}", stderr(&output));
    let beyond = run(&rig, &[ARGS, &["--range", "3000000-"]].concat());
    assert_eq!(beyond.status.code(), Some(2), "{}", stderr(&beyond));
    rig.replace(Content::generated(4, 0));
    let output = run(&rig, ARGS);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0));
}

#[test]
fn cat_fails_after_the_last_byte_if_the_whole_is_wrong() {
    let rig = Rig::new(5, SIZE);
    rig.sim.fault(On::get().always(), Fault::FlipByte { at: 350_000 });
    let output = run(&rig, ARGS);
    assert_eq!(output.status.code(), Some(6), "{}", stderr(&output));
    assert!(stderr(&output).contains("CRC-64"), "{}", stderr(&output));
}

/// Standard output holds the last bytes back: whether they could be written shows at its end.
#[cfg(target_os = "linux")]
#[test]
fn cat_fails_if_its_last_bytes_cannot_be_written() {
    let rig = Rig::new(15, SIZE);
    for more in [&["--range", "0-9"][..], &["--process", "image/info"], &[]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
        let output = rig.ossget(&[ARGS, more].concat()).stdout(full).output().expect("it starts");
        assert_eq!(output.status.code(), Some(7), "{more:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("No space left"), "{}", stderr(&output));
    }
}

#[test]
fn cat_stops_quietly_when_its_reader_does() {
    let rig = Rig::new(6, SIZE);
    let mut command: Command = rig.ossget(ARGS);
    let mut child = command.spawn().expect("the binary starts");
    let mut first = [0; 1000];
    let mut stdout = child.stdout.take().expect("a pipe");
    stdout.read_exact(&mut first).expect("the first bytes");
    assert!(first[..] == rig.content.window(0..1000)[..]);
    drop(stdout);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
}

#[test]
fn preconditions_decide_before_a_byte_is_fetched() {
    let rig = Rig::new(7, SIZE);
    let stat = run(&rig, &["stat", SOURCE, "--json"]);
    let line: Value = serde_json::from_slice(&stat.stdout).expect("JSON");
    let etag = line["etag"].as_str().expect("an ETag");
    rig.sim.clear_requests();
    for (header, code) in [
        (format!("If-Match: {etag}"), 0),
        ("If-Match: \"other\"".to_owned(), 5),
        (format!("If-None-Match: {etag}"), 5),
        ("If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT".to_owned(), 5),
        ("If-Unmodified-Since: Fri, 01 Jan 2010 00:00:00 GMT".to_owned(), 5),
    ] {
        let ended = rig.run(&["--header", &header]);
        assert_eq!(ended.code, Some(code), "{header}: {ended:?}");
        if code != 0 {
            assert_eq!(ended.event("object_failed")["kind"], "precondition_failed");
            let fetched = |it: &RequestRecord| it.status.is_some_and(|status| status < 300);
            assert!(!rig.sim.requests().iter().any(fetched), "{header}");
        } else {
            rig.assert_downloaded();
            std::fs::remove_file(rig.destination()).expect("it is there");
            rig.sim.clear_requests();
        }
        assert!(rig.files().is_empty(), "{header}: {:?}", rig.files());
    }
}

#[test]
fn headers_that_are_not_free_are_refused_and_others_are_sent() {
    let rig = Rig::new(8, 1000);
    for header in ["Range: bytes=0-1", "Host: h", "x-oss-date: 1", "no colon", "a b: c"] {
        let ended = rig.ossget(&["stat", SOURCE, "--header", header]).output().expect("it starts");
        assert_eq!(ended.status.code(), Some(2), "{header}: {ended:?}");
    }
    let args = ["stat", SOURCE, "--header", "x-oss-canary: 1", "--header", "User-Agent: me/1"];
    let output = run(&rig, &args);
    assert!(output.status.success(), "{}", stderr(&output));
    for limit in ["819199", "838860801", "x"] {
        let output = run(&rig, &["stat", SOURCE, "--traffic-limit", limit]);
        assert_eq!(output.status.code(), Some(2), "{limit}");
    }
    rig.run_well(&["--traffic-limit", "819200", "--request-payer"]);
}

#[test]
fn headers_of_answers_are_overridden_where_bytes_are_fetched() {
    let rig = Rig::new(14, SIZE);
    let wanted = "response-content-type=text/plain; charset=utf-8";
    rig.run_well(&["--query", wanted, "--query", "response-expires=0"]);
    rig.assert_downloaded();
    for request in rig.sim.requests() {
        let has = request.query.contains("response-content-type=text%2Fplain%3B%20charset%3Dutf-8")
            && request.query.contains("response-expires=0");
        assert_eq!(has, request.method == "GET", "{request:?}");
    }
    for query in ["acl", "versionId=1", "response-content-encoding=gzip", "=x"] {
        let ended = rig.ossget(&["stat", SOURCE, "--query", query]).output().expect("it starts");
        assert_eq!(ended.status.code(), Some(2), "{query}: {ended:?}");
    }
}

#[test]
fn whoever_asks_pays_only_where_they_agree_to() {
    let mut rig = Rig::new(10, SIZE);
    rig.sim = Simulator::builder()
        .bucket("examplebucket")
        .credentials("test-id", "test-secret")
        .requester_pays()
        .start_blocking()
        .expect("loopback addresses can be bound");
    rig.sim.put_object("dir/object.bin", rig.content.clone());
    let ended = rig.run(&[]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.stderr.contains("RequestPayerMissing"), "{}", ended.stderr);
    assert!(ended.stderr.contains("--request-payer"), "{}", ended.stderr);
    assert!(rig.files().is_empty());
    rig.run_well(&["--request-payer"]);

    let output = run(&rig, &[ARGS, &["--request-payer"]].concat());
    assert!(output.stdout == rig.content.window(0..SIZE), "{}", stderr(&output));
    for (args, code) in [(&["sign", SOURCE][..], 3), (&["sign", SOURCE, "--request-payer"], 0)] {
        let url = String::from_utf8(run(&rig, args).stdout).expect("a URL is text");
        let output = run(&rig, &["cat", url.trim()]);
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
    }
}

/// The simulator gives the bytes of a processed object in reverse order.
fn made(rig: &Rig) -> Vec<u8> {
    let mut bytes = rig.content.window(0..SIZE);
    bytes.reverse();
    bytes
}

#[test]
fn what_the_service_makes_of_an_object_goes_to_a_file_or_to_standard_output() {
    let rig = Rig::new(11, SIZE);
    let resized = ["--process", "image/resize,w_100"];
    for version in ["v4", "v1"] {
        let ended = rig.run(&[&resized[..], &["--sign-version", version]].concat());
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(std::fs::read(rig.destination()).expect("a file") == made(&rig));
        assert_eq!(ended.event("start")["bytes_total"], Value::Null);
        let done = ended.event("object_done");
        assert_eq!(
            (&done["bytes"], &done["integrity"]),
            (&SIZE.into(), &"unverified-by-server".into())
        );
    }
    assert_eq!(rig.files(), ["object.bin"]);
    for args in [&["cat", SOURCE][..], &["get", SOURCE, "-"]] {
        let output = run(&rig, &[args, &resized].concat());
        assert!(output.stdout == made(&rig), "{}", stderr(&output));
        assert!(stderr(&output).contains("CRC-64"), "{}", stderr(&output));
    }
    let output = run(&rig, &["cat", SOURCE, "--process", "image/info"]);
    assert_eq!(output.stdout, b"{\"FileSize\": {\"value\": \"3000000\"}}");
    for more in [&["--range", "0-1"][..], &["--require-crc"], &["--resume", "require"]] {
        let ended = rig.run(&[&resized, more].concat());
        assert_eq!(ended.code, Some(2), "{more:?}: {ended:?}");
    }
    let ended = rig.run(&["--process", "video/none"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("InvalidArgument"), "{}", ended.stderr);
}

#[test]
fn a_url_that_processes_is_read_as_the_stream_that_it_is() {
    let rig = Rig::new(12, SIZE);
    let signed = ["sign", SOURCE, "--query", "x-oss-process=image/resize,w_100"];
    let url = String::from_utf8(run(&rig, &signed).stdout).expect("a URL is text");
    let url = url.trim();
    let file = rig.destination();
    let file = file.to_str().expect("a path is text");
    for args in [&["cat", url][..], &["get", url, "-"], &["get", url, file]] {
        let output = run(&rig, args);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(args.len() == 3 && args[2] == file || output.stdout == made(&rig));
    }
    assert!(std::fs::read(file).expect("a file") == made(&rig));
    let encoded = url.replace("x-oss-process", "x-oss%2Dprocess");
    assert!(run(&rig, &["cat", &encoded]).stdout == made(&rig));
    for args in [
        &["cat", url, "--range", "0-1"][..],
        &["cat", url, "--process", "image/info"],
        &["stat", url],
        &["verify", file, url],
    ] {
        let output = run(&rig, args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
    }
}

/// Appended to while it is downloaded, an object is another one: that begins again, or fails.
#[test]
fn objects_of_other_types_are_downloaded_as_they_are_at_one_moment() {
    let mut rig = Rig::new(13, SIZE);
    for kind in ["Symlink", "Appendable", "Multipart"] {
        rig.sim.clear_faults();
        rig.sim.fault(On::any().always(), Fault::header("x-oss-object-type", kind));
        let ended = rig.run_well(&["--part-size", "100KiB"]);
        rig.assert_downloaded();
        assert_eq!(ended.event("object_done")["integrity"], "verified", "{kind}");
        let output = run(&rig, &["stat", SOURCE]);
        assert!(String::from_utf8_lossy(&output.stdout).contains(kind), "{output:?}");
        std::fs::remove_file(rig.destination()).expect("it is there");
    }
    let mut longer = rig.content.window(0..SIZE);
    longer.extend_from_slice(&[7; 5000]);
    let longer = Content::bytes(longer);
    rig.sim.fault(On::any().always(), Fault::header("x-oss-object-type", "Appendable"));
    rig.sim.fault(On::get().nth(9), Fault::ReplaceObjectNow(longer.clone()));
    let failing = rig.run(&["--part-size", "100KiB", "--on-change", "fail"]);
    assert_eq!(failing.code, Some(5), "{failing:?}");
    rig.sim.fault(On::get().nth(9), Fault::ReplaceObjectNow(rig.content.clone()));
    rig.run_well(&["--part-size", "100KiB"]);
    rig.assert_downloaded();
    rig.replace(longer);
    rig.run_well(&["--part-size", "100KiB"]);
    rig.assert_downloaded();
}
