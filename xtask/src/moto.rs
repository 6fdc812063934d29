//! An S3 server that we did not write: moto's, from PyPI.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::spawn;

use crate::process::{Context, Failure, Outcome, program, root, run as run_command, succeeds};

/// Does something while the server runs, which is told its URL. It has an empty bucket `bkt`.
pub(crate) fn serving(work: impl FnOnce(&str) -> Outcome) -> Outcome {
    let server = Server::start(&python()?)?;
    work(&format!("http://{}", server.address))
}

struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(python: &Path) -> Outcome<Self> {
        let mut moto = program(python);
        moto.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]).stdin(Stdio::null());
        moto.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = moto.spawn().context("moto cannot be started")?;
        let Some(stderr) = child.stderr.take() else {
            return Err(Failure::new("moto has no standard error"));
        };
        // It says where once it listens, and then tells of every request.
        let mut lines = BufReader::new(stderr).lines();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once("Running on http://")?;
            rest.trim().parse().ok()
        });
        spawn(move || lines.for_each(drop));
        let Some(address) = address else {
            drop(child.kill());
            let status = child.wait().context("moto cannot be waited for")?;
            return Err(Failure::new(format!("moto ended before it listened: {status}")));
        };
        let server = Self { child, address };
        server.make_bucket().context("moto makes no bucket")?;
        Ok(server)
    }

    fn make_bucket(&self) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(self.address)?;
        let request = "PUT /bkt HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        match answer.starts_with("HTTP/1.1 200") {
            true => Ok(()),
            false => Err(std::io::Error::other(answer)),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The Python that has it, in an environment of its own.
fn python() -> Outcome<PathBuf> {
    let venv = root().join("target/moto-venv");
    let python = venv.join("bin/python");
    let check =
        format!("from importlib.metadata import version; assert version('moto') == '{MOTO}'");
    let is_there = || succeeds(program(&python).args(["-c", &check]));
    if !is_there() {
        run_command(program("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
        let package = format!("moto[server]=={MOTO}");
        let mut pip = program(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", &package]);
        run_command(&mut pip).context("moto is missing and could not be installed")?;
    }
    Ok(python)
}

const MOTO: &str = "5.2.5";
