//! Two writers append to one Delta table on the simulator, and both commit the same version.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use deltalake_core::arrow::array::{Array, Int64Array, RecordBatch};
use deltalake_core::kernel::{DataType, PrimitiveType};
use deltalake_core::logstore::object_store::{ObjectStoreExt as _, path::Path};
use deltalake_core::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use deltalake_core::writer::{DeltaWriter as _, RecordBatchWriter};
use deltalake_core::{DeltaTable, open_table};
use ossget::StaticCredentials;
use ossget_object_store::v013::OssStoreBuilder;
use ossget_testkit::{Fault, On, Simulator, Versioning};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

const FIRST: Range<i64> = 0..100;
const SECOND: Range<i64> = 100..150;

/// One after the other, since what is registered is so for the whole process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_commits_are_kept_but_in_buckets_with_versions() {
    let (refused, found) = race(Versioning::Off).await;
    assert_eq!(refused, ["tables/numbers/_delta_log/00000000000000000001.json"]);
    assert_eq!(found, (FIRST.start..SECOND.end).collect());

    // What the README warns of.
    let (refused, found) = race(Versioning::Enabled).await;
    assert!(refused.is_empty(), "{refused:?}");
    assert!(found == FIRST.collect() || found == SECOND.collect(), "{found:?}");
}

/// Which keys were refused since they were there, and what the table holds afterwards.
async fn race(versioning: Versioning) -> (Vec<String>, BTreeSet<i64>) {
    let sim = Simulator::builder().credentials("id", "secret").versioning(versioning).start().await;
    let endpoint = sim.endpoint();
    ossget_with_delta::register(move |url| {
        OssStoreBuilder::new(url.as_str())
            .endpoint(endpoint.clone())
            .region("cn-hangzhou")
            .credentials(StaticCredentials::access_key("id", "secret").unwrap())
    });
    let url = Url::parse("oss://examplebucket/tables/numbers").unwrap();
    let new = DeltaTable::try_from_url(url.clone()).await.unwrap();
    let long = DataType::Primitive(PrimitiveType::Long);
    let mut first = new.create().with_column("n", long, true, None).await.unwrap();
    let mut second = open_table(url.clone()).await.unwrap();
    assert_eq!(second.version(), Some(0));

    // Held back until the other one's is there.
    let commits = On::put().key_where(|key| key.ends_with("00000000000000000001.json"));
    sim.fault(commits.nth(1), Fault::Latency(Duration::from_secs(2)));
    tokio::join!(append(&mut first, FIRST), append(&mut second, SECOND));
    let refused = sim.requests().into_iter().filter(|request| request.status == Some(409));
    let refused = refused.filter_map(|request| request.key).collect();
    (refused, numbers(&open_table(url).await.unwrap()).await)
}

async fn append(table: &mut DeltaTable, numbers: Range<i64>) {
    let numbers = Arc::new(Int64Array::from_iter_values(numbers)) as Arc<dyn Array>;
    let rows = RecordBatch::try_from_iter_with_nullable([("n", numbers, true)]).unwrap();
    let mut writer = RecordBatchWriter::for_table(table).unwrap();
    writer.write(rows).await.unwrap();
    writer.flush_and_commit(table).await.unwrap();
}

/// Those of all files that are part of the table.
async fn numbers(table: &DeltaTable) -> BTreeSet<i64> {
    let store = table.object_store();
    let files: Vec<String> = table.get_file_uris().unwrap().collect();
    let mut found = BTreeSet::new();
    for uri in files {
        let name = uri.rsplit('/').next().unwrap();
        let file = store.get(&Path::from(name)).await.unwrap().bytes().await.unwrap();
        let rows = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
        for batch in rows {
            let batch = batch.unwrap();
            let column = batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap();
            assert!(column.values().iter().all(|number| found.insert(*number)), "twice there");
        }
    }
    found
}
