//! One attempt: one ranged GET, hashed and written as it arrives.

mod buffer;
mod tally;
#[cfg(test)]
mod tests;
mod turn;

pub(super) use turn::Turns;

use super::direct::{Collector, DirectPartial};
use super::report::{Attached, Report, Reporter};
use crate::Object;
use crate::budget::Budget;
use crate::source::{RangeBody, Source, SourceError, transport_failure};
use buffer::{Buffer, Buffers};
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};
use ossget_core::session::{AttemptId, Event, Piece, StorageTask};
use ossget_core::{ByteRange, Failure, ObjectIdentity, PartIndex, PartPlan};
use ossget_fs::{FsError, PartialFile, Syncing};
use ossget_transport::Filled;
use std::sync::Arc;
use std::time::Duration;
use tally::Tally;
use tokio::sync::Notify;
use tokio::time::{sleep_until, timeout, timeout_at};
use turn::After;

/// How long the end of a complete body is waited for, so that its connection can be used again.
pub(super) const END_OF_BODY: Duration = Duration::from_millis(500);

/// What all attempts of one transfer share.
#[derive(Debug)]
pub(super) struct Fetching {
    pub(super) source: Arc<dyn Source>,
    pub(super) budget: Budget,
    pub(super) object: Arc<Object>,
    pub(super) identity: ObjectIdentity,
    pub(super) plan: PartPlan,
    pub(super) partial: Arc<dyn PartialFile>,
    /// The same file, where it is written past the page cache.
    pub(super) direct: Option<DirectPartial>,
    pub(super) buffers: Arc<Buffers>,
    pub(super) turns: Turns,
    pub(super) syncing: Syncing,
    pub(super) reporter: Reporter,
}

/// Runs one attempt to its end, which is always reported: by the last `Stored`, by
/// `AttemptFailed`, or by `StorageFailed`. Where the range's first bytes are on their way already,
/// nothing is asked for.
///
/// # Cancel safety
///
/// Dropping it stops the attempt without a report; nothing half-written is ever counted.
pub(super) async fn run(
    fetching: Arc<Fetching>,
    attempt: AttemptId,
    (range, first): (ByteRange, Option<RangeBody>),
    abort: Arc<Notify>,
) {
    let reporter = fetching.reporter.clone();
    let mut writer = Writer::new(&fetching, attempt, range);
    let end = tokio::select! {
        biased;
        () = abort.notified() => End::aborted(),
        end = transfer(&fetching, (range, first), &mut writer) => end,
    };
    // Also of an attempt that failed: what is reported of it is in the file.
    let end = match writer.settle().await {
        Ok(()) => end,
        Err(error) => End::Storage(error),
    };
    if !matches!(end, End::Storage(_)) {
        writer.end_range();
    }
    writer.tally.tell_parts();
    // The attempt that follows the report finds these blocks free.
    writer.collector = None;
    if let Some(last) = writer.last.take() {
        return reporter.event(last);
    }
    match end {
        End::Complete => {}
        End::Failed(failure, retry_after, attached) => {
            let event = Event::AttemptFailed { attempt, failure, tail: writer.tail(), retry_after };
            reporter.send(Report { event, attached });
        }
        End::Storage(error) => reporter.storage(StorageTask::Attempt(attempt), error),
    }
}

/// How an attempt ended.
enum End {
    /// With the last byte.
    Complete,
    Failed(Failure, Option<Duration>, Attached),
    Storage(FsError),
}

impl End {
    const fn aborted() -> Self {
        Self::Failed(Failure::Aborted, None, Attached::Nothing)
    }

    fn source(error: SourceError) -> Self {
        Self::Failed(error.failure(), error.retry_after(), Attached::Source(error))
    }
}

async fn transfer(
    fetching: &Fetching,
    (range, first): (ByteRange, Option<RangeBody>),
    writer: &mut Writer<'_>,
) -> End {
    let got = match first {
        Some(first) => Ok(first),
        None => fetching.source.get_range(&fetching.object, range, &fetching.identity).await,
    };
    let RangeBody { granted, body, held_back } = match got {
        Ok(got) => got,
        Err(error) => return End::source(error),
    };
    let mut body = fetching.budget.meter(body);
    writer.tally.answered();
    if held_back {
        fetching.reporter.event(Event::HeldBack);
    }
    loop {
        let next = match writer.tally.due() {
            Some(due) => timeout_at(due, body.fill(writer.room())).await.ok(),
            None => Some(body.fill(writer.room()).await),
        };
        let (filled, due) = match next {
            Some(Ok(got)) => got,
            Some(Err(error)) => {
                let (failure, _) = transport_failure(&error);
                return End::Failed(failure, None, Attached::Source(SourceError::from(error)));
            }
            None => {
                writer.tally.tell();
                continue;
            }
        };
        let came = match &filled {
            Filled::Room(bytes) => *bytes,
            Filled::Chunk(chunk) => chunk.len(),
            Filled::End => {
                let kept_its_word = writer.position >= granted.end();
                let failure = if kept_its_word { Failure::Short } else { Failure::Network };
                return End::Failed(failure, None, Attached::Nothing);
            }
        };
        if let Some(due) = due {
            writer.tally.rest_until(due);
            sleep_until(due).await;
        }
        if writer.position + came as u64 > granted.end() {
            let error = SourceError::protocol("the server sent more bytes than it said");
            return End::source(error);
        }
        let written = match filled {
            Filled::Chunk(chunk) => writer.write(&chunk).await,
            _ => writer.filled(came).await,
        };
        match written {
            Ok(()) if writer.last.is_some() => {
                // The connection is free again once the end of the body has been seen; the last
                // part is reported after that, so that the next request finds it free.
                drop(timeout(END_OF_BODY, body.arrival()).await);
                return End::Complete;
            }
            Ok(()) => {}
            Err(error) => return End::Storage(error),
        }
    }
}

