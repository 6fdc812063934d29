//! The simulated OSS service as a child process.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::OBJECT;
use super::run::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, BUCKET, REGION};
use crate::process::{Context, Failure, Outcome};

/// A child that does not outlive its owner, however that ends.
#[derive(Debug)]
pub(super) struct Guard(pub(super) Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // Both fail only for a child that is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[derive(Debug)]
pub(super) struct Simulator {
    url: String,
    _child: Guard,
}

impl Simulator {
    /// Starts it and waits until it says where it listens.
    pub(super) fn start(binary: &Path, folder: &Path) -> Outcome<Self> {
        let mut command = Command::new(binary);
        command
            .args(["--listen", "127.0.0.1:0", "--bucket", BUCKET, "--region", REGION])
            .args(["--access-key-id", ACCESS_KEY_ID, "--access-key-secret", ACCESS_KEY_SECRET])
            .args(["--object", &format!("{OBJECT}=1GiB@7"), "--throttle", "400MiB", "--log"])
            .arg(folder.join("simulator.log"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = Guard(command.spawn().context("cannot start ossget-sim")?);
        let stdout = child.0.stdout.take().ok_or_else(|| Failure::new("no pipe"))?;

        let (sender, receiver) = mpsc::channel();
        // Reads on to the end, so that the simulator never waits for a full pipe.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(url) = line.strip_prefix("listening on ") {
                    let _ = sender.send(url.trim().to_owned());
                }
            }
        });
        let url = receiver
            .recv_timeout(START_TIMEOUT)
            .map_err(|_| Failure::new("ossget-sim did not say where it listens"))?;
        Ok(Self { url, _child: child })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

/// It may have to hash the whole object before it can serve the CRC-64.
const START_TIMEOUT: Duration = Duration::from_secs(60);
