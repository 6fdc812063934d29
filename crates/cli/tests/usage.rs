//! The built program, as far as it goes without a server: usage, exit codes, secrets.

use std::path::Path;
use std::process::{Command, Output};

/// The program with nothing in its environment, in a directory of its own.
fn ossget(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ossget"));
    command.env_clear().current_dir(dir);
    command
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    let dir = tempfile::tempdir().expect("a directory");
    told(ossget(dir.path()).args(arguments).output().expect("the program starts"))
}

fn told(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).expect("text is UTF-8");
    (output.status.code().expect("it exits by itself"), text(output.stdout), text(output.stderr))
}

/// Flags with which only the source and the destination can be wrong.
const ANONYMOUS: [&str; 3] = ["-e", "http://127.0.0.1:1", "--anonymous"];

#[test]
fn help_and_version_succeed_on_standard_output() {
    for arguments in [&["--help"][..], &["-h"], &["get", "--help"], &["checkpoint", "show", "-h"]] {
        let (code, out, err) = run(arguments);
        assert_eq!((code, err.as_str()), (0, ""), "{arguments:?}");
        assert!(out.contains("Usage: ossget"), "{arguments:?}");
    }
    let (code, out, _) = run(&["--version"]);
    assert_eq!(code, 0);
    assert_eq!(out, concat!("ossget ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn what_cannot_be_understood_exits_with_2_and_says_nothing_on_standard_output() {
    for arguments in [
        &[][..],
        &["ls"],
        &["get"],
        &["get", "oss://bkt/k"],
        &["oss://bkt/k", "f", "--no-such-flag"],
        &["oss://bkt/k", "f", "--part-size", "1k"],
        &["oss://bkt/k", "f", "--part-size", "6g"],
        &["oss://bkt/k", "f", "--range", "9-1"],
        &["oss://bkt/k", "f"],
        &["oss://bkt/k", "-"],
        &["oss://bkt/k", "f", "-e", "http://h.example.com", "-i", "ak"],
        &["checkpoint", "show"],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ossget"));
        let dir = tempfile::tempdir().unwrap();
        command.env_clear().current_dir(dir.path()).env("OSS_ACCESS_KEY_SECRET", "canary");
        let (code, out, err) = told(command.args(arguments).output().unwrap());
        assert_eq!(code, 2, "{arguments:?}: {err}");
        assert_eq!(out, "", "{arguments:?}");
        assert!(!err.is_empty() && !err.contains("canary"), "{arguments:?}: {err}");
        assert_eq!(dir.path().read_dir().unwrap().count(), 0, "{arguments:?}");
    }
}

#[test]
fn the_bounds_of_the_part_size_are_named() {
    let (_, _, err) = run(&["oss://bkt/k", "f", "--part-size", "1k"]);
    assert!(err.contains("100 KiB") && err.contains("5 GiB"), "{err}");
}

/// Faults: 134.
#[test]
fn secrets_on_the_command_line_are_refused_and_not_repeated() {
    for (flags, alternatives) in [
        (&["-k", "canary"][..], ["--access-key-secret-file", "OSS_ACCESS_KEY_SECRET"]),
        (&["--access-key-secret=canary"], ["--access-key-secret-file", "OSS_ACCESS_KEY_SECRET"]),
        (&["-t", "canary"], ["--sts-token-file", "OSS_SESSION_TOKEN"]),
        (&["--sts-token", "canary"], ["--sts-token-file", "OSS_SESSION_TOKEN"]),
    ] {
        let (code, out, err) = run(&[&["oss://bkt/k", "f", "--json"], flags].concat());
        assert_eq!(code, 2, "{err}");
        assert!(!out.contains("canary") && !err.contains("canary"), "{out}{err}");
        for alternative in alternatives {
            assert!(err.contains(alternative), "{err}");
        }
        assert!(out.lines().count() == 2 && out.contains("\"exit_code\":2}"), "{out}");
    }
}

/// Faults: 135.
#[test]
fn signatures_in_a_source_are_not_repeated() {
    for arguments in [
        &["https://h/k?Signature=canary#f", "f"][..],
        &["get", "http://h/k?Signature=canary", "f"],
        &["get", "oss://bkt/k", "f", "https://h/k?Signature=canary"],
        &["https://h/k?Signature=canary"],
        &["https://user:canary@h/k", "f"],
    ] {
        let (code, out, err) = run(&[arguments, &["--json", "-vv"]].concat());
        assert_eq!(code, 2, "{arguments:?}: {err}");
        assert!(!out.contains("canary") && !err.contains("canary"), "{out}{err}");
    }
    // One that is asked for, where nobody listens.
    let url = "http://127.0.0.1:1/k?Signature=canary";
    let (code, out, err) = run(&[url, "f", "--json", "-vv", "--retry-max-time", "300ms"]);
    assert_eq!(code, 75, "{err}");
    assert!(!out.contains("canary") && !err.contains("canary"), "{out}{err}");
}

#[test]
fn without_credentials_it_exits_with_3_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let arguments = ["oss://bkt/k", "new/", "-e", "https://oss-cn-hangzhou.aliyuncs.com"];
    let mut command = ossget(dir.path());
    // Nothing beyond this machine is asked by a test.
    command.env("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true");
    let (code, _, err) = told(command.args(arguments).output().unwrap());
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("OSS_ACCESS_KEY_ID"), "{err}");
    assert_eq!(dir.path().read_dir().unwrap().count(), 0);
}