/// Hashes and writes the bytes of one attempt, and reports whole parts.
struct Writer<'a> {
    fetching: &'a Fetching,
    attempt: AttemptId,
    range: ByteRange,
    /// Where the next byte belongs in the object.
    position: u64,
    part: PartIndex,
    part_end: u64,
    digest: Digest,
    /// Bytes of the current part that this attempt has written.
    in_part: u64,
    tally: Tally,
    /// Where the file is written past the page cache.
    collector: Option<Collector>,
    /// Where it is written through it: what comes next is put here.
    buffer: Option<Buffer>,
    /// The report of the range's last part, while its last block is being written.
    ending: Option<Event>,
    /// The same, once all of it is in the file.
    last: Option<Event>,
}

impl<'a> Writer<'a> {
    fn new(fetching: &'a Fetching, attempt: AttemptId, range: ByteRange) -> Self {
        let part = attempt.part();
        let at = range.start() - fetching.plan.extent().start();
        let collector = fetching.direct.clone().and_then(|partial| Collector::new(partial, at));
        Self {
            fetching,
            attempt,
            range,
            position: range.start(),
            part,
            part_end: fetching.plan.range(part).map_or_else(|| range.end(), ByteRange::end),
            digest: Digest::new(CrcAlgorithm::Crc64Xz),
            in_part: 0,
            tally: Tally::new(attempt, fetching.reporter.clone()),
            collector,
            buffer: None,
            ending: None,
            last: None,
        }
    }

    /// Where the next bytes are to be put, all of the current part.
    fn room(&mut self) -> &mut [u8] {
        let left = usize::try_from(self.part_end - self.position).unwrap_or(usize::MAX);
        let room = match &mut self.collector {
            Some(collector) => collector.room(),
            None => self.buffer.get_or_insert_with(|| self.fetching.buffers.take()),
        };
        let len = room.len().min(left);
        &mut room[..len]
    }

    /// Hashes and writes what was put into the room, and reports as [`write`](Self::write) does.
    ///
    /// # Cancel safety
    ///
    /// As [`write`](Self::write).
    async fn filled(&mut self, bytes: usize) -> Result<(), FsError> {
        let mut after = After::default();
        if let Some(collector) = &mut self.collector {
            collector.filled(bytes);
            after = self.collected(bytes).await?;
        } else if let Some(buffer) = self.buffer.take() {
            after = self.put_through(&buffer[..bytes]).await?;
            self.buffer = Some(buffer);
        }
        self.report().await?;
        after.others().await;
        Ok(())
    }

