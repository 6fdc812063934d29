//! What the command says of each error code of the service: message, exit code and advice, as the
//! snapshot in `errors/expected.txt` has them. `OSSGET_BLESS=1` writes it anew.

use ossget_testkit::{Fault, On};
use ossget_tests::Rig;
use std::fmt::Write as _;
use std::path::Path;

/// Status, code and what the service says.
const ERRORS: [(u16, &str); 24] = [
    (403, "AccessDenied"),
    (403, "InvalidAccessKeyId"),
    (403, "SignatureDoesNotMatch"),
    (403, "InvalidSecurityToken"),
    (403, "SecurityTokenExpired"),
    (403, "RequestTimeTooSkewed"),
    (403, "RequestPayerMissing"),
    (403, "UserDisable"),
    (403, "InvalidObjectState"),
    (403, "SecondLevelDomainForbidden"),
    (404, "NoSuchBucket"),
    (404, "NoSuchKey"),
    (404, "NoSuchVersion"),
    (404, "SymlinkTargetNotExist"),
    (405, "MethodNotAllowed"),
    (400, "InvalidArgument"),
    (400, "InvalidBucketName"),
    (400, "InvalidObjectName"),
    (400, "CodeOfTomorrow"),
    (412, "PreconditionFailed"),
    (409, "OperationAborted"),
    (501, "NotImplemented"),
    (503, "ServiceUnavailable"),
    (500, "InternalError"),
];

/// What one run says, with the marks of that run left out.
fn told(on: On, status: u16, code: &str) -> String {
    let rig = Rig::new(1, 300_000);
    rig.sim.fault(on.always(), Fault::status(status, code));
    let args = ["--part-size", "100KiB", "--parallel", "1", "--retry-max-time", "200ms"];
    let ended = rig.run(&args);
    let failed = ended.event("object_failed");
    // A change is looked at again, and told of the object then.
    let id = match status {
        412 => "none",
        _ => failed["request_id"].as_str().expect("the service's id"),
    };
    assert!(status == 412 || failed["service_code"] == code && id.len() == 24, "{failed}");
    assert!(rig.files().iter().all(|name| !name.ends_with("object.bin")), "{:?}", rig.files());
    let shown = format!("{ended:?}");
    for secret in ["test-secret", "OSS4-HMAC", "Signature="] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let stderr = ended.stderr.replace(id, "REQUEST-ID");
    let stderr = stderr.replace(&rig.dir().display().to_string(), "DIR");
    // How many attempts go into a time is chance.
    let lines = stderr.lines().filter(|line| !line.starts_with("  attempts: "));
    let lines = lines.map(|line| format!("{line}\n")).collect::<String>();
    format!("exit {}\n{lines}", ended.code.expect("it ends"))
}

#[test]
fn every_error_code_is_told_with_its_exit_code_and_what_to_do() {
    let mut all = String::new();
    for (status, code) in ERRORS {
        for (name, on) in [("HEAD", On::head()), ("GET", On::get())] {
            writeln!(all, "== {status} {code} to a {name}").expect("a string");
            all.push_str(&told(on, status, code));
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/errors/expected.txt");
    if std::env::var_os("OSSGET_BLESS").is_some() {
        std::fs::write(&path, &all).expect("the snapshot can be written");
    }
    let expected = std::fs::read_to_string(&path).expect("the snapshot is there");
    for (expected, found) in expected.split("== ").zip(all.split("== ")) {
        assert_eq!(found, expected);
    }
    assert_eq!(all.len(), expected.len());
}

#[test]
fn an_object_that_is_not_public_is_said_to_need_credentials() {
    let rig = Rig::new(2, 1000);
    let ended = rig.run(&["--anonymous"]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.stderr.contains("give credentials: the object is not public"), "{ended:?}");
}