#[test]
fn without_a_region_for_v4_it_exits_with_2() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = ossget(dir.path());
    command.env("OSS_ACCESS_KEY_ID", "ak").env("OSS_ACCESS_KEY_SECRET", "canary");
    command.args(["oss://bkt/k", "f", "-e", "https://files.example.com"]);
    let (code, _, err) = told(command.output().unwrap());
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("region") && !err.contains("canary"), "{err}");
}

#[test]
fn a_missing_directory_is_told_before_any_request() {
    // Port 1 answers nobody: a request would end with 75 after many attempts.
    let (code, _, err) = run(&[&["oss://bkt/k", "no/such/f"], &ANONYMOUS[..]].concat());
    assert_eq!(code, 7, "{err}");
}

#[test]
fn an_existing_destination_is_kept_when_asked_to() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("f"), "mine").unwrap();
    let mut command = ossget(dir.path());
    command.args(ANONYMOUS).args(["oss://bkt/k", "f", "--no-clobber"]);
    let (code, _, err) = told(command.output().unwrap());
    assert_eq!(code, 8, "{err}");
    assert_eq!(std::fs::read(dir.path().join("f")).unwrap(), b"mine");
}

/// Faults: 1.
#[test]
fn a_network_that_does_not_answer_exits_with_75_and_says_to_run_it_again() {
    let arguments = ["oss://bkt/k", "f", "--json", "--report", "report", "--retry-max-time", "1ms"];
    let dir = tempfile::tempdir().unwrap();
    let mut command = ossget(dir.path());
    let (code, out, err) = told(command.args(ANONYMOUS).args(arguments).output().unwrap());
    assert_eq!(code, 75, "{err}");
    assert_eq!(err.lines().last(), Some("run the same command again"), "{err}");
    assert!(out.contains("\"kind\":\"network\""), "{out}");
    let report = std::fs::read_to_string(dir.path().join("report")).unwrap();
    assert_eq!(report, out);
    assert!(!dir.path().join("f").exists());
}

#[test]
fn a_report_that_cannot_be_written_is_told_before_any_request() {
    let arguments = ["oss://bkt/k", "f", "--report", "no/such/report"];
    let (code, _, err) = run(&[&arguments[..], &ANONYMOUS[..]].concat());
    assert_eq!(code, 7, "{err}");
    assert!(err.contains("report"), "{err}");
}

#[test]
fn a_report_does_not_replace_the_destination() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("f"), "mine").unwrap();
    let mut command = ossget(dir.path());
    command.args(ANONYMOUS).args(["oss://bkt/k", "f", "--report", "./f"]);
    let (code, _, err) = told(command.output().unwrap());
    assert_eq!(code, 2, "{err}");
    assert_eq!(std::fs::read(dir.path().join("f")).unwrap(), b"mine");
}

#[test]
fn colour_is_written_only_where_it_is_wanted() {
    let wrong = ["oss://bkt/k", "f"];
    for (flags, colored) in
        [(&[][..], false), (&["--color", "always"], true), (&["--color", "never"], false)]
    {
        let (_, _, err) = run(&[&wrong, flags].concat());
        assert_eq!(err.contains('\u{1b}'), colored, "{flags:?}: {err:?}");
    }
}

#[test]
fn a_checkpoint_that_is_not_there_exits_with_4() {
    let (code, out, err) = run(&["checkpoint", "show", "f"]);
    assert_eq!((code, out.as_str()), (4, ""), "{err}");
    assert!(err.contains("there is no checkpoint"), "{err}");
}

/// Faults: 71.
#[test]
fn where_the_credentials_come_from_is_told_on_demand_and_flags_win() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "canary-file").unwrap();
    let told_with = |flags: &[&str]| {
        let mut command = ossget(dir.path());
        command.env("OSS_ACCESS_KEY_ID", "env-id").env("OSS_ACCESS_KEY_SECRET", "canary-env");
        command.env("ALIBABA_CLOUD_ACCESS_KEY_ID", "other-id");
        command.env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "canary-other");
        command.args(["oss://bkt/k", "f", "-e", "http://127.0.0.1:1", "--region", "cn-hangzhou"]);
        command.args(["--retry-max-time", "1ms"]).args(flags);
        let (code, _, err) = told(command.output().unwrap());
        assert_eq!(code, 75, "{err}");
        assert!(!err.contains("canary"), "{err}");
        err
    };
    assert!(!told_with(&[]).contains("credentials"));
    let err = told_with(&["-v"]);
    assert!(err.contains("credentials: environment variables OSS_ACCESS_KEY_ID"), "{err}");
    let file = secret.to_str().unwrap();
    let err = told_with(&["-v", "-i", "flag-id", "--access-key-secret-file", file]);
    assert!(err.contains("credentials: ") && !err.contains("environment"), "{err}");
}

/// Faults: 138.
#[test]
fn no_switch_turns_certificate_checks_off() {
    for flag in ["--insecure", "--no-check-certificate", "--no-verify-ssl", "--skip-verify-cert"] {
        let get = ["get", "oss://bkt/k", "f"];
        let (code, _, err) = run(&[&get[..], &ANONYMOUS, &[flag]].concat());
        assert_eq!(code, 2, "{flag}");
        assert!(err.contains(&format!("unexpected argument '{flag}'")), "{err}");
    }
    let (_, help, _) = run(&["get", "--help"]);
    for word in ["insecure", "verify-ssl", "skip-verify", "no-check"] {
        assert!(!help.contains(word), "{word}");
    }
}
