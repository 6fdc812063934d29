//! What the network and the service do to the command: its exit codes, and what it says.
#![allow(clippy::unwrap_used, reason = "clippy knows the test functions, not what they share")]

use ossget_testkit::scripted::{Authority, Certificate, ScriptedServer};
use ossget_testkit::{Close, Content, Fault, On};
use ossget_tests::{Ended, Rig, difference, wait_until};
use std::fs;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread::{self, sleep};
use std::time::Duration;

const SIZE: u64 = 1_000_000;
const ARGS: &[&str] = &["--part-size", "100KiB", "--parallel", "2", "--retry-max-time", "1s"];

/// One way to fail: what is done to which requests, and the exit code and the words that follow.
struct Case {
    on: fn() -> On,
    fault: Fault,
    code: i32,
    words: &'static str,
}

fn case(on: fn() -> On, fault: Fault, code: i32, words: &'static str) -> Case {
    Case { on, fault, code, words }
}

/// From the second GET on, so that something has been had before.
fn midway() -> On {
    On::get().nth(2).always()
}

fn gets() -> On {
    On::get().always()
}

fn redirect() -> Fault {
    let response = "HTTP/1.1 307 Temporary Redirect\r\nContent-Length: 0\r\n\
                    Location: http://169.254.169.254/canary?Signature=canary\r\n\r\n";
    Fault::Raw(response.into())
}

/// Runs all cases, a few at once, each against a simulator of its own.
fn check(cases: Vec<Case>) {
    thread::scope(|scope| {
        for case in cases {
            scope.spawn(move || {
                let rig = Rig::new(1, SIZE);
                fs::write(rig.destination(), "old").unwrap();
                rig.sim.fault((case.on)(), case.fault.clone());
                let ended = rig.run(ARGS);
                assert_eq!(ended.code, Some(case.code), "{:?}: {ended:?}", case.fault);
                assert!(ended.stderr.contains(case.words), "{:?}: {ended:?}", case.fault);
                assert!(!ended.stderr.contains("canary"), "{ended:?}");
                assert_eq!(ended.event("summary")["exit_code"], case.code, "{ended:?}");
                assert_eq!(fs::read(rig.destination()).unwrap(), b"old");
                // It was the server: against another one the same command succeeds.
                rig.sim.clear_faults();
                rig.sim.put_object("dir/object.bin", rig.content.clone());
                rig.run_well(ARGS);
            });
        }
    });
}

/// Faults: 26, 27, 28, 30, 31, 39, 47, 48, 49.
#[test]
fn what_no_server_may_do_and_what_cannot_get_better_exits_with_1() {
    let header = Fault::header;
    check(vec![
        case(gets, Fault::IgnoreRange, 1, "ignored the range"),
        case(gets, Fault::no_header("content-range"), 1, "Content-Range"),
        case(gets, Fault::WrongContentRange, 1, "range"),
        case(gets, header("content-type", "multipart/byteranges"), 1, "multipart"),
        case(gets, header("content-encoding", "gzip"), 1, "Content-Encoding"),
        case(midway, Fault::Raw("HTTP/1.1 304 Not Modified\r\n\r\n".into()), 1, "304"),
        case(midway, Fault::status(400, "InvalidArgument"), 1, "InvalidArgument"),
        case(midway, redirect(), 1, "http://169.254.169.254"),
    ]);
}

/// Faults: 37, 38, 40, 42, 58, 63, 65, 69.
#[test]
fn what_the_service_refuses_has_the_exit_code_of_its_meaning() {
    check(vec![
        case(midway, Fault::status(403, "AccessDenied"), 3, "AccessDenied"),
        case(midway, Fault::status(403, "SignatureDoesNotMatch"), 3, "SignatureDoesNotMatch"),
        case(midway, Fault::status(403, "SecurityTokenExpired"), 3, "SecurityTokenExpired"),
        case(midway, Fault::status(403, "KmsServiceNotEnabled"), 3, "KmsServiceNotEnabled"),
        case(midway, Fault::DeleteObjectNow, 4, "NoSuchKey"),
        case(midway, Fault::status(403, "InvalidObjectState"), 4, "restore"),
        case(midway, Fault::status(412, "PreconditionFailed"), 5, "changed"),
        case(midway, Fault::WrongETag, 5, "changed"),
    ]);
}

