//! Deleting objects, many at once.

use super::OssStore;
use super::error::told;
use super::object_store::{Error, path::Path};
use futures::stream::{self, BoxStream, StreamExt as _};

impl OssStore {
    /// Deletes what the stream names, 1,000 objects by one request, and tells what became of each in
    /// the stream's order.
    pub(super) fn delete_all(
        &self,
        locations: BoxStream<'static, Result<Path, Error>>,
    ) -> BoxStream<'static, Result<Path, Error>> {
        let store = self.clone();
        let batches = locations.chunks(MOST_KEYS).map(move |batch| store.clone().delete(batch));
        batches.buffered(PARALLEL).flat_map(stream::iter).boxed()
    }

    async fn delete(self, batch: Vec<Result<Path, Error>>) -> Vec<Result<Path, Error>> {
        let paths: Vec<Path> = batch.iter().flatten().cloned().collect();
        let keys: Vec<String> = paths.iter().map(ToString::to_string).collect();
        let deleted = match self.bucket.delete_all(&keys).await {
            Ok(deleted) => deleted,
            Err(error) => keys.iter().map(|_| Err(error.repeated())).collect(),
        };
        let mut deleted = paths.into_iter().zip(deleted).map(|(path, deleted)| match deleted {
            Ok(()) => Ok(path),
            Err(error) => Err(told(error, &path)),
        });
        let outcome = |given: Result<Path, Error>| match given {
            Ok(_) => deleted.next(),
            Err(error) => Some(Err(error)),
        };
        batch.into_iter().filter_map(outcome).collect()
    }
}

/// Keys of one request at most.
const MOST_KEYS: usize = 1_000;
/// Requests at once.
const PARALLEL: usize = 4;
