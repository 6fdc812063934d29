//! The tables' files.

use crate::sales::{SHOPS, Sale};
use datafusion::arrow::array::{Array, Int64Array, RecordBatch, StringArray};
use datafusion::error::Result;
use datafusion::object_store::{ObjectStore, ObjectStoreExt as _, path::Path};
use datafusion::parquet::arrow::ArrowWriter;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The folder of the table `sales`, partitioned by year and month.
pub(crate) const SALES: &str = "ossget-sales";

/// The folder of the table `shops`.
pub(crate) const SHOPS_FOLDER: &str = "ossget-shops";

/// Writes both.
pub(crate) async fn write(store: &dyn ObjectStore, sales: &[Sale]) -> Result<()> {
    let mut partitions: BTreeMap<(i32, u32), Vec<Sale>> = BTreeMap::new();
    for sale in sales {
        partitions.entry((sale.year, sale.month)).or_default().push(*sale);
    }
    for ((year, month), sales) in partitions {
        let shops = Int64Array::from_iter_values(sales.iter().map(|sale| sale.shop));
        let cents = Int64Array::from_iter_values(sales.iter().map(|sale| sale.cents));
        let columns: [(&str, Arc<dyn Array>); 2] =
            [("shop", Arc::new(shops)), ("cents", Arc::new(cents))];
        let key = format!("{SALES}/year={year}/month={month:02}/part-0.parquet");
        store.put(&Path::from(key), file(columns)?.into()).await?;
    }
    let shops = Int64Array::from_iter_values(SHOPS.iter().map(|(shop, _)| *shop));
    let cities = StringArray::from_iter_values(SHOPS.iter().map(|(_, city)| *city));
    let columns: [(&str, Arc<dyn Array>); 2] =
        [("shop", Arc::new(shops)), ("city", Arc::new(cities))];
    let key = format!("{SHOPS_FOLDER}/part-0.parquet");
    store.put(&Path::from(key), file(columns)?.into()).await?;
    Ok(())
}

/// A parquet file of these columns.
fn file(columns: [(&str, Arc<dyn Array>); 2]) -> Result<Vec<u8>> {
    let rows = RecordBatch::try_from_iter(columns)?;
    let mut file = ArrowWriter::try_new(Vec::new(), rows.schema(), None)?;
    file.write(&rows)?;
    Ok(file.into_inner()?)
}
