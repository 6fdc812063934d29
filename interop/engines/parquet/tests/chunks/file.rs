//! The file that is read.

use arrow_array::{Array, FixedSizeBinaryArray, Float64Array, Int64Array, RecordBatch};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use std::sync::Arc;

/// How many row groups there are: more than a store asks for at once.
pub(crate) const GROUPS: u64 = 12;

/// A column, by where it lies in a row group of 3.5 MiB: of 32,768 rows, written as they are, so that
/// the size of a column chunk is that of its values and a few bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column {
    /// From 0, 256 KiB.
    Key,
    /// From 0.25 MiB, 256 KiB.
    Price,
    /// From 0.5 MiB, 768 KiB: 256 KiB behind `Key`.
    Name,
    /// From 3.25 MiB, behind 2 MiB of another one: 3 MiB behind `Key`.
    Time,
}

impl Column {
    /// The column's place in the schema.
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Key => 0,
            Self::Price => 1,
            Self::Name => 2,
            Self::Time => 4,
        }
    }
}

/// A file of 42 MiB.
pub(crate) fn parquet() -> Bytes {
    let groups: Vec<RecordBatch> = (0..GROUPS).map(group).collect();
    let as_they_are = WriterProperties::builder().set_dictionary_enabled(false).build();
    let mut file = ArrowWriter::try_new(Vec::new(), groups[0].schema(), Some(as_they_are)).unwrap();
    for group in &groups {
        file.write(group).unwrap();
        file.flush().unwrap();
    }
    file.into_inner().unwrap().into()
}

fn group(number: u64) -> RecordBatch {
    let mut noise = Noise(number);
    let keys = Int64Array::from_iter_values((0..ROWS).map(|_| noise.next().cast_signed()));
    let prices = Float64Array::from_iter_values((0..ROWS).map(|_| noise.next() as f64));
    let names = noise.binaries(24);
    let notes = noise.binaries(64);
    let times = Int64Array::from_iter_values((0..ROWS).map(|_| noise.next().cast_signed()));
    RecordBatch::try_from_iter([
        ("key", Arc::new(keys) as Arc<dyn Array>),
        ("price", Arc::new(prices)),
        ("name", Arc::new(names)),
        ("note", Arc::new(notes)),
        ("time", Arc::new(times)),
    ])
    .unwrap()
}

/// SplitMix64: bytes that look random and are the same each time.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A column of values of so many bytes.
    fn binaries(&mut self, width: usize) -> FixedSizeBinaryArray {
        let value = |noise: &mut Self| -> Vec<u8> {
            (0..width / 8).flat_map(|_| noise.next().to_le_bytes()).collect()
        };
        let values: Vec<Vec<u8>> = (0..ROWS).map(|_| value(self)).collect();
        FixedSizeBinaryArray::try_from_iter(values.into_iter()).unwrap()
    }
}

const ROWS: u64 = 32_768;
