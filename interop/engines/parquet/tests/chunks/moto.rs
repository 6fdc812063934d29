//! A service of S3 to compare with: moto, of its own Python environment in the target folder.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A server that ends with this value.
#[derive(Debug)]
pub(crate) struct Moto {
    child: Child,
    address: SocketAddr,
}

impl Moto {
    /// Starts the server and waits until it listens.
    pub(crate) fn start() -> Self {
        let mut command = Command::new(program("moto_server"));
        command.args(["-H", "127.0.0.1", "-p", "0"]).stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().expect("moto starts");
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        // It says so once it listens, and then tells of every request.
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once("Running on http://")?;
            rest.trim().parse().ok()
        });
        std::thread::spawn(move || lines.for_each(drop));
        let Some(address) = address else {
            let _ = child.kill();
            panic!("moto ended before it listened: {:?}", child.wait());
        };
        Self { child, address }
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes a bucket, which object_store has no call for.
    pub(crate) fn create_bucket(&self, name: &str) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let head = format!("PUT /{name} HTTP/1.1\r\nHost: {}\r\n", self.address);
        write!(stream, "{head}Content-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program of the environment, which is made unless it is there with the right version.
fn program(name: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it lies in `target`");
    let venv = target.join("moto-venv");
    // Another run may be at it.
    let lock = File::create(target.join("moto-venv.lock")).expect("a writable folder");
    lock.lock().expect("files can be locked");
    let bin = venv.join(if cfg!(windows) { "Scripts" } else { "bin" });
    let python = bin.join("python");
    if !is_complete(&python) {
        let base = if cfg!(windows) { "python" } else { "python3" };
        succeed(Command::new(base).args(["-m", "venv", "--clear"]).arg(&venv));
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        succeed(pip.arg("--requirement").arg(requirements()));
        assert!(is_complete(&python), "moto is installed and yet not there");
    }
    bin.join(name)
}

/// Whether the server can be imported and is the one that is required.
fn is_complete(python: &Path) -> bool {
    let mut check = Command::new(python);
    check.args(["-c", CHECK]).arg(requirements());
    check.output().is_ok_and(|output| output.status.success())
}

fn requirements() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chunks/requirements.txt")
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}\n{err}", output.status);
}

const CHECK: &str = "\
import sys
from importlib.metadata import version
import moto.server, flask_cors
assert open(sys.argv[1]).read().strip() == 'moto[server]==' + version('moto')
";
