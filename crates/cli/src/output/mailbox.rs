//! What the download has to say, on its way to the thread that says it.
//!
//! The download must never wait for a terminal or a pipe that nobody reads. So it only leaves
//! notes here; progress that nobody has looked at yet is replaced, which bounds the memory.

use super::{Ending, View};
use ossget::DownloadEvent;
use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Something to tell.
#[derive(Debug)]
pub(crate) enum Note {
    /// What the library reports, but for progress.
    Event(DownloadEvent),
    /// How far it is.
    Progress(View),
    /// A line of the log.
    Log(String),
    /// The end; nothing comes after it.
    Ending(Box<Ending>),
}

impl Note {
    /// What the library reports.
    pub(crate) fn of(event: &DownloadEvent) -> Self {
        match event {
            DownloadEvent::Progress(progress) => Self::Progress(View::of(*progress)),
            other => Self::Event(other.clone()),
        }
    }
}

/// Notes in the order they were left.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    notes: Mutex<VecDeque<Note>>,
    arrival: Condvar,
}

impl Mailbox {
    /// Leaves a note. Never waits for the reader.
    pub(crate) fn post(&self, note: Note) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if is_progress(&note) && notes.back().is_some_and(is_progress) {
            notes.pop_back();
        }
        notes.push_back(note);
        drop(notes);
        self.arrival.notify_one();
    }

    /// The oldest note, or `None` if none came within `wait`.
    pub(crate) fn take(&self, wait: Duration) -> Option<Note> {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut notes, _) = self
            .arrival
            .wait_timeout_while(notes, wait, |notes| notes.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        notes.pop_front()
    }
}

/// Log lines, written as one call each.
impl io::Write for &Mailbox {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.post(Note::Log(String::from_utf8_lossy(line).trim_end().to_owned()));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const fn is_progress(note: &Note) -> bool {
    matches!(note, Note::Progress(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn warning(message: &str) -> Note {
        Note::Event(DownloadEvent::Warning { message: message.to_owned() })
    }

    #[test]
    fn notes_are_read_in_order_and_none_is_lost() {
        let mailbox = Mailbox::default();
        mailbox.post(warning("first"));
        (&mailbox).write_all(b"second\n").unwrap();
        let Some(Note::Event(DownloadEvent::Warning { message })) = mailbox.take(Duration::ZERO)
        else {
            panic!("no warning");
        };
        assert_eq!(message, "first");
        assert!(matches!(mailbox.take(Duration::ZERO), Some(Note::Log(line)) if line == "second"));
        assert!(mailbox.take(Duration::ZERO).is_none());
    }

    #[test]
    fn progress_that_nobody_looked_at_is_replaced() {
        let mailbox = Mailbox::default();
        let at = |bytes| Note::Progress(View { bytes, ..View::at_start(None, 0) });
        for bytes in 0..1000 {
            mailbox.post(at(bytes));
        }
        mailbox.post(warning("between"));
        mailbox.post(at(1000));
        mailbox.post(at(1001));
        let mut left = Vec::new();
        while let Some(note) = mailbox.take(Duration::ZERO) {
            left.push(match note {
                Note::Progress(view) => Some(view.bytes),
                _ => None,
            });
        }
        assert_eq!(left, [Some(999), None, Some(1001)]);
    }

    #[test]
    fn a_reader_is_woken_by_another_thread() {
        let mailbox = Mailbox::default();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| mailbox.take(Duration::from_secs(60)));
            mailbox.post(warning("wake up"));
            assert!(reader.join().unwrap().is_some());
        });
    }
}
