//! One run of `ossget get`, followed through its JSON Lines events.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::simulator::Guard;
use crate::process::{Context, Failure, Outcome};

/// What is downloaded, and with what.
#[derive(Debug)]
pub(super) struct Download<'a> {
    pub(super) binary: &'a Path,
    pub(super) folder: &'a Path,
    pub(super) endpoint: &'a str,
    pub(super) object: &'a str,
}

/// When the run is over.
#[derive(Debug, Clone, Copy)]
pub(super) enum Until {
    /// It is killed as soon as it reports so many bytes.
    Bytes(u64),
    End,
}

#[derive(Debug)]
pub(super) struct Run {
    pub(super) ending: Ending,
    pub(super) took: Duration,
}

#[derive(Debug)]
pub(super) enum Ending {
    Killed {
        /// As last reported before the kill.
        bytes_done: u64,
    },
    Done {
        /// The `object_done` event.
        event: Value,
    },
}

impl Download<'_> {
    pub(super) fn run(&self, until: Until) -> Outcome<Run> {
        let errors = self.folder.join("stderr.txt");
        let begun = Instant::now();
        let mut command = self.command();
        command.stderr(File::create(&errors).context("demo folder")?);
        let mut child = Guard(command.spawn().context("cannot start ossget")?);
        let stdout = child.0.stdout.take().ok_or_else(|| Failure::new("no pipe"))?;

        let mut done = None;
        for line in BufReader::new(stdout).lines() {
            let line = line.context("events of ossget")?;
            let event: Value = serde_json::from_str(&line).context(&line)?;
            match (event["event"].as_str(), until) {
                (Some("progress"), Until::Bytes(limit)) => {
                    let bytes_done = event["bytes_done"].as_u64().unwrap_or_default();
                    if bytes_done >= limit {
                        child.0.kill().context("cannot kill ossget")?;
                        child.0.wait().context("ossget")?;
                        return Ok(Run {
                            ending: Ending::Killed { bytes_done },
                            took: begun.elapsed(),
                        });
                    }
                }
                (Some("object_done"), _) => done = Some(event),
                _ => {}
            }
        }
        let status = child.0.wait().context("ossget")?;
        let took = begun.elapsed();
        match done {
            Some(event) if status.success() => Ok(Run { ending: Ending::Done { event }, took }),
            _ => {
                let said = std::fs::read_to_string(&errors).unwrap_or_default();
                Err(Failure::new(format!("ossget ended with {status} and said:\n{said}")))
            }
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.binary);
        command
            .args(["get", &format!("oss://{BUCKET}/{}", self.object)])
            .arg(self.folder.join(self.object))
            .args(["-e", self.endpoint, "--region", REGION, "--json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        // Neither the caller's settings nor the caller's configuration files take part.
        for (name, _) in std::env::vars_os() {
            let upper = name.to_string_lossy().to_ascii_uppercase();
            if upper.starts_with("OSS_")
                || upper.starts_with("ALIBABA_CLOUD_")
                || upper.ends_with("_PROXY")
            {
                command.env_remove(&name);
            }
        }
        command
            .env("HOME", self.folder)
            .env("OSS_ACCESS_KEY_ID", ACCESS_KEY_ID)
            .env("OSS_ACCESS_KEY_SECRET", ACCESS_KEY_SECRET);
        command
    }
}

pub(super) const BUCKET: &str = "examplebucket";
pub(super) const REGION: &str = "cn-hangzhou";
pub(super) const ACCESS_KEY_ID: &str = "test-id";
pub(super) const ACCESS_KEY_SECRET: &str = "test-secret";
