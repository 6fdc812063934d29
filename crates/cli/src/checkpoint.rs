//! `ossget checkpoint`: what unfinished downloads have left.

mod leftovers;

use crate::environment::Environment;
use crate::exit;
use crate::low::{CheckpointAction, OutputArgs, ShowArgs};
use crate::output::{Failed, Screen, bytes, json_line, of, print, shown};
use ossget::checkpoint::{CheckpointSummary, Holder};
use ossget::{Error, ErrorKind};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Runs the command and returns its exit code.
pub(crate) fn run(action: &CheckpointAction, environment: &Environment) -> u8 {
    match action {
        CheckpointAction::Ls(low) => leftovers::list(low, environment),
        CheckpointAction::Show(low) => show(low, environment),
        CheckpointAction::Rm(low) => leftovers::remove(low, environment),
        CheckpointAction::Clean(low) => leftovers::clean(low, environment),
    }
}

fn show(low: &ShowArgs, environment: &Environment) -> u8 {
    let written = find(low)
        .and_then(|summary| print(&if low.json { json(&summary) } else { text(&summary) }));
    match written {
        Ok(()) => exit::DONE,
        Err(error) => fail(error, &low.path, environment),
    }
}

/// Says what went wrong and returns the exit code.
fn fail(error: Error, path: &Path, environment: &Environment) -> u8 {
    let exit_code = exit::code(error.kind(), None);
    let mut screen = Screen::on_stderr(&OutputArgs::default(), environment);
    let failed = Failed { error, kept: None, exit_code };
    screen.failure(&failed, &shown(&path.to_string_lossy()));
    exit_code
}

fn find(low: &ShowArgs) -> Result<CheckpointSummary, Error> {
    let show =
        |destination: &Path| ossget::checkpoint::show(destination, low.checkpoint_dir.clone());
    if let Some(summary) = show(&low.path)? {
        return Ok(summary);
    }
    // Perhaps it is the checkpoint itself, which has its destination's name in its own.
    if let Some(destination) = destination_of(&low.path)
        && let Some(summary) = show(&destination)?
        && summary.checkpoint_path.file_name() == low.path.file_name()
    {
        return Ok(summary);
    }
    Err(Error::new(ErrorKind::NotFound, "there is no checkpoint").with_hint(WHERE_TO_LOOK))
}

/// The destination beside a checkpoint that is called `.NAME.12345678.ossget`.
fn destination_of(checkpoint: &Path) -> Option<PathBuf> {
    let name = checkpoint.file_name()?.to_str()?;
    let name = name.strip_prefix('.')?.strip_suffix(".ossget")?;
    let (name, hash) = name.rsplit_once('.')?;
    let is_hash = hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_hash && !name.is_empty()).then(|| checkpoint.with_file_name(name))
}

fn text(summary: &CheckpointSummary) -> String {
    let name = |path: &Path| shown(&path.to_string_lossy());
    let percent = percent(summary);
    let mut rows = vec![
        ("object", shown(&summary.source)),
        ("destination", destination(summary)),
        ("size", format!("{} ({} bytes)", bytes(summary.bytes_total), summary.bytes_total)),
        ("part size", bytes(summary.part_size)),
        (
            "recorded",
            format!(
                "{} of {} parts, {}, {percent}%",
                summary.parts_recorded,
                summary.parts,
                of(summary.bytes_recorded, summary.bytes_total)
            ),
        ),
        ("partial file", partial(summary)),
        ("checkpoint", name(&summary.checkpoint_path)),
        ("in use", if is_held(summary) { "by a run" } else { "no" }.to_owned()),
    ];
    if let Some(crc64) = summary.crc64 {
        rows.insert(3, ("CRC-64", crc64.to_string()));
    }
    if let Some(etag) = &summary.etag {
        rows.insert(3, ("ETag", shown(etag)));
    }
    if let Some(version) = &summary.version_id {
        rows.insert(1, ("version id", shown(version)));
    }
    rows.iter().fold(String::new(), |mut text, (name, value)| {
        let name = format!("{name}:");
        _ = writeln!(text, "{name:<14}{value}");
        text
    })
}

fn percent(summary: &CheckpointSummary) -> u128 {
    let percent = u128::from(summary.bytes_recorded) * 100;
    percent.checked_div(u128::from(summary.bytes_total)).unwrap_or(100)
}

fn destination(summary: &CheckpointSummary) -> String {
    match &summary.destination {
        Some(path) => shown(&path.to_string_lossy()),
        None => "not recorded in a checkpoint directory".to_owned(),
    }
}

fn partial(summary: &CheckpointSummary) -> String {
    let name = shown(&summary.partial_name);
    match summary.partial_len {
        Some(length) => format!("{name} ({length} bytes)"),
        None => format!("{name} (missing)"),
    }
}

fn json(summary: &CheckpointSummary) -> String {
    json_line(&Line::new(summary))
}

impl<'a> Line<'a> {
    fn new(summary: &'a CheckpointSummary) -> Self {
        let destination = summary.destination.as_ref();
        Self {
            v: 1,
            source: summary.source.clone(),
            version_id: summary.version_id.as_deref(),
            destination: destination.map(|path| path.to_string_lossy().into_owned()),
            checkpoint: summary.checkpoint_path.to_string_lossy().into_owned(),
            bytes_total: summary.bytes_total,
            etag: summary.etag.as_deref(),
            crc64: summary.crc64.map(|crc64| crc64.to_string()),
            part_size: summary.part_size,
            parts: summary.parts,
            parts_recorded: summary.parts_recorded,
            bytes_recorded: summary.bytes_recorded,
            partial_file: &summary.partial_name,
            partial_bytes: summary.partial_len,
            in_use: is_held(summary),
        }
    }
}

fn is_held(summary: &CheckpointSummary) -> bool {
    summary.in_use == Holder::Run
}

/// What `--json` writes.
#[derive(Debug, Serialize)]
struct Line<'a> {
    v: u8,
    source: String,
    version_id: Option<&'a str>,
    destination: Option<String>,
    checkpoint: String,
    bytes_total: u64,
    etag: Option<&'a str>,
    crc64: Option<String>,
    part_size: u64,
    parts: u32,
    parts_recorded: u32,
    bytes_recorded: u64,
    partial_file: &'a str,
    partial_bytes: Option<u64>,
    in_use: bool,
}

const WHERE_TO_LOOK: &str =
    "name the file that is being downloaded, and --checkpoint-dir if it was given";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_destination_is_read_from_the_name_of_its_checkpoint() {
        for (checkpoint, destination) in [
            ("dir/.a.bin.0123abcd.ossget", Some("dir/a.bin")),
            (".a.0123abcd.ossget", Some("a")),
            ("..a.0123abcd.ossget", Some(".a")),
            ("a.0123abcd.ossget", None),
            (".a.0123abc.ossget", None),
            (".a.0123abcx.ossget", None),
            (".0123abcd.ossget", None),
            ("a.bin", None),
        ] {
            assert_eq!(destination_of(Path::new(checkpoint)), destination.map(PathBuf::from));
        }
    }
}
