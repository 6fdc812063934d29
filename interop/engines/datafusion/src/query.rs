//! What a user writes.

use crate::tables::{SALES, SHOPS_FOLDER};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::ListingOptions;
use datafusion::error::Result;
use datafusion::prelude::SessionContext;
use ossget_object_store::v013::OssStore;
use std::sync::Arc;
use url::Url;

/// A filter on partitions and one on values, a join and aggregates.
pub(crate) const SQL: &str = "\
SELECT city, count(*) AS sales, sum(cents) AS cents
FROM sales JOIN shops ON sales.shop = shops.shop
WHERE year = 2025 AND month >= '10' AND cents > 100
GROUP BY city
ORDER BY city";

/// A context that knows the bucket of this URL, and the tables there.
pub(crate) async fn context(store: OssStore, bucket: &Url) -> Result<SessionContext> {
    let ctx = SessionContext::new();
    ctx.register_object_store(bucket, Arc::new(store));

    let parquet = || ListingOptions::new(Arc::new(ParquetFormat::default()));
    // A month is text: `month=01` is none of the ways to write a number that DataFusion looks for.
    let partitions =
        vec![("year".to_owned(), DataType::Int32), ("month".to_owned(), DataType::Utf8)];
    let sales = parquet().with_table_partition_cols(partitions);
    let folder = format!("{bucket}{SALES}/");
    ctx.register_listing_table("sales", folder, sales, None, None).await?;
    let folder = format!("{bucket}{SHOPS_FOLDER}/");
    ctx.register_listing_table("shops", folder, parquet(), None, None).await?;
    Ok(ctx)
}

/// The rows of a result with three columns, as text.
pub(crate) fn texts(batches: &[RecordBatch]) -> Result<Vec<[String; 3]>, ArrowError> {
    let mut texts = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let text = |column: usize| array_value_to_string(batch.column(column), row);
            texts.push([text(0)?, text(1)?, text(2)?]);
        }
    }
    Ok(texts)
}
