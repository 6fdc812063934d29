//! JSON Lines: the same story for programs.

use super::{Told, json_line};
use crate::exit;
use ossget::Error;
use serde::Serialize;
use std::io::{self, Write};
use std::time::Duration;

/// The version of the format, in every line. New fields do not change it.
const VERSION: u8 = 1;

/// One line.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Line<'a> {
    /// The object is known. Comes again when the download starts over.
    Start {
        source: &'a str,
        destination: &'a str,
        bytes_total: Option<u64>,
        bytes_resumed: u64,
        part_size: u64,
        parallel: u32,
    },
    /// About once a second, and at the end. `bytes_done` never falls between two starts.
    Progress { bytes_done: u64, bytes_total: Option<u64>, bytes_per_second: u64 },
    /// A range failed and is tried again.
    PartRetry { range: String, attempt: u32, reason: &'a str, delay_ms: u64 },
    /// Downloaded and published.
    ObjectDone(ObjectDone<'a>),
    /// It was there already.
    ObjectSkipped(ObjectSkipped<'a>),
    /// Not downloaded.
    ObjectFailed(ObjectFailed<'a>),
    /// The last line.
    Summary(Summary),
}

/// `object_done`.
#[derive(Debug, Serialize)]
pub(crate) struct ObjectDone<'a> {
    source: &'a str,
    destination: &'a str,
    bytes: u64,
    fetched_bytes: u64,
    resumed_bytes: u64,
    requests: u64,
    attempts_failed: u64,
    etag: Option<&'a str>,
    crc64: String,
    integrity: &'static str,
    seconds: f64,
}

/// `object_skipped`.
#[derive(Debug, Serialize)]
pub(crate) struct ObjectSkipped<'a> {
    source: &'a str,
    destination: &'a str,
    bytes: u64,
    etag: Option<&'a str>,
    crc64: String,
    integrity: &'static str,
    seconds: f64,
}

/// `object_failed`.
#[derive(Debug, Serialize)]
pub(crate) struct ObjectFailed<'a> {
    source: &'a str,
    destination: &'a str,
    kind: String,
    message: String,
    service_code: Option<&'a str>,
    ec: Option<&'a str>,
    request_id: Option<&'a str>,
    resumable: bool,
}

/// `summary`.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Summary {
    pub(crate) objects_done: u64,
    pub(crate) objects_failed: u64,
    pub(crate) objects_skipped: u64,
    pub(crate) bytes: u64,
    pub(crate) fetched_bytes: u64,
    pub(crate) seconds: f64,
    pub(crate) exit_code: u8,
}

/// From where to where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route<'a> {
    /// The object.
    pub(crate) source: &'a str,
    /// The file.
    pub(crate) destination: &'a str,
}

/// Where lines go.
pub(crate) struct Lines {
    sinks: Vec<Sink>,
}

/// One place that lines go to.
pub(crate) struct Sink {
    /// What to call it when it fails.
    pub(crate) name: String,
    /// The place itself.
    pub(crate) writer: Box<dyn Write + Send>,
}

impl Line<'_> {
    /// What became of an object that is there now.
    pub(crate) fn told<'a>(told: &'a Told, route: Route<'a>) -> Line<'a> {
        let Route { source, destination } = route;
        let Told { bytes, integrity, .. } = *told;
        let (etag, crc64) = (told.etag.as_deref(), told.crc64.to_string());
        let seconds = seconds(told.elapsed);
        if told.already_there {
            return Line::ObjectSkipped(ObjectSkipped {
                source,
                destination,
                bytes,
                etag,
                crc64,
                integrity,
                seconds,
            });
        }
        Line::ObjectDone(ObjectDone {
            source,
            destination,
            bytes,
            fetched_bytes: told.fetched_bytes,
            resumed_bytes: told.resumed_bytes,
            requests: told.requests,
            attempts_failed: told.attempts_failed,
            etag,
            crc64,
            integrity,
            seconds,
        })
    }

    /// What became of an object that is not there.
    pub(crate) fn failed<'a>(error: &'a Error, route: Route<'a>) -> Line<'a> {
        Line::ObjectFailed(ObjectFailed {
            source: route.source,
            destination: route.destination,
            kind: exit::name(error.kind()),
            message: whole_message(error),
            service_code: error.service_code(),
            ec: error.ec(),
            request_id: error.request_id(),
            resumable: error.is_resumable(),
        })
    }
}

impl Lines {
    /// Lines to all of `sinks`.
    pub(crate) const fn new(sinks: Vec<Sink>) -> Self {
        Self { sinks }
    }

    /// Writes a line everywhere. A sink that fails gets no more lines, and the download goes on;
    /// returns what should be said about it.
    pub(crate) fn write(&mut self, line: &Line<'_>) -> Vec<String> {
        #[derive(Serialize)]
        struct Versioned<'a> {
            v: u8,
            #[serde(flatten)]
            line: &'a Line<'a>,
        }
        let text = json_line(&Versioned { v: VERSION, line });
        let mut warnings = Vec::new();
        self.sinks.retain_mut(|sink| {
            // One call, so that nothing else comes between the pieces of a line.
            let written = sink.writer.write_all(text.as_bytes());
            match written.and_then(|()| sink.writer.flush()) {
                Ok(()) => true,
                // A reader that has seen enough, as in `| head`, is nothing to complain of.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => false,
                Err(error) => {
                    warnings.push(format!("{} ends early: {error}", sink.name));
                    false
                }
            }
        });
        warnings
    }
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("sinks", &self.sinks.len()).finish()
    }
}

/// Seconds with milliseconds: the number that is nearest to these digits, which a sum of seconds and their
/// fraction need not be.
pub(crate) fn seconds(time: Duration) -> f64 {
    let digits = format!("{}.{:03}", time.as_secs(), time.subsec_millis());
    digits.parse().unwrap_or(time.as_secs_f64())
}

/// The message and its causes in one line.
pub(crate) fn whole_message(error: &Error) -> String {
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        message.push_str(": ");
        message.push_str(&error.to_string());
        cause = error.source();
    }
    message
}

#[cfg(test)]
mod tests;
