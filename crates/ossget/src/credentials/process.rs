//! Credentials that another program prints.

use super::{CredentialsSource, Issued, issued};
use crate::{Error, ErrorKind};
use async_trait::async_trait;
use std::fmt;
use std::process::Stdio;
use std::time::{Duration, SystemTime};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Credentials that another program prints, as JSON in the spelling of the OSS SDKs
/// (`AccessKeyId`, `AccessKeySecret`, `SecurityToken`, `Expiration`) or of Alibaba Cloud's command
/// line (`access_key_id`, `access_key_secret`, `sts_token`, `expiration`).
///
/// The program runs in this process's directory and environment, without standard input. What it
/// prints to standard error is thrown away: nobody can know whether it is secret. It is killed
/// when it takes too long and when nobody waits for it any more.
///
/// It must be used within a Tokio runtime with I/O enabled.
#[derive(Clone)]
pub struct CredentialsProcess {
    command: CommandLine,
    patience: Duration,
}

#[derive(Clone)]
enum CommandLine {
    /// For `sh -c`, on Windows `cmd.exe /C`.
    Shell(String),
    /// The program and its arguments.
    Words(Vec<String>),
}

impl CredentialsProcess {
    /// A command for the shell, as the OSS SDK for Go runs it; it may take 15 s.
    #[must_use]
    pub fn shell(command: impl Into<String>) -> Self {
        Self { command: CommandLine::Shell(command.into()), patience: SHELL_PATIENCE }
    }

    /// A command that is split into words as a shell does it, but run without one, as the mode
    /// `External` of Alibaba Cloud's command line means it; it may take a minute.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for a command without words or with a quote that is never closed.
    pub fn words(command: &str) -> Result<Self, Error> {
        let words = shlex::split(command).filter(|words| !words.is_empty()).ok_or_else(|| {
            let message = "the command for credentials is empty, or has an open quote";
            Error::new(ErrorKind::Config, message)
        })?;
        Ok(Self { command: CommandLine::Words(words), patience: WORDS_PATIENCE })
    }

    /// How long the program may take.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    fn start(&self) -> Result<Child, Error> {
        let mut command = match &self.command {
            CommandLine::Shell(text) if cfg!(windows) => {
                let mut command = Command::new("cmd.exe");
                command.args(["/C", text]);
                command
            }
            CommandLine::Shell(text) => {
                let mut command = Command::new("sh");
                command.args(["-c", text]);
                command
            }
            CommandLine::Words(words) => {
                let mut command = Command::new(&words[0]);
                command.args(&words[1..]);
                command
            }
        };
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                let message = format!("{} cannot be started", self.describe());
                Error::new(ErrorKind::Credentials, message).with_source(error)
            })
    }

    /// What the program prints, once it has ended well.
    async fn output(&self) -> Result<Vec<u8>, Error> {
        let failed = |what: String| {
            let message = format!("{} {what}", self.describe());
            Error::new(ErrorKind::Credentials, message)
                .with_hint("run the command by hand and look at what it says")
        };
        let mut child = self.start()?;
        let stdout = child.stdout.take().expect("standard output is a pipe");
        let mut printed = Vec::new();
        let mut stdout = stdout.take(LARGEST_OUTPUT + 1);
        let read = stdout.read_to_end(&mut printed).await;
        read.map_err(|error| failed("cannot be read from".to_owned()).with_source(error))?;
        if printed.len() as u64 > LARGEST_OUTPUT {
            return Err(failed("prints more than 64 KiB".to_owned()));
        }
        let status = child.wait().await;
        let status =
            status.map_err(|error| failed("cannot be waited for".to_owned()).with_source(error))?;
        match status.success() {
            true => Ok(printed),
            false => Err(failed(format!("failed: {status}"))),
        }
    }
}

#[async_trait]
impl CredentialsSource for CredentialsProcess {
    async fn issue(&self) -> Result<Issued, Error> {
        let printed = timeout(self.patience, self.output()).await.map_err(|_| {
            let seconds = self.patience.as_secs_f32();
            let message = format!("{} takes longer than {seconds} s", self.describe());
            Error::new(ErrorKind::Timeout, message)
        })??;
        let origin = format!("what {} prints", self.describe());
        let object = issued::parse(&printed, &origin, ErrorKind::Credentials)?;
        issued::read(&object, &origin, SystemTime::now())
    }

    /// Without the command itself: it may have a secret among its arguments.
    fn describe(&self) -> String {
        "the program for credentials".to_owned()
    }
}

impl fmt::Debug for CredentialsProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialsProcess")
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

const LARGEST_OUTPUT: u64 = 64 << 10;
/// As the OSS SDK for Go.
const SHELL_PATIENCE: Duration = Duration::from_secs(15);
/// As Alibaba Cloud's credentials library for Python.
const WORDS_PATIENCE: Duration = Duration::from_secs(60);
