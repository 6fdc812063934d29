//! `ossget checkpoint ls`, `rm` and `clean`: directories with what downloads have left.

use super::{Line, fail, percent};
use crate::environment::Environment;
use crate::exit;
use crate::low::{CleanArgs, ListArgs, RemoveArgs};
use crate::output::{bytes, json_line, of, print, shown};
use ossget::Error;
use ossget::checkpoint::{self, Cleaned, Condition, Fate, Holder, Leftover, Removed};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Runs `checkpoint ls` and returns its exit code.
pub(crate) fn list(low: &ListArgs, environment: &Environment) -> u8 {
    let dir = directory(low.dir.as_ref());
    let listed = checkpoint::list(&dir).and_then(|leftovers| {
        let each = |leftover| if low.json { listed_json(leftover) } else { listed(leftover) };
        print(&leftovers.iter().map(each).collect::<String>())
    });
    end(listed, &dir, environment)
}

/// Runs `checkpoint rm` and returns its exit code.
pub(crate) fn remove(low: &RemoveArgs, environment: &Environment) -> u8 {
    let removed = checkpoint::remove(&low.destination, low.checkpoint_dir.clone());
    let removed = removed.map_err(|error| match error.kind() {
        ossget::ErrorKind::NotFound => error.with_hint(super::WHERE_TO_LOOK),
        _ => error,
    });
    let printed = removed
        .and_then(|removed| print(&if low.json { removed_json(&removed) } else { gone(&removed) }));
    end(printed, &low.destination, environment)
}

/// Runs `checkpoint clean` and returns its exit code.
pub(crate) fn clean(low: &CleanArgs, environment: &Environment) -> u8 {
    let dir = directory(low.dir.as_ref());
    let cleaned = checkpoint::clean(&dir, low.checkpoint_dir.clone()).and_then(|cleaned| {
        let each = |cleaned| if low.json { cleaned_json(cleaned) } else { told(cleaned) };
        let mut text: String = cleaned.iter().map(each).collect();
        if !low.json {
            text.push_str(&total(&cleaned));
        }
        print(&text)
    });
    end(cleaned, &dir, environment)
}

fn end(result: Result<(), Error>, path: &Path, environment: &Environment) -> u8 {
    match result {
        Ok(()) => exit::DONE,
        Err(error) => fail(error, path, environment),
    }
}

fn directory(dir: Option<&PathBuf>) -> PathBuf {
    dir.map_or_else(|| PathBuf::from("."), Clone::clone)
}

fn name(path: &Path) -> String {
    shown(&path.to_string_lossy())
}

fn listed(leftover: &Leftover) -> String {
    let held = if leftover.in_use == Holder::Run { ", in use by a run" } else { "" };
    let what = match &leftover.summary {
        Some(it) => {
            let of = of(it.bytes_recorded, it.bytes_total);
            let object = shown(&it.source);
            let percent = percent(it);
            match leftover.condition {
                Condition::Resumable => format!("{of} ({percent}%) of {object}"),
                _ => format!("{of} ({percent}%) of {object}, {}", leftover.condition),
            }
        }
        None => format!("{}, {}", bytes(leftover.bytes), shown(&leftover.condition.to_string())),
    };
    let destination = leftover.summary.as_ref().and_then(|it| it.destination.as_deref());
    format!("{}: {what}{held}\n", name(destination.unwrap_or(&leftover.path)))
}

fn gone(removed: &Removed) -> String {
    let each = |path: &PathBuf| format!("removed {}\n", name(path));
    removed.paths.iter().map(each).collect()
}

fn told(cleaned: &Cleaned) -> String {
    let Cleaned { leftover, fate, .. } = cleaned;
    let what = match fate {
        Fate::Removed => "removed",
        Fate::Kept => "kept",
    };
    let why = match leftover.in_use {
        Holder::Run => "a run is using it".to_owned(),
        Holder::Nobody => shown(&leftover.condition.to_string()),
    };
    format!("{what} {}: {why}\n", name(&leftover.path))
}

fn total(cleaned: &[Cleaned]) -> String {
    let of = |fate| cleaned.iter().filter(move |it| it.fate == fate);
    let removed = of(Fate::Removed).count();
    let freed = of(Fate::Removed).map(|it| it.leftover.bytes).sum();
    let mut text = String::new();
    _ = writeln!(text, "{removed} removed ({}), {} kept", bytes(freed), of(Fate::Kept).count());
    text
}

fn listed_json(leftover: &Leftover) -> String {
    json_line(&LeftoverLine {
        v: 1,
        path: leftover.path.to_string_lossy().into_owned(),
        bytes: leftover.bytes,
        condition: code(&leftover.condition),
        reason: leftover.condition.to_string(),
        in_use: leftover.in_use == Holder::Run,
        fate: None,
        checkpoint: leftover.summary.as_deref().map(Line::new),
    })
}

fn cleaned_json(cleaned: &Cleaned) -> String {
    let Leftover { path, bytes, condition, in_use, .. } = &cleaned.leftover;
    json_line(&LeftoverLine {
        v: 1,
        path: path.to_string_lossy().into_owned(),
        bytes: *bytes,
        condition: code(condition),
        reason: condition.to_string(),
        in_use: *in_use == Holder::Run,
        fate: Some(match cleaned.fate {
            Fate::Removed => "removed",
            Fate::Kept => "kept",
        }),
        checkpoint: None,
    })
}

fn removed_json(removed: &Removed) -> String {
    let paths = removed.paths.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    json_line(&RemovedLine { v: 1, removed: paths, bytes: removed.bytes })
}

const fn code(condition: &Condition) -> &'static str {
    match condition {
        Condition::Resumable => "resumable",
        Condition::Unused => "unused",
        Condition::Damaged(_) => "damaged",
        Condition::UnknownFormat(_) => "unknown_format",
        Condition::PartialGone => "partial_gone",
        Condition::Orphan => "orphan",
        Condition::CheckpointElsewhere => "checkpoint_elsewhere",
        Condition::Refused(_) => "refused",
        _ => "other",
    }
}

/// What `ls --json` and `clean --json` write for each file.
#[derive(Debug, Serialize)]
struct LeftoverLine<'a> {
    v: u8,
    path: String,
    bytes: u64,
    condition: &'static str,
    reason: String,
    in_use: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    fate: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<Line<'a>>,
}

/// What `rm --json` writes.
#[derive(Debug, Serialize)]
struct RemovedLine {
    v: u8,
    removed: Vec<String>,
    bytes: u64,
}
