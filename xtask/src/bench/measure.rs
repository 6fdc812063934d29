//! One run of one tool.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;

use super::data::{Object, Objects};
use super::rig::Rig;
use super::scenario::{Scenario, Server, Target};
use super::tool::Tool;
use crate::process::{Context, Failure, Outcome};

/// Where a run takes its object from and puts it.
pub(super) struct Place {
    pub(super) endpoint: String,
    pub(super) port: u16,
    pub(super) is_tls: bool,
    pub(super) key: &'static str,
    pub(super) size: u64,
    pub(super) connections: u32,
    pub(super) folder: PathBuf,
    pub(super) out: PathBuf,
}

impl Place {
    fn of(tool: &Tool, scenario: &Scenario, rig: &Rig) -> Self {
        let server = tool.server.unwrap_or(scenario.server);
        let folder = rig.out(scenario.target);
        Self {
            endpoint: server.endpoint(),
            port: server.port(),
            is_tls: server == Server::Tls,
            key: scenario.object.key(),
            size: scenario.object.size(),
            connections: scenario.connections,
            out: folder.join("out.bin"),
            folder,
        }
    }

    /// The name of the file.
    pub(super) fn name(&self) -> String {
        self.out.file_name().unwrap_or_default().display().to_string()
    }
}

/// Whether the bytes are compared afterwards.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    AtBytes,
    Away,
}

/// What a run took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measured {
    /// Seconds, with the sync that follows where one counts.
    pub(super) wall: f64,
    /// Seconds of the client's processor time, user and system.
    pub(super) cpu: f64,
    /// MiB of memory at the peak.
    pub(super) peak: f64,
}

impl Measured {
    /// Runs a tool once, into an empty folder.
    pub(super) fn of(
        tool: &Tool,
        scenario: &Scenario,
        rig: &Rig,
        objects: &Objects,
        look: Look,
    ) -> Outcome<Self> {
        let place = Place::of(tool, scenario, rig);
        let folder = &place.folder;
        if folder.exists() {
            fs::remove_dir_all(folder).context(folder.display())?;
        }
        fs::create_dir_all(folder).context(folder.display())?;
        let server = tool.server.unwrap_or(scenario.server);
        let straggling = match server {
            Server::Straggling => Some(rig.start_straggling()?),
            _ => None,
        };
        let words = tool.words(&place, rig);
        let mut command = rig.client(server);
        command.arg(rig.helper("launch")).arg(LONGEST_SECONDS).args(&words);
        command.current_dir(folder).stdin(Stdio::null()).stderr(Stdio::piped());
        if tool.reads_keys {
            command.stdin(File::open(rig.keys()).context(rig.keys().display())?);
        }
        if scenario.target == Target::Disk {
            rig.sync()?;
        }
        let output = command.output().context(tool.name)?;
        drop(straggling);
        let told = String::from_utf8_lossy(&output.stdout);
        let read = told.lines().last().and_then(Self::read);
        let Some((mut measured, 0)) = read else {
            let errors = String::from_utf8_lossy(&output.stderr);
            let line = words.join(" ");
            return Err(Failure::new(format!("{}: `{line}`: {told}{errors}", tool.name)));
        };
        let is_many = scenario.object == Object::Small;
        let out = if is_many { folder } else { &place.out };
        if scenario.target == Target::Disk {
            let begun = Instant::now();
            File::open(out).and_then(|file| file.sync_all()).context(out.display())?;
            measured.wall += begun.elapsed().as_secs_f64();
        }
        if look == Look::AtBytes
            && !objects.is_right(scenario.object, out).context(out.display())?
        {
            return Err(Failure::new(format!("{}: wrong bytes in {}", tool.name, out.display())));
        }
        fs::remove_dir_all(folder).context(folder.display())?;
        Ok(measured)
    }

    /// What the launcher tells, and the exit code.
    fn read(line: &str) -> Option<(Self, i32)> {
        let mut words = line.split(' ');
        let mut number = || words.next()?.parse::<f64>().ok();
        let (wall, user, system, kib) = (number()?, number()?, number()?, number()?);
        let code = words.next()?.parse().ok()?;
        Some((Self { wall, cpu: user + system, peak: kib / 1024.0 }, code))
    }
}

/// Longer than any tool of the list takes.
const LONGEST_SECONDS: &str = "300";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_launcher_tells_is_read() {
        let (measured, code) = Measured::read("1.5 0.25 0.5 2048 3").unwrap();
        assert_eq!((measured.wall, measured.cpu, measured.peak, code), (1.5, 0.75, 2.0, 3));
        assert_eq!(Measured::read("1.5 0.25"), None);
        assert_eq!(Measured::read(""), None);
    }
}