    /// Writes a chunk and reports the parts it completes, except the last of the range, whose
    /// report is kept.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it may have taken some of the chunk; [`Writer::settle`] then brings to an end what
    /// was begun.
    async fn write(&mut self, chunk: &Bytes) -> Result<(), FsError> {
        let mut rest = &chunk[..];
        while !rest.is_empty() {
            let room = usize::try_from(self.part_end - self.position).unwrap_or(usize::MAX);
            let (taken, after) = self.put(&rest[..rest.len().min(room)]).await?;
            rest = &rest[taken..];
            self.report().await?;
            after.others().await;
            if self.last.is_some() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Reports parts once they are in the file, and in between how much has come. Of all parts only
    /// the range's last one is waited for.
    async fn report(&mut self) -> Result<(), FsError> {
        if self.position == self.part_end {
            self.flush().await?;
            if self.collector.is_none()
                && let Some(stored) = self.complete_part()
            {
                self.tally.stored(stored);
            }
        }
        if self.ending.is_some() {
            self.written().await?;
            self.end_range();
        } else if self.tally.is_due() {
            self.tally.tell();
        }
        Ok(())
    }

    /// Takes some of the next bytes, all of the same part, and says how many.
    async fn put(&mut self, bytes: &[u8]) -> Result<(usize, After), FsError> {
        let Some(collector) = &mut self.collector else {
            return Ok((bytes.len(), self.put_through(bytes).await?));
        };
        let taken = collector.take(bytes);
        Ok((taken, self.collected(taken).await?))
    }

    /// Hashes and writes bytes through the page cache.
    ///
    /// # Cancel safety
    ///
    /// Safe: they do not count until they are in the file.
    async fn put_through(&mut self, bytes: &[u8]) -> Result<After, FsError> {
        let mut digest = self.digest;
        digest.update(bytes);
        let at = self.position - self.fetching.plan.extent().start();
        let turn = self.fetching.turns.wait().await;
        self.fetching.partial.write_all_at(bytes, at)?;
        self.digest = digest;
        self.in_part += bytes.len() as u64;
        self.took(bytes.len());
        Ok(turn.pass())
    }

    /// Hashes what the collector has got, and has it written once that is enough. One of many then
    /// lets others go on: where the server is faster than the disk, it would find its next bytes there
    /// each time, and 13 of 64 connections had taken 64 MiB each before 36 others had taken one.
    async fn collected(&mut self, bytes: usize) -> Result<After, FsError> {
        self.took(bytes);
        let Some(collector) = &mut self.collector else { return Ok(After::Nobody) };
        self.digest.update(collector.whole_blocks());
        if !collector.is_full() {
            return Ok(After::Nobody);
        }
        let after = match collector.is_one_of_many() {
            true => After::Others,
            false => After::Nobody,
        };
        self.flush().await?;
        Ok(after)
    }

    const fn took(&mut self, bytes: usize) {
        self.position += bytes as u64;
        self.tally.came(bytes);
    }

    /// Hashes what is left of what is collected and begins to write it, once what came before it is
    /// written. A part that it completes is reported as soon as that is done.
    async fn flush(&mut self) -> Result<(), FsError> {
        if self.collector.as_ref().is_none_or(|it| it.len() == 0) {
            return Ok(());
        }
        self.written().await?;
        let Some(collector) = &mut self.collector else { return Ok(()) };
        self.digest.update(collector.rest());
        self.in_part += collector.len() as u64;
        let stored = self.complete_part();
        let Some(collector) = &mut self.collector else { return Ok(()) };
        match &stored {
            // Its bytes are told with it.
            Some(_) if collector.is_inline() => self.tally.left_to_another(),
            // Its report may come later than those of what follows.
            Some(_) => self.tally.tell(),
            None => {}
        }
        let reporter = self.fetching.reporter.clone();
        let Some(collector) = &mut self.collector else { return Ok(()) };
        collector.submit(move || stored.into_iter().for_each(|it| reporter.event(it))).await
    }

    /// Waits until all that was flushed is in the file.
    async fn written(&mut self) -> Result<(), FsError> {
        match &mut self.collector {
            Some(collector) => collector.settle().await,
            None => Ok(()),
        }
    }

    /// Goes on to the next part if all of the current one is hashed and written or about to be: its
    /// report, but for that of the range's last part, which is kept.
    fn complete_part(&mut self) -> Option<Event> {
        let begins = self.fetching.plan.range(self.part).map_or(0, ByteRange::start);
        let begins = begins.max(self.range.start());
        if self.in_part == 0 || begins + self.in_part != self.part_end {
            return None;
        }
        let stored = self.part_stored();
        if self.position < self.range.end() {
            return Some(stored);
        }
        self.ending = Some(stored);
        None
    }

    /// All of the range is in the file, if its last part is complete.
    fn end_range(&mut self) {
        if let Some(stored) = self.ending.take() {
            self.last = Some(stored);
        }
    }

    /// Writes what can be written of what is collected: whole blocks, so that another attempt can
    /// go on past the page cache.
    async fn settle(&mut self) -> Result<(), FsError> {
        if let Some(collector) = &mut self.collector {
            collector.cut();
        }
        self.flush().await?;
        self.written().await
    }

    fn part_stored(&mut self) -> Event {
        let piece = self.tail();
        let stored = Event::Stored {
            attempt: self.attempt,
            part: self.part,
            bytes: piece.bytes,
            crc: piece.crc,
        };
        if self.fetching.syncing == Syncing::Full && self.collector.is_none() {
            let at = self.position - self.fetching.plan.extent().start() - piece.bytes;
            self.fetching.partial.start_writeback(at, piece.bytes);
        }
        self.part = PartIndex::new(self.part.get() + 1);
        self.part_end = self.fetching.plan.range(self.part).map_or(u64::MAX, ByteRange::end);
        self.digest.reset();
        self.in_part = 0;
        stored
    }

    /// What has been written of the current part.
    fn tail(&self) -> Piece {
        if self.in_part == 0 {
            return Piece::default();
        }
        Piece { bytes: self.in_part, crc: self.digest.finalize() }
    }
}
