//! The official Python SDKs against the simulator: proof that it speaks OSS and not our dialect.
//!
//! Behind the feature `python`, because it installs packages; `cargo xtask ci` turns it on. What is
//! asked and expected stands in `tests/python/scenarios.py`; here each scenario gets a simulator
//! of its own, as a process of its own, and a Python with the SDKs. `tests/python/corruptions.py`
//! compares how the SDKs and `ossget` resume what was damaged.

mod hostile;
mod signing;

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use ossget_testkit::Content;
use ossget_tests::binary;
use tempfile::TempDir;

/// The scenarios for one SDK and one version of the signature.
macro_rules! scenarios {
    ($name:ident: $sdk:literal with $signature:literal) => {
        mod $name {
            use super::*;

            #[test]
            fn puts_heads_and_gets_objects() {
                run(SDK, Addressing::Path, "objects");
            }

            #[test]
            fn puts_heads_and_gets_objects_with_the_bucket_in_the_host() {
                run(SDK, Addressing::Virtual, "objects");
            }

            #[test]
            fn gets_ranges() {
                run(SDK, Addressing::Path, "ranges");
            }

            #[test]
            fn escapes_keys_as_the_simulator_reads_them() {
                run(SDK, Addressing::Path, "special_keys");
            }

            #[test]
            fn escapes_keys_as_the_simulator_reads_them_with_the_bucket_in_the_host() {
                run(SDK, Addressing::Virtual, "special_keys");
            }

            #[test]
            fn lists_with_prefix_delimiter_and_paging() {
                run(SDK, Addressing::Path, "listings");
            }

            #[test]
            fn lists_with_prefix_delimiter_and_paging_with_the_bucket_in_the_host() {
                run(SDK, Addressing::Virtual, "listings");
            }

            #[test]
            fn downloads_resumably() {
                run(SDK, Addressing::Path, "resumable_download");
            }

            #[test]
            fn presigns_urls_for_others() {
                run(SDK, Addressing::Path, "presigned_urls");
            }

            #[test]
            fn presigns_urls_for_others_with_the_bucket_in_the_host() {
                run(SDK, Addressing::Virtual, "presigned_urls");
            }

            #[test]
            fn checks_the_crc_that_the_simulator_states() {
                run(SDK, Addressing::Path, "crc_checks");
            }

            #[test]
            fn uploads_in_parts() {
                run(SDK, Addressing::Path, "multipart_uploads");
            }

            #[test]
            fn uploads_in_parts_with_the_bucket_in_the_host() {
                run(SDK, Addressing::Virtual, "multipart_uploads");
            }

            #[test]
            fn uploads_resumably() {
                run(SDK, Addressing::Path, "resumable_upload");
            }

            #[test]
            fn copies_objects_and_parts() {
                run(SDK, Addressing::Path, "copies");
            }

            #[test]
            fn deletes_many_objects_at_once() {
                run(SDK, Addressing::Path, "bulk_deletions");
            }

            #[test]
            fn tags_objects() {
                run(SDK, Addressing::Path, "tags");
            }

            #[test]
            fn is_refused_with_a_signature_that_is_not_right() {
                run(SDK, Addressing::Path, "refusals");
            }

            #[test]
            fn puts_what_ossget_downloads() {
                put_and_download(SDK);
            }

            const SDK: Sdk = Sdk { name: $sdk, signature: $signature };
        }
    };
}

scenarios!(oss2_v1: "oss2" with "v1");
scenarios!(oss2_v4: "oss2" with "v4");
scenarios!(python_v2_v1: "v2" with "v1");
scenarios!(python_v2_v4: "v2" with "v4");

/// An SDK and how it signs.
#[derive(Debug, Clone, Copy)]
struct Sdk {
    name: &'static str,
    signature: &'static str,
}

/// Where the bucket's name goes.
#[derive(Debug, Clone, Copy)]
enum Addressing {
    Path,
    Virtual,
}

fn run(sdk: Sdk, addressing: Addressing, scenario: &str) {
    let python = python();
    let sim = Process::start();
    let dir = tempfile::tempdir().expect("a temporary folder");
    sim.run(python, (sdk, addressing), scenario, &dir);
}

/// What the SDK put is what `ossget` downloads, with the SDK's version of the signature.
fn put_and_download(sdk: Sdk) {
    let python = python();
    let sim = Process::start();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let content = Content::generated(1, 3_000_017).window(0..3_000_017);
    fs::write(dir.path().join("upload.bin"), &content).expect("a writable folder");
    sim.run(python, (sdk, Addressing::Path), "upload", &dir);
    let destination = dir.path().join("download.bin");
    let mut ossget = Command::new(binary("ossget"));
    ossget.arg("get").arg(format!("oss://{BUCKET}/dir/a b/c+d%41.bin")).arg(&destination);
    ossget.args(["--endpoint", &sim.endpoint, "--region", REGION, "--part-size", "100KiB"]);
    ossget.args(["--sign-version", sdk.signature]);
    ossget.env("OSS_ACCESS_KEY_ID", ID).env("OSS_ACCESS_KEY_SECRET", SECRET);
    ossget.env_remove("OSS_SESSION_TOKEN").stdin(Stdio::null());
    assert_success(&ossget.output().expect("the binary starts"));
    let found = fs::read(destination).expect("the destination is there");
    assert!(found == content[..], "the download has other bytes");
}

