//! The threads that run everything.

use ossget::{Error, ErrorKind};
use std::num::NonZeroUsize;
use std::sync::mpsc;
use std::time::Duration;
use std::{io, thread};

/// What tasks have their thread wait for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Waits {
    /// Next to nothing.
    Never,
    /// The disk, since they write past the page cache.
    ForTheDisk,
}

/// Starts them.
pub(crate) fn runtime(waits: Waits) -> Result<tokio::runtime::Runtime, Error> {
    let failed = |error| {
        Error::new(ErrorKind::Internal, "the runtime cannot be started")
            .with_source(error)
            .with_hint("allow more threads, open files and memory: see `ulimit -u`, `-n` and `-v`")
    };
    let workers = workers(waits);
    require_resources(workers + OTHER_THREADS).map_err(failed)?;
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        // The first thread for what blocks stays: where the system refuses more threads later,
        // work waits for this one, and without any there would be a panic.
        .thread_keep_alive(FOR_EVER)
        .enable_all()
        .build()
        .map_err(failed)
}

/// Tries whether there are the threads and descriptors without which no download can end: the
/// runtime does not return an error but panics where the system refuses them.
fn require_resources(threads: usize) -> io::Result<()> {
    let mut waiting = Vec::new();
    for _ in 0..threads {
        let (ended, end) = mpsc::channel::<()>();
        // What it receives is the news that the sender was dropped.
        let thread = thread::Builder::new().spawn(move || end.recv().is_ok())?;
        waiting.push((ended, thread));
    }
    let pipes: Vec<_> = (0..PIPES).map(|_| io::pipe()).collect::<Result<_, _>>()?;
    drop(pipes);
    for (ended, thread) in waiting {
        drop(ended);
        // It cannot panic.
        drop(thread.join());
    }
    Ok(())
}

/// Threads that run the tasks: as many as there are processors, and one more where they wait for the
/// disk. More are woken for nothing, by what comes while others write: with 3, 4, 6 of them on 2 processors
/// a download to a fast disk takes 0.90, 0.85, 0.84 of the floor's time and 1.23, 1.26, 1.29 of its
/// processor time, and with 3 one to memory takes a fourteenth longer.
fn workers(waits: Waits) -> usize {
    let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let workers = match waits {
        Waits::Never => processors.max(LEAST_WORKERS),
        Waits::ForTheDisk => processors + 1,
    };
    workers.min(MOST_WORKERS)
}

/// So that timers go on while the system is slow to take what is written.
const LEAST_WORKERS: usize = 2;

/// Eight connections keep no more busy.
const MOST_WORKERS: usize = 8;

/// One that blocks, the one that tells, the committer, the one that catches signals.
const OTHER_THREADS: usize = 4;

/// Each is two descriptors: five of the runtime, four of the one that catches signals, six of the
/// destination, its directory and what lies beside it, one of a connection.
const PIPES: usize = 8;

const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_threads_wait_for_the_disk_there_are_more() {
        let processors = thread::available_parallelism().unwrap().get();
        assert_eq!(workers(Waits::ForTheDisk), (processors + 1).min(8));
        assert_eq!(workers(Waits::Never), processors.clamp(2, 8));
    }
}
