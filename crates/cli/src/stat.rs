//! `ossget stat`: what the service says of an object.

use crate::asked::{Asked, Bounds};
use crate::environment::Environment;
use crate::low::{OutputArgs, StatArgs};
use crate::one_source::tell;
use crate::output::{Screen, json_line, print, shown};
use crate::runtime::{Waits, runtime};
use crate::source::Source;
use ossget::{Error, ObjectStat};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// Runs the command and returns its exit code.
pub(crate) fn run(low: &StatArgs, environment: &Environment) -> u8 {
    let source = Source::read(&low.source, &low.reach.naming);
    let name = source.shown.clone();
    tell(source, &OutputArgs::default(), environment, |source, screen| {
        let stat = look(low, source, environment, screen)?;
        print(&if low.json { json(&name, &stat) } else { text(&name, &stat) })
    })
}

fn look(
    low: &StatArgs,
    source: Source,
    environment: &Environment,
    screen: &mut Screen,
) -> Result<ObjectStat, Error> {
    let patience = low.retry_max_time.unwrap_or(PATIENCE);
    let bounds = Bounds::new(low.reach.connect_timeout, Some(patience));
    let asked = Asked::new(source, &low.reach.identity, &low.reach.request, bounds, environment)?;
    for warning in &asked.warnings {
        screen.warn(warning);
    }
    let runtime = runtime(Waits::Never)?;
    let result = runtime.block_on(asked.client.stat(&asked.object, patience));
    runtime.shutdown_background();
    result
}

/// What people want to know first, then all that the service says besides.
fn text(source: &str, stat: &ObjectStat) -> String {
    let identity = &stat.identity;
    let crc64 = identity.crc64.map_or_else(|| "none".to_owned(), |crc64| crc64.to_string());
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        writeln!(text, "{name:<16} {}", shown(value)).expect("writing to a string cannot fail");
    };
    line("object", source);
    line("size", &format!("{} bytes", identity.size));
    line("crc64", &crc64);
    let fields = [
        ("etag", &identity.etag),
        ("last modified", &identity.last_modified),
        ("version id", &identity.version_id),
        ("type", &identity.object_type),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            line(name, value);
        }
    }
    if let Some(class) = stat.storage_class() {
        line("storage class", class);
    }
    for (name, value) in stat.headers.iter().filter(|(name, _)| !SAID.contains(&name.as_str())) {
        line(name, value);
    }
    text
}

fn json(source: &str, stat: &ObjectStat) -> String {
    let identity = &stat.identity;
    json_line(&Line {
        v: 1,
        source,
        bytes: identity.size,
        etag: identity.etag.as_deref(),
        crc64: identity.crc64.map(|crc64| crc64.to_string()),
        last_modified: identity.last_modified.as_deref(),
        version_id: identity.version_id.as_deref(),
        object_type: identity.object_type.as_deref(),
        storage_class: stat.storage_class(),
        headers: stat.headers.iter().map(|(name, value)| (&**name, &**value)).collect(),
    })
}

/// What `--json` writes.
#[derive(Debug, Serialize)]
struct Line<'a> {
    v: u8,
    source: &'a str,
    bytes: u64,
    etag: Option<&'a str>,
    crc64: Option<String>,
    last_modified: Option<&'a str>,
    version_id: Option<&'a str>,
    object_type: Option<&'a str>,
    storage_class: Option<&'a str>,
    headers: BTreeMap<&'a str, &'a str>,
}

/// Fields of the answer that have a line of their own.
const SAID: [&str; 6] = [
    "etag",
    "last-modified",
    "x-oss-hash-crc64ecma",
    "x-oss-object-type",
    "x-oss-storage-class",
    "x-oss-version-id",
];
const PATIENCE: Duration = Duration::from_secs(60);
