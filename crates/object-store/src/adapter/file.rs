//! The bytes of a file that a store of files hands out.

use async_trait::async_trait;
use bytes::Bytes;
use ossget::{BodyStream, ByteRange, TransportError, TransportErrorKind};
use std::fs::{File, Metadata};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use tokio::task::JoinHandle;

/// A range of a file, read a piece at a time off the runtime's threads. The store's own stream has
/// pieces of 8 KiB, which cost more than the bytes.
///
/// Others may write to the file meanwhile, which no condition of a request sees: it must be at the end
/// what it was at the beginning.
#[derive(Debug)]
pub(super) struct FileBody {
    file: Arc<Mutex<File>>,
    /// What it was at the beginning.
    state: State,
    rest: ByteRange,
    /// Survives that whoever waits for it is dropped, so that no byte is lost.
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FileBody {
    pub(super) fn new(file: File, range: ByteRange) -> io::Result<Self> {
        let state = State::of(&file.metadata()?);
        Ok(Self { file: Arc::new(Mutex::new(file)), state, rest: range, reading: None })
    }
}

#[async_trait]
impl BodyStream for FileBody {
    async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (file, at, state) = (Arc::clone(&self.file), self.rest.start(), self.state);
        let most = self.rest.len().min(PIECE);
        let reading = self.reading.get_or_insert_with(|| {
            tokio::task::spawn_blocking(move || read(&file, at, most, state))
        });
        let read = reading.await.map_err(io::Error::other).flatten();
        self.reading = None;
        let bytes = read.map_err(|error| {
            let kind = match error.kind() {
                // A file of a length that is none: trying again will not help for long.
                io::ErrorKind::UnexpectedEof => TransportErrorKind::Protocol,
                _ => TransportErrorKind::Broken,
            };
            TransportError::new(kind, None, Some(Box::new(error)))
        })?;
        let start = at.saturating_add(bytes.len() as u64);
        self.rest = ByteRange::new(start, self.rest.end()).unwrap_or(self.rest);
        Ok(Some(bytes))
    }
}

/// What changes with a file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    len: u64,
    modified: Option<SystemTime>,
    /// Of all changes, even of those whose time is set back: seconds and nanoseconds.
    changed: Option<(i64, i64)>,
}

impl State {
    fn of(metadata: &Metadata) -> Self {
        Self { len: metadata.len(), modified: metadata.modified().ok(), changed: changed(metadata) }
    }
}

#[cfg(unix)]
fn changed(metadata: &Metadata) -> Option<(i64, i64)> {
    use std::os::unix::fs::MetadataExt as _;
    Some((metadata.ctime(), metadata.ctime_nsec()))
}

#[cfg(not(unix))]
fn changed(_: &Metadata) -> Option<(i64, i64)> {
    None
}

/// The bytes at this place, one at least, of the file as it was.
fn read(file: &Mutex<File>, at: u64, most: u64, state: State) -> io::Result<Bytes> {
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::with_capacity(usize::try_from(most).unwrap_or_default());
    (&mut *file).take(most).read_to_end(&mut bytes)?;
    if State::of(&file.metadata()?) != state {
        return Err(io::Error::other("the file was changed while it was read"));
    }
    if bytes.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the file ends before its length",
        ));
    }
    Ok(bytes.into())
}

const PIECE: u64 = 1 << 20;
