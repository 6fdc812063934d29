//! `cargo xtask demo`: a download is killed half-way and resumed, with the
//! real binaries, and what that cost is printed.

mod crc64;
mod run;
mod simulator;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::process::{Context, Failure, Outcome, cargo, output, root, run as run_command};
use run::{Download, Ending, Until};
use simulator::Simulator;

pub(crate) fn run() -> Outcome {
    run_command(&mut cargo(["build", "--release", "-p", "ossget-cli", "-p", "ossget-testkit"]))?;
    let binaries = Binaries::locate()?;
    let folder = Folder::create()?;
    let simulator = Simulator::start(&binaries.simulator, &folder.0)?;
    println!("\nobject      {OBJECT}, {}, at {}", Mib(OBJECT_BYTES), simulator.url());

    let download = Download {
        binary: &binaries.ossget,
        folder: &folder.0,
        endpoint: simulator.url(),
        object: OBJECT,
    };
    let killed = download.run(Until::Bytes(OBJECT_BYTES / 2))?;
    let Ending::Killed { bytes_done } = killed.ending else {
        return Err(Failure::new("the download ended before it could be killed"));
    };
    println!("run 1       SIGKILL after {:.1} s, {} done", secs(killed.took), Mib(bytes_done));
    left_behind(&folder.0)?;

    let resumed = download.run(Until::End)?;
    let Ending::Done { event } = resumed.ending else {
        return Err(Failure::new("the second run did not finish"));
    };
    judge(&event, bytes_done, resumed.took, &folder.0.join(OBJECT))
}

/// The destination must not exist yet; says what does.
fn left_behind(folder: &Path) -> Outcome {
    if folder.join(OBJECT).exists() {
        return Err(Failure::new("the destination exists although the download was killed"));
    }
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).context("demo folder")? {
        let name = entry.context("demo folder")?.file_name().display().to_string();
        if name.contains(OBJECT) {
            names.push(name);
        }
    }
    names.sort();
    println!("left        {}", names.join("  "));
    Ok(())
}

/// Prints what the second run says it did, and checks it against the file.
fn judge(done: &Value, bytes_done: u64, took: Duration, destination: &Path) -> Outcome {
    let number = |name: &str| {
        done[name].as_u64().ok_or_else(|| Failure::new(format!("object_done lacks {name}")))
    };
    let (kept, fetched) = (number("resumed_bytes")?, number("fetched_bytes")?);
    let again = (kept + fetched).saturating_sub(OBJECT_BYTES).max(bytes_done.saturating_sub(kept));
    let mib_per_second = Mib(fetched).value() / secs(took).max(0.001);
    println!("run 2       resumed and finished in {:.1} s", secs(took));
    println!("kept        {} from before the kill", Mib(kept));
    println!("fetched     {} now, {} of it a second time", Mib(fetched), Mib(again));
    println!("rate        {mib_per_second:.0} MiB/s over the second run");

    let crc = done["crc64"].as_str().unwrap_or_default();
    let integrity = done["integrity"].as_str().unwrap_or_default();
    println!("crc64       {crc}, {integrity}");
    let length = std::fs::metadata(destination).context("destination")?.len();
    let own = crc64::of_file(destination).context("destination")?.to_string();
    println!("file        {length} bytes, CRC-64 computed again here: {own}");

    let wrong = [
        (length != OBJECT_BYTES, "the file has the wrong length"),
        (own != crc, "the file's CRC-64 is not the reported one"),
        (integrity != "verified", "the server's CRC-64 was not compared"),
        (kept == 0, "nothing was kept"),
        (kept + fetched < OBJECT_BYTES, "kept and fetched bytes do not make up the object"),
    ];
    match wrong.iter().find(|(is_wrong, _)| *is_wrong) {
        Some((_, what)) => Err(Failure::new(*what)),
        None => {
            println!("demo: ok");
            Ok(())
        }
    }
}

#[derive(Debug)]
struct Binaries {
    ossget: PathBuf,
    simulator: PathBuf,
}

impl Binaries {
    /// Asks cargo where it builds: the target folder is configurable.
    fn locate() -> Outcome<Self> {
        let text = output(&mut cargo(["metadata", "--format-version", "1", "--no-deps"]))?;
        let metadata: Value = serde_json::from_str(&text).context("cargo metadata")?;
        let target = metadata["target_directory"].as_str().unwrap_or("target");
        let release = root().join(target).join("release");
        let binary = |name: &str| release.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
        Ok(Self { ossget: binary("ossget"), simulator: binary("ossget-sim") })
    }
}

/// The demo's own folder, removed when dropped.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn create() -> Outcome<Self> {
        let path = root().join("target/demo").join(std::process::id().to_string());
        std::fs::create_dir_all(&path).context(path.display())?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("cannot remove {}: {error}", self.0.display());
        }
        if let Some(parent) = self.0.parent() {
            // Stays while another demo runs in it.
            let _ = std::fs::remove_dir(parent);
        }
    }
}

/// Bytes, shown in MiB.
#[derive(Debug, Clone, Copy)]
struct Mib(u64);

impl Mib {
    fn value(self) -> f64 {
        self.0 as f64 / f64::from(1 << 20)
    }
}

impl std::fmt::Display for Mib {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1} MiB", self.value())
    }
}

fn secs(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

const OBJECT: &str = "exampleobject.bin";
const OBJECT_BYTES: u64 = 1 << 30;
