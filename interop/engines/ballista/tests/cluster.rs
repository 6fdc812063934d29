//! A cluster in this process reads a table on the simulator.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use ballista::prelude::SessionContextExt as _;
use datafusion::arrow::array::{Array, Int64Array, RecordBatch};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use ossget::StaticCredentials;
use ossget_object_store::v013::OssStoreBuilder;
use ossget_testkit::{Content, Simulator};
use ossget_with_ballista::{OssRegistry, runtime, session};
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_reads_a_table() {
    let sim = Simulator::builder().credentials("id", "secret").start().await;
    for part in 0..4 {
        let content = Content::bytes(file(part * 100..(part + 1) * 100));
        sim.put_object(&format!("table/part-{part}.parquet"), content);
    }
    let endpoint = sim.endpoint();
    let registry = OssRegistry::new(move |url| {
        OssStoreBuilder::new(url.as_str())
            .endpoint(endpoint.clone())
            .region("cn-hangzhou")
            .credentials(StaticCredentials::access_key("id", "secret").unwrap())
    });
    let state = session(SessionConfig::new(), runtime(registry).unwrap());
    let ctx = SessionContext::standalone_with_state(state).await.unwrap();
    let options = ParquetReadOptions::default();
    ctx.register_parquet("numbers", "oss://examplebucket/table/", options).await.unwrap();

    let sql = "SELECT n % 3 AS rest, count(*) AS n, sum(n) AS total FROM numbers \
               WHERE n >= 10 GROUP BY rest ORDER BY rest";
    let rows = ctx.sql(sql).await.unwrap().collect().await.unwrap();
    let text = pretty_format_batches(&rows).unwrap().to_string();
    for rest in 0..3 {
        let numbers: Vec<i64> = (10..400).filter(|n| n % 3 == rest).collect();
        let (count, total) = (numbers.len(), numbers.iter().sum::<i64>());
        let row = format!("| {rest}    | {count} | {total} |");
        assert!(text.contains(&row), "{row}\n{text}");
    }
}

fn file(numbers: std::ops::Range<i64>) -> Vec<u8> {
    let numbers = Arc::new(Int64Array::from_iter_values(numbers)) as Arc<dyn Array>;
    let rows = RecordBatch::try_from_iter([("n", numbers)]).unwrap();
    let mut file = ArrowWriter::try_new(Vec::new(), rows.schema(), None).unwrap();
    file.write(&rows).unwrap();
    file.into_inner().unwrap()
}
