//! Prints the schema and the first rows of a parquet file of Alibaba Cloud OSS:
//!
//! ```sh
//! export OSS_ENDPOINT=https://oss-cn-hangzhou.aliyuncs.com
//! export OSS_ACCESS_KEY_ID=... OSS_ACCESS_KEY_SECRET=...
//! cargo run -p ossget-with-parquet -- oss://examplebucket/table/part-0.parquet
//! ```

#![allow(clippy::print_stdout, reason = "a command-line program")]

use arrow_cast::pretty::pretty_format_batches;
use futures::TryStreamExt as _;
use object_store::path::Path;
use ossget_object_store::OssStore;
use parquet::arrow::ParquetRecordBatchStreamBuilder;
#[expect(deprecated, reason = "it is still there; what parquet wants instead is forty lines")]
use parquet::arrow::async_reader::ParquetObjectReader;
use std::error::Error;
use std::sync::Arc;
use url::Url;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let argument = std::env::args().nth(1).ok_or("name a file: oss://BUCKET/KEY")?;
    let url = Url::parse(&argument)?;
    let store = OssStore::from_env(url.as_str())?;
    #[expect(deprecated, reason = "as above")]
    let file = ParquetObjectReader::new(Arc::new(store), Path::from_url_path(url.path())?);

    let builder = ParquetRecordBatchStreamBuilder::new(file).await?;
    for field in builder.schema().fields() {
        println!("{field}");
    }
    let rows = builder.metadata().file_metadata().num_rows();
    let groups = builder.metadata().num_row_groups();
    let first: Vec<_> = builder.with_limit(ROWS).build()?.try_collect().await?;
    println!("{}\n{rows} rows in {groups} row groups", pretty_format_batches(&first)?);
    Ok(())
}

/// How many rows are printed.
const ROWS: usize = 10;
