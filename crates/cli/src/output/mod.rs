//! Telling how it goes: to people on standard error, to programs in JSON Lines.

mod lines;
mod mailbox;
mod rate;
mod screen;
mod text;
mod waiting;

pub(crate) use lines::{Lines, seconds, whole_message};
pub(crate) use mailbox::{Mailbox, Note};
pub(crate) use screen::{Screen, Verbosity};
pub(crate) use text::{bytes, json_line, of, shown};

use crate::exit;
use crate::low::OutputArgs;
use lines::{Line, Route, Sink, Summary};
use ossget::{Completion, DownloadEvent, Downloaded, Error, ErrorKind, Integrity, Phase, Progress};
use rate::Rate;
use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use waiting::Waiting;

/// The names of what is downloaded.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    /// The source for programs: as it is, without a query.
    pub(crate) source: String,
    /// The destination: as it was typed, then the file that is meant.
    pub(crate) destination: String,
}

/// How it ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The file is there.
    Done(Told),
    /// It is not.
    Failed(Failed),
}

/// What there is to tell of a download that succeeded.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) already_there: bool,
    pub(crate) bytes: u64,
    pub(crate) fetched_bytes: u64,
    pub(crate) resumed_bytes: u64,
    pub(crate) requests: u64,
    pub(crate) attempts_failed: u64,
    pub(crate) etag: Option<String>,
    pub(crate) crc64: u64,
    pub(crate) integrity: &'static str,
    pub(crate) elapsed: Duration,
    pub(crate) destination: String,
}

/// What there is to tell of a download that failed.
#[derive(Debug)]
pub(crate) struct Failed {
    /// Why.
    pub(crate) error: Error,
    /// What the next run finds.
    pub(crate) kept: Option<Kept>,
    /// What the process exits with.
    pub(crate) exit_code: u8,
}

/// Bytes that the next run need not fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// So many.
    pub(crate) bytes: u64,
    /// Of so many.
    pub(crate) total: u64,
}

/// How far a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) phase: Phase,
    pub(crate) bytes: u64,
    pub(crate) total: Option<u64>,
    /// Kept from earlier runs and not yet checked; not in `bytes`.
    pub(crate) unchecked: u64,
    pub(crate) fetched: u64,
    pub(crate) per_second: u64,
}

/// Everything that is told of one download, in order.
#[derive(Debug)]
pub(crate) struct Story {
    names: Names,
    screen: Screen,
    lines: Lines,
    begun: Instant,
    rate: Rate,
    /// `None` until the object is known.
    view: Option<View>,
    last_line: Option<Instant>,
    waiting: Waiting,
}

impl Story {
    /// A story that has not begun.
    pub(crate) fn new(names: Names, screen: Screen, lines: Lines) -> Self {
        Self {
            names,
            screen,
            lines,
            begun: Instant::now(),
            rate: Rate::default(),
            view: None,
            last_line: None,
            waiting: Waiting::new(Duration::from_secs(600), Instant::now()),
        }
    }

    /// Sets how long the library goes on without any progress; 10 minutes by default.
    pub(crate) fn patience(mut self, patience: Option<Duration>) -> Self {
        if let Some(patience) = patience {
            self.waiting = Waiting::new(patience, self.begun);
        }
        self
    }

    /// Tells what comes into `mailbox`, up to and with the ending, on a thread of its own.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub(crate) fn tell(mut self, mailbox: Arc<Mailbox>) -> io::Result<JoinHandle<()>> {
        thread::Builder::new().name("output".to_owned()).spawn(move || {
            loop {
                match mailbox.take(TICK) {
                    Some(Note::Event(event)) => self.event(&event, Instant::now()),
                    Some(Note::Progress(view)) => self.advance(Some(view), Instant::now()),
                    Some(Note::Log(line)) => self.screen.log(&line),
                    Some(Note::Ending(ending)) => return self.end(&ending),
                    None => self.advance(None, Instant::now()),
                }
            }
        })
    }

    /// Tells the ending.
    pub(crate) fn end(&mut self, ending: &Ending) {
        let now = Instant::now();
        self.screen.clear();
        if let Some(view) = self.view {
            self.progress_line(view, now);
        }
        let mut summary = Summary {
            fetched_bytes: self.view.map_or(0, |view| view.fetched),
            seconds: seconds(now - self.begun),
            ..Summary::default()
        };
        match ending {
            Ending::Done(told) => {
                self.names.destination.clone_from(&told.destination);
                summary.objects_done = u64::from(!told.already_there);
                summary.objects_skipped = u64::from(told.already_there);
                summary.bytes = if told.already_there { 0 } else { told.bytes };
                summary.fetched_bytes = told.fetched_bytes;
                summary.exit_code = exit::DONE;
                self.write(&Line::told(told, self.names.clone().route()));
                self.screen.done(&text::told(told, &self.names.destination));
            }
            Ending::Failed(failed) => {
                summary.objects_failed = 1;
                summary.exit_code = failed.exit_code;
                self.write(&Line::failed(&failed.error, self.names.clone().route()));
                self.screen.failure(failed, &self.names.place());
            }
        }
        self.write(&Line::Summary(summary));
    }

    fn event(&mut self, event: &DownloadEvent, now: Instant) {
        match event {
            DownloadEvent::Started {
                destination,
                bytes_total,
                bytes_resumed,
                part_size,
                parallel,
            } => {
                self.names.destination = destination.to_string_lossy().into_owned();
                self.view = Some(View::at_start(*bytes_total, *bytes_resumed));
                self.last_line = None;
                let Names { source, destination } = self.names.clone();
                self.write(&Line::Start {
                    source: &source,
                    destination: &destination,
                    bytes_total: *bytes_total,
                    bytes_resumed: *bytes_resumed,
                    part_size: *part_size,
                    parallel: *parallel,
                });
                self.screen.started(*bytes_total, *bytes_resumed, now);
            }
            DownloadEvent::ProbeFailed { reason, .. } => self.waiting.failed(reason),
            DownloadEvent::Lost { bytes: lost } => self.screen.warn(&format!(
                "{} that were kept are not on the disk as they were; fetching them again",
                bytes(*lost)
            )),
            DownloadEvent::Retry { range, attempt, reason, delay, .. } => {
                self.waiting.failed(reason);
                let range = crate::range::text(*range);
                self.screen.retry(&range, *attempt, reason, *delay);
                self.write(&Line::PartRetry {
                    range,
                    attempt: *attempt,
                    reason,
                    delay_ms: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
                });
            }
            DownloadEvent::Warning { message } => self.screen.warn(message),
            // Progress comes as a note of its own; what a later library adds cannot be told yet.
            _ => {}
        }
    }

    /// Takes over where the download is now, and tells of it when it is time to.
    fn advance(&mut self, news: Option<View>, now: Instant) {
        if let Some(news) = news {
            self.waiting.at(news, now);
        }
        if let Some(text) = self.waiting.due(now) {
            self.screen.warn(&text);
        }
        let Some(view) = &mut self.view else { return self.screen.waiting(self.waiting.reason()) };
        if let Some(news) = news {
            // A download that starts over falls back before it says so with a new start.
            let bytes = news.bytes.max(view.bytes);
            *view = View { bytes, ..news };
        }
        self.rate.sample(now, view.fetched);
        view.per_second = self.rate.per_second(now);
        let view = *view;
        self.screen.progress(&view, self.waiting.reason(), now);
        if self.last_line.is_none_or(|last| now - last >= LINE_INTERVAL) {
            self.progress_line(view, now);
        }
    }

    fn progress_line(&mut self, view: View, now: Instant) {
        self.last_line = Some(now);
        self.write(&Line::Progress {
            bytes_done: view.bytes,
            bytes_total: view.total,
            bytes_per_second: view.per_second,
        });
    }

    fn write(&mut self, line: &Line<'_>) {
        for warning in self.lines.write(line) {
            self.screen.warn(&warning);
        }
    }
}