/// Faults: 5, 16, 46.
#[test]
fn what_may_get_better_by_itself_exits_with_75() {
    let cut = |bytes| Fault::CutAfter { bytes, how: Close::Fin };
    let head = |bytes| Fault::CutHead { bytes, how: Close::Rst };
    check(vec![
        case(midway, Fault::DropBeforeHead, 75, "run"),
        case(midway, head(5), 75, "run"),
        case(midway, cut(0), 75, "run"),
        case(midway, cut(1000), 75, "run"),
        case(midway, Fault::status(500, "InternalError"), 75, "InternalError"),
        case(midway, Fault::status(502, ""), 75, "502"),
        case(midway, Fault::status(503, "QpsLimitExceeded"), 75, "QpsLimitExceeded"),
        case(|| On::any().always(), Fault::DropBeforeHead, 75, "run"),
    ]);
}

/// Faults: 138, 139.
#[test]
fn an_endpoint_that_cannot_be_trusted_is_refused() {
    let rig = Rig::new(1, SIZE);
    let authority = Authority::new().unwrap();
    let server = ScriptedServer::builder(Content::generated(1, SIZE));
    let server = server.tls(&authority, Certificate::Good).start().unwrap();
    let at = |endpoint: &str, more: &[&str]| -> Ended {
        let mut args = vec!["--endpoint", endpoint];
        args.extend(more);
        // The later flag would be one too many: the command is made anew.
        let command = rig.command(&[]);
        let words: Vec<_> = command.get_args().map(|it| it.to_str().unwrap()).collect();
        let kept = words.iter().take_while(|word| **word != "--endpoint");
        let mut command = Command::new(command.get_program());
        command.args(kept).args(["--region", "cn-hangzhou", "--json"]).args(args);
        command.env_clear().env("OSS_ACCESS_KEY_ID", "id").env("OSS_ACCESS_KEY_SECRET", "secret");
        command.output().unwrap().into()
    };
    let unknown = at(&server.endpoint(), &[]);
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    assert_eq!(server.connections(), 1);
    let plain = at("http://oss-cn-hangzhou.aliyuncs.com", &[]);
    assert_eq!(plain.code, Some(2), "{plain:?}");
    assert!(plain.stderr.contains("https"), "{plain:?}");

    let pem = rig.dir().join("ca.pem");
    authority.write_pem(&pem).unwrap();
    let trusted = at(&server.endpoint(), &["--ca-cert", pem.to_str().unwrap()]);
    assert_eq!(trusted.code, Some(0), "{trusted:?}");
    assert_eq!(difference(&rig.destination(), server.content()), None);
}

/// Faults: 53.
#[test]
fn a_server_cannot_write_to_the_terminal() {
    let rig = Rig::new(1, SIZE);
    let document = "<Error><Code>Access\u{1b}[31mDenied</Code>\
                    <Message>no\r\nossget: all is well\u{1b}]0;\u{7}\u{202e}</Message></Error>";
    let length = document.len();
    let response = format!("HTTP/1.1 403 Forbidden\r\nContent-Length: {length}\r\n\r\n{document}");
    rig.sim.fault(gets(), Fault::Raw(response.into()));
    let ended = rig.run(ARGS);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(!ended.stderr.contains(['\u{1b}', '\u{7}', '\u{202e}', '\r']), "{ended:?}");
    assert!(!ended.stderr.lines().any(|line| line.starts_with("ossget: all")), "{ended:?}");
}

/// Waits until the destination holds the object.
fn wait_for(rig: &Rig) {
    wait_until("the end of the download", || rig.destination().exists());
    assert_eq!(difference(&rig.destination(), &rig.content), None);
}

