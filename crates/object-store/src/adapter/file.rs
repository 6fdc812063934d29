//! The bytes of a file that a store of files hands out.

use async_trait::async_trait;
use bytes::Bytes;
use ossget::{BodyStream, ByteRange, TransportError, TransportErrorKind};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinHandle;

/// A range of a file, read a piece at a time off the runtime's threads. The store's own stream has
/// pieces of 8 KiB, which cost more than the bytes.
#[derive(Debug)]
pub(super) struct FileBody {
    file: Arc<Mutex<File>>,
    rest: ByteRange,
    /// Survives that whoever waits for it is dropped, so that no byte is lost.
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FileBody {
    pub(super) fn new(file: File, range: ByteRange) -> Self {
        Self { file: Arc::new(Mutex::new(file)), rest: range, reading: None }
    }
}

#[async_trait]
impl BodyStream for FileBody {
    async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (file, at) = (Arc::clone(&self.file), self.rest.start());
        let most = self.rest.len().min(PIECE);
        let reading = self
            .reading
            .get_or_insert_with(|| tokio::task::spawn_blocking(move || read(&file, at, most)));
        let read = reading.await.map_err(io::Error::other).flatten();
        self.reading = None;
        let bytes = read.map_err(|error| {
            TransportError::new(TransportErrorKind::Broken, None, Some(Box::new(error)))
        })?;
        let start = at.saturating_add(bytes.len() as u64);
        self.rest = ByteRange::new(start, self.rest.end()).unwrap_or(self.rest);
        Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}

/// The bytes at this place, none after the end of the file.
fn read(file: &Mutex<File>, at: u64, most: u64) -> io::Result<Bytes> {
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::with_capacity(usize::try_from(most).unwrap_or_default());
    (&mut *file).take(most).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

const PIECE: u64 = 1 << 20;
