//! Credentials that a program prints.
#![cfg(unix)]

use crate::rig::{assert_about, id, in_full, issue, write};
use ossget::{CredentialsProcess, ErrorKind};
use std::path::Path;
use std::time::{Duration, Instant};

fn end(seconds: i64) -> String {
    let end = jiff::Timestamp::now().as_second() + seconds;
    jiff::Timestamp::from_second(end).unwrap().to_string()
}

#[tokio::test]
async fn both_spellings_are_understood_with_and_without_a_shell() {
    let sdk = format!(
        r#"{{"AccessKeyId":"STS.sdk","AccessKeySecret":"canary-s","SecurityToken":"canary-t","Expiration":"{}"}}"#,
        end(600)
    );
    let cli = format!(
        r#"{{"mode":"StsToken","access_key_id":"STS.cli","access_key_secret":"canary-s","sts_token":"canary-t","expiration":"{}"}}"#,
        end(600)
    );
    for (printed, expected) in [(sdk, "STS.sdk"), (cli, "STS.cli")] {
        let shell = CredentialsProcess::shell(format!("printf '%s' '{printed}' | cat"));
        let words = CredentialsProcess::words(&format!("printf %s '{printed}'")).unwrap();
        for source in [shell, words] {
            let issued = issue(&source).await.unwrap();
            assert_eq!(issued.credentials().access_key_id(), expected);
            assert_about(issued.lifetime(), 600);
        }
    }
}

#[tokio::test]
async fn without_a_shell_nothing_is_expanded() {
    let printed = r#"{"AccessKeyId":"$HOME;id","AccessKeySecret":"canary"}"#;
    let source = CredentialsProcess::words(&format!("echo '{printed}' '|' cat")).unwrap();
    // What `echo` prints is no JSON with a bar behind it.
    assert_eq!(issue(&source).await.unwrap_err().kind(), ErrorKind::Credentials);
    let printed = r#"{"AccessKeyId":"$HOME","AccessKeySecret":"canary"}"#;
    let source = CredentialsProcess::words(&format!("echo '{printed}'")).unwrap();
    assert_eq!(id(&source).await, "$HOME");
}

#[tokio::test]
async fn a_program_that_fails_is_told_without_a_word_of_its_own() {
    for command in [
        "echo canary >&2; exit 3",
        "echo canary",
        r#"echo '{"AccessKeyId":"a"}'"#,
        r#"echo '{"AccessKeyId":"a","AccessKeySecret":"canary","Expiration":"canary"}'"#,
        "yes canary",
        "kill -9 $$",
        "true",
    ] {
        let error = issue(&CredentialsProcess::shell(command)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credentials, "{command}: {}", in_full(&error));
    }
    let missing = CredentialsProcess::words("/no/such/program canary").unwrap();
    assert!(issue(&missing).await.unwrap_err().to_string().contains("cannot be started"));
    for command in ["", "  ", "canary 'open"] {
        let error = CredentialsProcess::words(command).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(!in_full(&error).contains("canary"));
    }
}

/// Waits until a file holds the number of a process.
async fn process_in(file: &Path) -> i32 {
    let begun = Instant::now();
    loop {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        if let Ok(process) = text.trim().parse() {
            return process;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "it never began");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn assert_ends(process: i32) {
    let begun = Instant::now();
    // A killed child that nobody has waited for is a zombie (`Z`), of which the file stays.
    let lives = || {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let state = stat.rsplit(')').next().unwrap_or_default().trim().chars().next();
        state.is_some_and(|state| state != 'Z')
    };
    while lives() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it lives on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_program_that_takes_too_long_or_is_not_waited_for_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let (script, file) = (dir.path().join("slow"), dir.path().join("process"));
    write(&script, &format!("echo $$ > {}\nexec sleep 1000\n", file.display()));
    let command = format!("sh {}", script.display());

    let source = CredentialsProcess::words(&command).unwrap().patience(Duration::from_millis(300));
    let error = issue(&source).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.is_transient());
    if file.exists() {
        assert_ends(process_in(&file).await).await;
        std::fs::remove_file(&file).unwrap();
    }

    let source = CredentialsProcess::words(&command).unwrap();
    let waiting = tokio::spawn(async move { issue(&source).await.is_ok() });
    let process = process_in(&file).await;
    waiting.abort();
    assert!(waiting.await.is_err());
    assert_ends(process).await;
}
