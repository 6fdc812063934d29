//! `ossget checkpoint`: what unfinished downloads have left.

use crate::environment::Environment;
use crate::exit;
use crate::low::{OutputArgs, ShowArgs};
use crate::output::{Failed, Screen, bytes, of, shown};
use ossget::checkpoint::{CheckpointSummary, Holder};
use ossget::{Error, ErrorKind};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Runs `checkpoint show` and returns its exit code.
pub(crate) fn show(low: &ShowArgs, environment: &Environment) -> u8 {
    let found = find(low);
    let written = found.and_then(|summary| {
        let text = if low.json { json(&summary) } else { text(&summary) };
        match io::stdout().write_all(text.as_bytes()) {
            // Whoever read it has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.map_err(|error| {
                Error::new(ErrorKind::Storage, "cannot write to standard output").with_source(error)
            }),
        }
    });
    let Err(error) = written else { return exit::DONE };
    let exit_code = exit::code(error.kind(), None);
    let mut screen = Screen::on_stderr(&OutputArgs::default(), environment);
    let failed = Failed { error, kept: None, exit_code };
    screen.failure(&failed, &shown(&low.path.to_string_lossy()));
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
    Err(Error::new(ErrorKind::NotFound, "there is no checkpoint")
        .with_hint("name the file that is being downloaded, and --checkpoint-dir if it was given"))
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
    let percent = u128::from(summary.bytes_recorded) * 100;
    let percent = percent.checked_div(u128::from(summary.bytes_total)).unwrap_or(100);
    let mut rows = vec![
        ("object", shown(&format!("oss://{}/{}", summary.bucket, summary.key))),
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
    let line = Line {
        v: 1,
        source: format!("oss://{}/{}", summary.bucket, summary.key),
        version_id: summary.version_id.as_deref(),
        destination: summary.destination.as_ref().map(|path| path.to_string_lossy().into_owned()),
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
    };
    // Only text and numbers: there is nothing that could not be serialised.
    let mut text = serde_json::to_string(&line).unwrap_or_default();
    text.push('\n');
    text
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
