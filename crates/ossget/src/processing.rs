//! Reading what the service makes of an object.

use crate::budget::MeteredBody;
use crate::patience::with_patience;
use crate::source::{ProcessedBody, SourceError, next_chunk};
use crate::{Client, Error, Object};
use bytes::Bytes;
use std::time::Duration;

/// What the service makes of an object, before it is asked for.
#[derive(Clone, Debug)]
#[must_use = "nothing is read until `open`"]
pub struct ProcessedReading {
    client: Client,
    object: Object,
    style: String,
    retry_max_time: Duration,
    read_timeout: Duration,
}

/// The bytes of what the service made of an object, in one stream.
///
/// No value of the server's covers them. [`chunk`](Self::chunk) fails where the stream breaks off:
/// only its `Ok(None)` says that all bytes came.
///
/// # Cancel safety
///
/// Dropping it ends the request.
#[derive(Debug)]
pub struct ProcessedReader {
    answer: Answer,
}

/// An answer that is read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    len: Option<u64>,
    got: u64,
    body: MeteredBody,
    read_timeout: Duration,
}

impl Client {
    /// What the service makes of an object (`x-oss-process`), such as `image/info`.
    pub fn read_processed(&self, object: Object, style: impl Into<String>) -> ProcessedReading {
        ProcessedReading {
            client: self.clone(),
            object,
            style: style.into(),
            retry_max_time: Duration::from_secs(600),
            read_timeout: Duration::from_secs(20),
        }
    }
}

impl ProcessedReading {
    /// How long it is asked for again where there is no answer; 10 minutes by default.
    pub const fn retry_max_time(mut self, time: Duration) -> Self {
        self.retry_max_time = time;
        self
    }

    /// How long the connection may stay silent in the middle of the bytes; 20 s by default.
    pub const fn read_timeout(mut self, time: Duration) -> Self {
        self.read_timeout = time;
        self
    }

    /// Asks for it.
    ///
    /// # Errors
    ///
    /// Those of the service and of the way there, after the last attempt;
    /// [`Config`](crate::ErrorKind::Config) where the client's source cannot ask for that.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the request.
    pub async fn open(self) -> Result<ProcessedReader, Error> {
        let Self { client, object, style, retry_max_time, read_timeout } = self;
        let ask = || Answer::to(&client, &object, &style, read_timeout);
        Ok(ProcessedReader { answer: with_patience(retry_max_time, ask).await? })
    }
}

impl ProcessedReader {
    /// How many bytes there are in all, where the service says so beforehand.
    #[must_use]
    pub const fn total(&self) -> Option<u64> {
        self.answer.len
    }

    /// The next bytes; `None` after the last one.
    ///
    /// # Errors
    ///
    /// Where the stream breaks off or goes silent. It is not asked for again: what was given out
    /// cannot be taken back, and the service need not make the same of the object twice.
    ///
    /// # Cancel safety
    ///
    /// No byte is lost when it is dropped.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        self.answer.chunk().await.map_err(Error::from)
    }
}

impl Answer {
    pub(crate) async fn to(
        client: &Client,
        object: &Object,
        style: &str,
        read_timeout: Duration,
    ) -> Result<Self, SourceError> {
        let ProcessedBody { len, body } = client.source.get_processed(object, style).await?;
        Ok(Self { len, got: 0, body: client.budget.meter(body), read_timeout })
    }

    pub(crate) const fn len(&self) -> Option<u64> {
        self.len
    }

    /// The next bytes; `None` after the last one.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, SourceError> {
        let chunk = next_chunk(&mut self.body, self.read_timeout).await?;
        self.got += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        let is_over = |len: u64| match chunk {
            Some(_) => self.got > len,
            None => self.got < len,
        };
        if self.len.is_some_and(is_over) {
            let what = "the server sent another number of bytes than it said";
            return Err(SourceError::protocol(what));
        }
        Ok(chunk)
    }
}