/// What kept bytes do to the file when they are no longer what was written: `ossget` must find
/// them and fetch only them again. What the SDKs do is compared with the committed table; a
/// difference there is a note, since it is not ours to keep.
#[cfg(unix)]
#[test]
fn damage_between_runs_is_found_whatever_the_sdks_make_of_it() {
    let python = python();
    let sim = Process::start();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut command = sim.script(python, "corruptions.py", &dir);
    command.arg("--ossget").arg(binary("ossget"));
    if std::env::var_os("OSSGET_CORRUPTIONS").is_none_or(|wanted| wanted != "record") {
        let evidence = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/evidence");
        command.arg("--committed").arg(evidence.join("corruptions.txt"));
    }
    // Its notes are for whoever runs this, also where the test passes.
    let output = command.stderr(Stdio::inherit()).output().expect("Python starts");
    assert_success(&output);
    print!("{}", String::from_utf8_lossy(&output.stdout));
}

/// Two thousand random requests, signed by both SDKs and by us.
#[test]
fn signs_as_both_sdks_do_wherever_they_agree() {
    signing::compare(python(), &scripts().join("signing.py"));
}

/// Whatever its HTTP library leaves alone arrives as it should, and `ossget` downloads it.
#[test]
fn oss2_puts_hostile_keys_that_ossget_downloads() {
    hostile::put_and_download("oss2");
}

#[test]
fn the_sdk_v2_puts_hostile_keys_that_ossget_downloads() {
    hostile::put_and_download("v2");
}

/// A simulator that dies with its test.
#[derive(Debug)]
struct Process {
    child: Child,
    endpoint: String,
}

impl Process {
    fn start() -> Self {
        let mut command = Command::new(binary("ossget-sim"));
        command.args(["--listen", "127.0.0.1:0", "--bucket", BUCKET, "--region", REGION]);
        command.args(["--access-key-id", ID, "--access-key-secret", SECRET, "--control"]);
        command.env_remove("OSS_SESSION_TOKEN");
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the simulator starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("its output is piped");
        BufReader::new(stdout).read_line(&mut line).expect("its output is text");
        let endpoint = line.trim().strip_prefix("listening on ").map(str::to_owned);
        Self { child, endpoint: endpoint.expect("the simulator says where it listens") }
    }

    /// Runs a scenario to its end.
    fn run(&self, python: &Path, client: (Sdk, Addressing), scenario: &str, dir: &TempDir) {
        let (sdk, addressing) = client;
        let addressing = match addressing {
            Addressing::Path => "path",
            Addressing::Virtual => "virtual",
        };
        let mut command = self.script(python, "run.py", dir);
        command.arg(scenario).args(["--sdk", sdk.name, "--signature", sdk.signature]);
        command.args(["--addressing", addressing]);
        assert_success(&command.output().expect("Python starts"));
    }

    /// A script that is told where the simulator is and who may ask it.
    fn script(&self, python: &Path, name: &str, dir: &TempDir) -> Command {
        let mut command = Command::new(python);
        command.args(["-X", "utf8", "-B"]).arg(scripts().join(name));
        command.args(["--endpoint", &self.endpoint, "--region", REGION, "--bucket", BUCKET]);
        command.args(["--access-key-id", ID, "--secret", SECRET]).arg("--dir").arg(dir.path());
        // The SDKs keep state in the home folder unless told otherwise, and honour proxies.
        command.env("HOME", dir.path()).env("USERPROFILE", dir.path());
        command.env("NO_PROXY", "*").env("no_proxy", "*").stdin(Stdio::null());
        command
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The Python with the SDKs.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(install)
}

/// Makes the virtual environment unless it is there with the right versions.
fn install() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it lies in `target`");
    let venv = target.join("python-sdks-venv");
    // Another run of this suite may be at it.
    let lock = File::create(target.join("python-sdks-venv.lock")).expect("a writable folder");
    lock.lock().expect("files can be locked");
    let bin = if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" };
    let python = venv.join(bin);
    if !is_complete(&python) {
        let base = if cfg!(windows) { "python" } else { "python3" };
        succeed(Command::new(base).args(["-m", "venv", "--clear"]).arg(&venv));
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        succeed(pip.arg("--requirement").arg(scripts().join("requirements.txt")));
        assert!(is_complete(&python), "the SDKs are installed and yet not there");
    }
    python
}

/// Whether the SDKs can be imported and are those that are required.
fn is_complete(python: &Path) -> bool {
    let mut check = Command::new(python);
    check.args(["-c", CHECK]).arg(scripts().join("requirements.txt"));
    check.output().is_ok_and(|output| output.status.success())
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python")
}

fn succeed(command: &mut Command) {
    assert_success(&command.output().unwrap_or_else(|error| panic!("{command:?}: {error}")));
}

fn assert_success(output: &Output) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
}

const CHECK: &str = "\
import sys
from importlib.metadata import version
import oss2, alibabacloud_oss_v2
for line in open(sys.argv[1]).read().split():
    name, wanted = line.split('==')
    assert version(name) == wanted
";

const BUCKET: &str = "examplebucket";
const REGION: &str = "cn-hangzhou";
const ID: &str = "testid";
const SECRET: &str = "testsecret";