impl Names {
    fn place(&self) -> String {
        format!("{} to {}", shown(&self.source), shown(&self.destination))
    }

    fn route(&self) -> Route<'_> {
        Route { source: &self.source, destination: &self.destination }
    }
}

impl View {
    const fn at_start(total: Option<u64>, unchecked: u64) -> Self {
        Self { phase: Phase::Transferring, bytes: 0, total, unchecked, fetched: 0, per_second: 0 }
    }

    const fn of(progress: Progress) -> Self {
        Self {
            phase: progress.phase(),
            bytes: progress.bytes(),
            total: progress.total(),
            unchecked: progress.unchecked(),
            fetched: progress.fetched(),
            per_second: 0,
        }
    }

    /// How long it takes at this rate; `None` where nothing moves or the length is unknown.
    fn time_left(&self) -> Option<Duration> {
        let left = self.total?.saturating_sub(self.bytes).saturating_sub(self.unchecked);
        left.checked_div(self.per_second).filter(|_| left > 0).map(Duration::from_secs)
    }
}

impl From<Downloaded> for Told {
    fn from(done: Downloaded) -> Self {
        Self {
            already_there: done.completion == Completion::AlreadyThere,
            bytes: done.bytes,
            fetched_bytes: done.fetched_bytes,
            resumed_bytes: done.resumed_bytes,
            requests: done.requests,
            attempts_failed: done.attempts_failed,
            etag: done.etag,
            crc64: done.crc64,
            integrity: integrity(done.integrity),
            elapsed: done.elapsed,
            destination: done.destination.to_string_lossy().into_owned(),
        }
    }
}

/// Writes to standard output. Whoever reads it may have seen enough.
///
/// # Errors
///
/// [`ErrorKind::Storage`].
pub(crate) fn print(text: &str) -> Result<(), Error> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| {
            Error::new(ErrorKind::Storage, "cannot write to standard output").with_source(error)
        }),
    }
}

/// The lines to standard output, if the user wants any.
pub(crate) fn stdout_lines(low: &OutputArgs) -> Vec<Sink> {
    let sink = || Sink { name: "the output of --json".to_owned(), writer: Box::new(io::stdout()) };
    low.json.then(sink).into_iter().collect()
}

/// The lines that the user wants.
///
/// # Errors
///
/// [`ErrorKind::Storage`] if the file of `--report` cannot be made.
pub(crate) fn lines(low: &OutputArgs) -> Result<Lines, Error> {
    let mut sinks = stdout_lines(low);
    if let Some(path) = &low.report {
        let name = format!("the report {}", shown(&path.to_string_lossy()));
        let file = File::create(path).map_err(|error| {
            Error::new(ErrorKind::Storage, format!("cannot write {name}")).with_source(error)
        })?;
        sinks.push(Sink { name, writer: Box::new(file) });
    }
    Ok(Lines::new(sinks))
}

pub(crate) const fn integrity(integrity: Integrity) -> &'static str {
    match integrity {
        Integrity::Verified => "verified",
        Integrity::VerifiedByUser => "verified-by-user",
        Integrity::UnverifiedByServer => "unverified-by-server",
        Integrity::ResumedPartsTrusted => "resumed-parts-trusted",
        Integrity::RangeUnverified => "range-unverified",
        // What a later library may add is at least not one of the above.
        _ => "unknown",
    }
}

/// How often the rate is brought up to date while nothing happens.
const TICK: Duration = Duration::from_millis(500);

/// How often JSON Lines tell of progress.
const LINE_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
