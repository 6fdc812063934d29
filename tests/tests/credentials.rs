//! The built binary with credentials and settings from profiles, services and programs.

use ossget_testkit::loopback::{Answer, Loopback};
use ossget_testkit::{Content, Simulator};
use ossget_tests::{binary, wait_until};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

const KEY: &str = "dir/object.bin";
const SIZE: u64 = 2_000_000;

/// A simulator with one object, and a home directory.
struct Rig {
    sim: Arc<Simulator>,
    home: TempDir,
}

impl Rig {
    fn new() -> Self {
        let sim = Simulator::builder().credentials("file-id", "canary-secret");
        let sim = sim.start_blocking().expect("loopback addresses can be bound");
        sim.put_object(KEY, Content::generated(5, SIZE));
        Self { sim: Arc::new(sim), home: tempfile::tempdir().expect("a temporary folder") }
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.home.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a writable folder");
        fs::write(&path, text).expect("a writable folder");
        protect(&path);
    }

    /// The program with this home and nothing else around it.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary("ossget"));
        command.args(args).env_clear().current_dir(self.home.path()).env("HOME", self.home.path());
        // Nothing beyond this machine is asked by a test.
        command.env("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true").stdin(Stdio::null());
        command
    }

    /// Runs to the end; nothing that is said may hold a secret.
    fn run(&self, args: &[&str]) -> Output {
        ended(&mut self.command(args))
    }

    fn get(&self, args: &[&str]) -> Output {
        let object = format!("oss://examplebucket/{KEY}");
        self.run(&[&["get", &object, "f", "--json", "--part-size", "100KiB"], args].concat())
    }

    fn assert_downloaded(&self) {
        let path = self.home.path().join("f");
        let found = fs::read(&path).expect("a downloaded file");
        assert!(found == Content::generated(5, SIZE).window(0..SIZE), "wrong bytes");
        fs::remove_file(path).expect("a file");
    }

    fn profile(&self) -> String {
        format!(
            "[profile here]\nendpoint = {}\nregion = cn-hangzhou\naccess_key_id = file-id\n\
             access_key_secret = canary-secret\n",
            self.sim.endpoint()
        )
    }
}

fn ended(command: &mut Command) -> Output {
    let output = command.output().expect("the binary starts");
    let said = [&output.stdout[..], &output.stderr].concat();
    assert!(!String::from_utf8_lossy(&said).contains("canary"), "{output:?}");
    output
}

fn last(output: &Output) -> Value {
    let text = std::str::from_utf8(&output.stdout).expect("JSON is text");
    let line = text.lines().last().unwrap_or_else(|| panic!("no line: {output:?}"));
    serde_json::from_str(line).expect("an object a line")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn protect(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("a file of our own");
}

#[test]
fn a_profile_gives_endpoint_region_and_credentials() {
    let rig = Rig::new();
    rig.write(".ossutilconfig", &rig.profile());
    let done = rig.get(&["--profile", "here"]);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    rig.assert_downloaded();
    let mut by_variable = rig.command(&["get", "oss://examplebucket/dir/object.bin", "f", "-v"]);
    let done = ended(by_variable.env("OSS_PROFILE", "here"));
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    assert!(stderr(&done).contains("profile `here`"), "{done:?}");
    rig.assert_downloaded();

    let absent = rig.get(&["--profile", "there"]);
    assert_eq!(absent.status.code(), Some(2), "{absent:?}");
    assert!(stderr(&absent).contains("`there`"), "{absent:?}");
    let none = rig.get(&["-e", &rig.sim.endpoint(), "--region", "cn-hangzhou"]);
    assert_eq!(none.status.code(), Some(3), "{none:?}");
}

#[test]
fn a_file_of_secrets_that_others_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let rig = Rig::new();
    rig.write("settings", &rig.profile());
    let path = rig.home.path().join("settings");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let done = rig.get(&["-c", "settings", "--profile", "here"]);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    assert!(stderr(&done).contains("chmod 600"), "{done:?}");
}

