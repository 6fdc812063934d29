//! What is read.

use crate::KEY;
use crate::file::Column;
use arrow_array::RecordBatch;
use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::{ObjectStore, path::Path};
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::arrow::async_reader::AsyncFileReader as _;
#[expect(deprecated, reason = "it is still what users have")]
use parquet::arrow::async_reader::ParquetObjectReader;
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};
use parquet::file::metadata::{FileMetaData, RowGroupMetaData};
use std::ops::Range;
use std::sync::Arc;

/// One way to read the file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Read {
    /// The footer and the metadata, of a file whose length is not known.
    Metadata,
    /// Row group after row group, as parquet's stream does: one call for each.
    Stream(&'static [Column]),
    /// The chunks of all row groups by one call.
    AtOnce(&'static [Column]),
    /// All of the rows' bytes as one range.
    OneRange,
}

/// What it must cost through both stores.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub(crate) requests: usize,
    /// So many of them under way at once.
    pub(crate) at_once: usize,
}

/// With how many requests there are by the layout of the file. Through the stream the reads of a row
/// group end before those of the next begin, and at most ten ranges of one call are asked for at once.
pub(crate) const READS: [(&str, Read, Expected); 8] = [
    ("metadata", Read::Metadata, Expected { requests: 2, at_once: 1 }),
    ("all columns, streamed", Read::Stream(ALL), Expected { requests: 12, at_once: 1 }),
    ("one column, streamed", Read::Stream(ONE), Expected { requests: 12, at_once: 1 }),
    ("two 0.25 MiB apart, streamed", Read::Stream(NEAR), Expected { requests: 12, at_once: 1 }),
    ("two 3 MiB apart, streamed", Read::Stream(FAR), Expected { requests: 24, at_once: 2 }),
    ("one column, one call", Read::AtOnce(ONE), Expected { requests: 12, at_once: 10 }),
    // The last column of a row group and the first of the next lie side by side.
    ("two 3 MiB apart, one call", Read::AtOnce(FAR), Expected { requests: 13, at_once: 10 }),
    ("all rows, one range", Read::OneRange, Expected { requests: 1, at_once: 1 }),
];

const ALL: &[Column] = &[];
const ONE: &[Column] = &[Column::Price];
const NEAR: &[Column] = &[Column::Key, Column::Name];
const FAR: &[Column] = &[Column::Key, Column::Time];

/// What came of it.
#[derive(Debug, PartialEq)]
pub(crate) enum Got {
    Metadata(FileMetaData, Vec<RowGroupMetaData>),
    Rows(Vec<RecordBatch>),
    Bytes(Vec<Bytes>),
}

impl Read {
    /// Carries it out; only `Metadata` asks the store for what `metadata` has.
    pub(crate) async fn run(
        self,
        store: &Arc<dyn ObjectStore>,
        metadata: &ArrowReaderMetadata,
    ) -> Got {
        #[expect(deprecated, reason = "it is still what users have")]
        let mut file = ParquetObjectReader::new(Arc::clone(store), Path::from(KEY));
        match self {
            Self::Metadata => {
                let found = file.get_metadata(None).await.unwrap();
                Got::Metadata(found.file_metadata().clone(), found.row_groups().to_vec())
            }
            Self::Stream(columns) => {
                let stream =
                    ParquetRecordBatchStreamBuilder::new_with_metadata(file, metadata.clone());
                let mask = match columns {
                    [] => ProjectionMask::all(),
                    _ => ProjectionMask::roots(
                        metadata.parquet_schema(),
                        columns.iter().map(|column| column.index()),
                    ),
                };
                let stream = stream.with_projection(mask).build().unwrap();
                Got::Rows(stream.try_collect().await.unwrap())
            }
            Self::AtOnce(columns) => {
                Got::Bytes(file.get_byte_ranges(chunks(metadata, columns)).await.unwrap())
            }
            Self::OneRange => {
                let all = chunks(metadata, &[Column::Key, Column::Time]);
                let all = all[0].start..all[all.len() - 1].end;
                Got::Bytes(file.get_byte_ranges(vec![all]).await.unwrap())
            }
        }
    }
}

/// Where the chunks of these columns lie, row group after row group.
fn chunks(metadata: &ArrowReaderMetadata, columns: &[Column]) -> Vec<Range<u64>> {
    let groups = metadata.metadata().row_groups().iter();
    let chunks = groups.flat_map(|group| columns.iter().map(|it| group.column(it.index())));
    let ranges = chunks.map(|chunk| chunk.byte_range());
    ranges.map(|(start, length)| start..start + length).collect()
}
