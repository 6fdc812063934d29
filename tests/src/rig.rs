//! A simulator with one object, a folder, and the real binary run against them.

use crate::binary;
use ossget_testkit::{Content, Simulator};
use serde_json::Value;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const BUCKET: &str = "examplebucket";
const KEY: &str = "dir/object.bin";

/// A simulator with one object, and a folder to download it to.
#[derive(Debug)]
pub struct Rig {
    /// The simulator.
    pub sim: Simulator,
    /// The object's content.
    pub content: Content,
    dir: PathBuf,
    _temporary: TempDir,
}

/// A run of the binary that has ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// The JSON Lines of standard output.
    pub events: Vec<Value>,
    /// Standard error.
    pub stderr: String,
}

impl Rig {
    /// An object of generated content.
    ///
    /// # Panics
    ///
    /// When no simulator can be started or no folder made.
    #[must_use]
    pub fn new(seed: u64, size: u64) -> Self {
        let sim = Simulator::builder()
            .bucket(BUCKET)
            .credentials("test-id", "test-secret")
            .start_blocking()
            .expect("loopback addresses can be bound");
        let content = Content::generated(seed, size);
        sim.put_object(KEY, content.clone());
        let temporary = tempfile::tempdir().expect("a temporary folder");
        Self { sim, content, dir: temporary.path().to_owned(), _temporary: temporary }
    }

    /// Downloads into another folder from now on.
    pub fn move_to(&mut self, dir: impl Into<PathBuf>) {
        self.dir = dir.into();
    }

    /// Puts another object in place of the present one.
    pub fn replace(&mut self, content: Content) {
        self.sim.put_object(KEY, content.clone());
        self.content = content;
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the object goes.
    #[must_use]
    pub fn destination(&self) -> PathBuf {
        self.dir().join("object.bin")
    }

    /// The names of all files in the folder, in order.
    ///
    /// # Panics
    ///
    /// When the folder cannot be read.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        names_in(&self.dir)
    }

    /// The command that downloads the object, with more arguments.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary("ossget"));
        command
            .arg("get")
            .arg(format!("oss://{BUCKET}/{KEY}"))
            .arg(self.destination())
            .args(["--endpoint", &self.sim.endpoint(), "--region", "cn-hangzhou", "--json"])
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("OSS_ACCESS_KEY_ID", "test-id")
            .env("OSS_ACCESS_KEY_SECRET", "test-secret")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Any other command, where the simulator is and with its credentials.
    #[must_use]
    pub fn ossget(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary("ossget"));
        command
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("OSS_ACCESS_KEY_ID", "test-id")
            .env("OSS_ACCESS_KEY_SECRET", "test-secret")
            .env("OSS_ENDPOINT", self.sim.endpoint())
            .env("OSS_REGION", "cn-hangzhou")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// The same command, run by another program: `prlimit --nofile=16`.
    ///
    /// # Panics
    ///
    /// When there is no program.
    #[must_use]
    pub fn command_under(&self, wrapper: &[&str], args: &[&str]) -> Command {
        let inner = self.command(args);
        let (program, first) = wrapper.split_first().expect("a program");
        let mut command = Command::new(program);
        command.args(first).arg(inner.get_program()).args(inner.get_args()).env_clear();
        for (name, value) in inner.get_envs() {
            command.env(name, value.expect("only set, never removed"));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the download to its end.
    ///
    /// # Panics
    ///
    /// When the binary cannot be started or does not speak JSON Lines.
    #[must_use]
    pub fn run(&self, args: &[&str]) -> Ended {
        self.command(args).output().expect("the binary starts").into()
    }

    /// Runs the download and expects success.
    ///
    /// # Panics
    ///
    /// When it fails, or the destination does not hold the object.
    pub fn run_well(&self, args: &[&str]) -> Ended {
        let ended = self.run(args);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        self.assert_downloaded();
        ended
    }

    /// Asserts that the destination holds the object, byte for byte, and nothing lies beside it.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub fn assert_downloaded(&self) {
        let wrong = difference(&self.destination(), &self.content);
        assert!(wrong.is_none(), "{wrong:?}");
        assert_eq!(self.files(), ["object.bin"]);
    }

    /// The ranges of all GET requests so far, in order of arrival.
    ///
    /// # Panics
    ///
    /// When a GET asked for something else than one range.
    #[must_use]
    pub fn ranges(&self) -> Vec<Range<u64>> {
        let requests = self.sim.requests();
        let gets = requests.iter().filter(|request| request.method == "GET");
        gets.map(|request| parse_range(request.range.as_deref().expect("a ranged GET"))).collect()
    }
}

impl Ended {
    /// The only event of this name.
    ///
    /// # Panics
    ///
    /// When there is none or more than one.
    #[must_use]
    pub fn event(&self, name: &str) -> &Value {
        let mut events = self.events.iter().filter(|event| event["event"] == name);
        let event = events.next().unwrap_or_else(|| panic!("no event {name} in {self:?}"));
        assert!(events.next().is_none(), "two events {name} in {self:?}");
        event
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let lines = String::from_utf8(output.stdout).expect("events are text");
        let parse = |line: &str| serde_json::from_str(line).expect("an event is JSON");
        Self {
            code: output.status.code(),
            events: lines.lines().map(parse).collect(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

fn parse_range(header: &str) -> Range<u64> {
    let ends = header.strip_prefix("bytes=").and_then(|ends| ends.split_once('-'));
    let (first, last) = ends.expect("one range");
    first.parse().expect("a number")..last.parse::<u64>().expect("a number") + 1
}

/// The names of all files in a folder, in order.
///
/// # Panics
///
/// When it cannot be read.
#[must_use]
pub fn names_in(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("a readable folder");
    let names = entries.map(|entry| entry.expect("a readable folder").file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().expect("names are text")).collect();
    names.sort();
    names
}

/// What tells a file from the content that it should have, if anything does.
#[must_use]
pub fn difference(path: &Path, content: &Content) -> Option<String> {
    let len = match std::fs::metadata(path) {
        Ok(found) => found.len(),
        Err(error) => return Some(format!("{}: {error}", path.display())),
    };
    if len != content.size() {
        return Some(format!("{} bytes long instead of {}", len, content.size()));
    }
    difference_in(path, content, 0..len)
}

/// What tells a stretch of a file from that of the content, if anything does.
#[must_use]
pub fn difference_in(path: &Path, content: &Content, range: Range<u64>) -> Option<String> {
    let opened = File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::Start(range.start))?;
        Ok(file)
    });
    let mut file = match opened {
        Ok(file) => file,
        Err(error) => return Some(format!("{}: {error}", path.display())),
    };
    let mut found = vec![0; 1 << 20];
    let mut at = range.start;
    while at < range.end {
        let many = usize::try_from(range.end - at).unwrap_or(usize::MAX).min(found.len());
        if let Err(error) = file.read_exact(&mut found[..many]) {
            return Some(format!("{} at {at}: {error}", path.display()));
        }
        let end = at + many as u64;
        if found[..many] != content.window(at..end)[..] {
            return Some(format!("wrong bytes between {at} and {end}"));
        }
        at = end;
    }
    None
}

/// The union of ranges, in order.
#[must_use]
pub fn covered(ranges: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut sorted = ranges.to_vec();
    sorted.sort_by_key(|range| range.start);
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in sorted {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

/// The lengths of ranges, together.
#[must_use]
pub fn total_len(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end - range.start).sum()
}