#[test]
fn what_applies_is_shown_with_its_source_and_no_secret() {
    let rig = Rig::new();
    rig.write(".ossutilconfig", &rig.profile());
    let args = ["config", "show", "--profile", "here", "--json"];
    let shown = ended(rig.command(&args).env("OSS_REGION", "cn-beijing"));
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
    let line = last(&shown);
    assert_eq!(line["endpoint"]["value"], rig.sim.endpoint());
    assert!(line["endpoint"]["source"].as_str().unwrap().starts_with("profile here in "));
    assert_eq!(
        (&line["region"]["value"], &line["region"]["source"]),
        (&"cn-beijing".into(), &"OSS_REGION".into())
    );
    assert_eq!(line["addressing_style"]["value"], "path");
    assert_eq!(line["sign_version"]["source"], "default");
    assert_eq!((&line["profile"], &line["obtained"]), (&"here".into(), &Value::Null));
    assert!(line["credentials"].as_str().unwrap().contains("access key"));
    assert!(rig.sim.requests().is_empty());

    let text = rig.run(&["config", "show", "--profile", "here"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("region:           cn-hangzhou (profile here in "), "{text}");

    let nothing = rig.run(&["config", "show", "--json"]);
    assert_eq!(nothing.status.code(), Some(0), "{nothing:?}");
    assert_eq!(last(&nothing)["endpoint"], Value::Null);
}

#[test]
fn what_applies_is_checked_and_the_credentials_got_once() {
    let rig = Rig::new();
    rig.write(".ossutilconfig", &rig.profile());
    let checked = rig.run(&["config", "check", "--profile", "here", "--json"]);
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    assert_eq!(last(&checked)["obtained"], "long-lived");

    let endpoint = ["-e", "https://oss-cn-hangzhou.aliyuncs.com"];
    let none = rig.run(&[&["config", "check", "--json"], &endpoint[..]].concat());
    assert_eq!(none.status.code(), Some(3), "{none:?}");
    assert_eq!(last(&none)["exit_code"], 3);
    let no_endpoint = rig.run(&["config", "check", "--anonymous"]);
    assert_eq!(no_endpoint.status.code(), Some(2), "{no_endpoint:?}");
    let secret = rig.run(&["config", "show", "-k", "canary"]);
    assert_eq!(secret.status.code(), Some(2), "{secret:?}");

    rig.write(
        ".ossutilconfig",
        "[default]\nendpoint = https://oss-cn-hangzhou.aliyuncs.com\n\
        credential-process = echo canary >&2; exit 1\n",
    );
    let failed = rig.run(&["config", "check"]);
    assert_eq!(failed.status.code(), Some(3), "{failed:?}");
    rig.write(
        ".ossutilconfig",
        "[default]\nendpoint = https://oss-cn-hangzhou.aliyuncs.com\n\
        credentials-uri = http://127.0.0.1:1/canary\n",
    );
    let unreachable = rig.run(&["config", "check"]);
    assert_eq!(unreachable.status.code(), Some(75), "{unreachable:?}");
    rig.write(".ossutilconfig", "[default]\nendpoint = h\n[canary\n");
    let malformed = rig.run(&["config", "check"]);
    assert_eq!(malformed.status.code(), Some(2), "{malformed:?}");
    assert!(stderr(&malformed).contains(".ossutilconfig, line 3"), "{malformed:?}");
}

/// Faults: 58.
#[test]
fn a_token_that_expires_during_a_slow_download_fails_no_part() {
    let rig = Rig::new();
    let issued = Arc::new(AtomicUsize::new(0));
    let (sim, count) = (Arc::clone(&rig.sim), Arc::clone(&issued));
    let issuer = Loopback::start(move |_| {
        let id = format!("STS.{}", count.fetch_add(1, Ordering::SeqCst));
        sim.accept_credentials(&id, "canary-secret", "canary-token").expect("usable credentials");
        Answer::json(format!(
            r#"{{"Code":"Success","AccessKeyId":"{id}","AccessKeySecret":"canary-secret",
                "SecurityToken":"canary-token","Expiration":"2099-01-01T00:00:00Z"}}"#
        ))
    })
    .unwrap();
    rig.sim.throttle(600_000);
    let endpoint = rig.sim.endpoint();
    let mut command = rig.command(&["get", "oss://examplebucket/dir/object.bin", "f", "--json"]);
    command.args(["-e", &endpoint, "--region", "cn-hangzhou", "--part-size", "100KiB"]);
    command.args(["--parallel", "4"]);
    command.env("ALIBABA_CLOUD_CREDENTIALS_URI", issuer.url());
    let run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("some parts", || {
        rig.sim.requests().iter().filter(|request| request.method == "GET" && request.ended).count()
            > 3
    });
    rig.sim.expire_tokens();
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("canary") && !text.contains("part_retry"), "{text}");
    let done = text.lines().find(|line| line.contains("object_done")).expect("it is done");
    let done: Value = serde_json::from_str(done).unwrap();
    assert_eq!(done["attempts_failed"], 0);
    assert_eq!(issued.load(Ordering::SeqCst), 2);
    assert!(rig.sim.requests().iter().any(|request| request.status == Some(403)));
    rig.assert_downloaded();
}

#[test]
fn a_program_of_a_profile_gives_temporary_credentials() {
    let rig = Rig::new();
    rig.sim.accept_credentials("STS.printed", "canary-secret", "canary-token").unwrap();
    let config = serde_json::json!({"current": "p", "profiles": [{
        "name": "p", "mode": "External", "region_id": "cn-hangzhou",
        "process_command": "sh -c 'echo canary >&2; cat printed'"
    }]});
    rig.write(".aliyun/config.json", &config.to_string());
    rig.write(
        "printed",
        r#"{"mode":"StsToken","access_key_id":"STS.printed",
        "access_key_secret":"canary-secret","sts_token":"canary-token"}"#,
    );
    let done = rig.get(&["-e", &rig.sim.endpoint()]);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    rig.assert_downloaded();
}