/// Faults: 121.
#[test]
fn output_that_nobody_reads_or_can_read_does_not_disturb_the_download() {
    for (closed, json) in [("stdout", true), ("stderr", false)] {
        let rig = Rig::new(1, 4_000_000);
        rig.sim.throttle(8_000_000);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = rig.command(ARGS);
        match closed {
            "stdout" => command.stdout(writer),
            _ => command.stderr(writer).stdout(Stdio::null()),
        };
        let ended = command.output().unwrap();
        assert_eq!(ended.status.code(), Some(0), "{closed}, {json}: {ended:?}");
        rig.assert_downloaded();
    }
    for blocked in ["stdout", "stderr"] {
        let rig = Rig::new(1, 4_000_000);
        rig.sim.throttle(8_000_000);
        let (mut reader, writer) = std::io::pipe().unwrap();
        // More than any pipe holds: it stays full until somebody reads.
        let mut filler = writer.try_clone().unwrap();
        let filling = thread::spawn(move || filler.write_all(&vec![b'x'; 4 << 20]));
        let mut command = rig.command(&[ARGS, &["-vv"]].concat());
        match blocked {
            "stdout" => command.stdout(writer).stderr(Stdio::null()),
            _ => command.stderr(writer).stdout(Stdio::null()),
        };
        let mut child = command.spawn().unwrap();
        // It holds the writer, too.
        drop(command);
        wait_for(&rig);
        let mut told = Vec::new();
        reader.read_to_end(&mut told).unwrap();
        filling.join().unwrap().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{blocked}");
        rig.assert_downloaded();
    }
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Runs until no attempt fails, at most three times: on a machine that does other things as well
/// the simulator itself may be silent for too long, but not each time.
fn no_stall_is_seen(run: impl Fn(&Rig) -> Ended) {
    let failed: Vec<_> = (0..3)
        .map(|_| {
            let rig = Rig::new(1, 6_000_000);
            let ended = run(&rig);
            assert_eq!(ended.code, Some(0), "{ended:?}");
            rig.assert_downloaded();
            ended.event("object_done")["attempts_failed"].as_u64().unwrap()
        })
        .take_while(|failed| *failed > 0)
        .collect();
    assert!(failed.len() < 3, "attempts failed in each of the runs: {failed:?}");
}

/// Faults: 103, 120.
#[test]
fn bytes_that_wait_in_the_kernel_are_no_stall() {
    let args = [ARGS, &["--read-timeout", "500ms", "--retry-max-time", "60s"]].concat();
    no_stall_is_seen(|rig| {
        rig.sim.throttle(1_000_000);
        let child = rig.command(&args).spawn().unwrap();
        wait_until("a GET", || !rig.ranges().is_empty());
        // Whether time is looked at before what has come in is a matter of chance each time.
        for _ in 0..5 {
            // Twice as long as a connection may be silent. What is sent meanwhile, waits.
            signal(&child, "-STOP");
            sleep(Duration::from_millis(1_000));
            signal(&child, "-CONT");
            sleep(Duration::from_millis(100));
        }
        rig.sim.unthrottle();
        child.wait_with_output().unwrap().into()
    });
}

/// A process that takes all the time it gets, for as long as this lives.
struct Rival(Child);

impl Rival {
    fn start() -> Self {
        let mut command = Command::new("taskset");
        command.args(["-c", "0", "nice", "-n", "12", "sh", "-c", "while :; do :; done"]);
        Self(command.spawn().expect("taskset and nice are there"))
    }
}

impl Drop for Rival {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Faults: 120.
#[test]
fn a_process_that_hardly_gets_the_processor_sees_no_stalls() {
    let args = [ARGS, &["--read-timeout", "500ms", "--retry-max-time", "60s"]].concat();
    no_stall_is_seen(|rig| {
        let mut slow = rig.command_under(&["taskset", "-c", "0", "nice", "-n", "19"], &args);
        let _rivals = [Rival::start(), Rival::start()];
        slow.output().unwrap().into()
    });
}
