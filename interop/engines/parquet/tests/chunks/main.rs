//! What reading column chunks costs: requests and bytes of `OssStore`, from the simulator, beside those
//! of object_store's own client of S3, from moto, for the same reads of the same file.
//!
//! `OSSGET_TEST_S3` names the server of S3, which has an empty bucket `bkt` and takes any credentials:
//! `cargo xtask engines` starts one.
//!
//! Neither may be more for `OssStore`; ranges at most 1 MiB apart are one request for both, and as many
//! requests are under way at once.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod file;
mod proxy;
mod reads;
mod table;

use bytes::Bytes;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use ossget::{Client, Credentials, StaticCredentials};
use ossget_object_store::OssStore;
use ossget_testkit::{Content, Simulator};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use proxy::Proxy;
use reads::READS;
use std::sync::Arc;
use table::{Row, table};

const BUCKET: &str = "bkt";
const KEY: &str = "table/part-0.parquet";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn costs_no_more_than_the_client_of_s3() {
    let file = file::parquet();
    let sim = Simulator::builder().bucket(BUCKET).credentials("id", "secret").start().await;
    sim.put_object(KEY, Content::bytes(file.clone()));
    let moto = std::env::var("OSSGET_TEST_S3").expect("OSSGET_TEST_S3 names a server of S3");
    let plain = s3(&moto);
    plain.put(&Path::from(KEY), file.clone().into()).await.unwrap();

    let oss_proxy = Proxy::start(sim.address()).await;
    let address = moto.strip_prefix("http://").expect("a URL without TLS").parse().unwrap();
    let s3_proxy = Proxy::start(address).await;
    let oss: Arc<dyn ObjectStore> = Arc::new(oss(&oss_proxy.endpoint()));
    let s3: Arc<dyn ObjectStore> = Arc::new(s3(&s3_proxy.endpoint()));
    let memory = in_memory(&file).await;
    let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).unwrap();

    let mut rows = Vec::new();
    for (name, read, expected) in READS {
        let right = read.run(&memory, &metadata).await;
        assert!(read.run(&oss, &metadata).await == right, "{name}: other rows through OssStore");
        assert!(read.run(&s3, &metadata).await == right, "{name}: other rows through AmazonS3");
        let (oss, s3) = (oss_proxy.take().await, s3_proxy.take().await);
        rows.push(Row { name, expected, oss, s3 });
    }
    println!("{} bytes in {} row groups\n\n{}", file.len(), file::GROUPS, table(&rows));
    for row in &rows {
        check(row);
    }
}

fn check(row: &Row) {
    let Row { name, expected, oss, s3 } = row;
    assert!(oss.bytes <= s3.bytes, "{name}: more bytes than by S3");
    assert!(oss.at_once >= s3.at_once, "{name}: fewer requests at once than by S3");
    assert_eq!(oss.ranges, s3.ranges, "{name}: other requests than by S3");
    assert_eq!(oss.ranges.len(), expected.requests, "{name}: the file is not what it should be");
    assert_eq!(oss.at_once, expected.at_once, "{name}: more or fewer at once");
}

async fn in_memory(file: &Bytes) -> Arc<dyn ObjectStore> {
    let store = InMemory::new();
    store.put(&Path::from(KEY), file.clone().into()).await.unwrap();
    Arc::new(store)
}

fn oss(endpoint: &str) -> OssStore {
    let credentials = StaticCredentials::new(Credentials::new("id", "secret").unwrap());
    let client = Client::builder(endpoint, credentials).region("cn-hangzhou").build().unwrap();
    OssStore::new(&client, BUCKET).unwrap()
}

fn s3(endpoint: &str) -> AmazonS3 {
    AmazonS3Builder::new()
        .with_endpoint(endpoint)
        .with_allow_http(true)
        .with_bucket_name(BUCKET)
        .with_region("us-east-1")
        .with_access_key_id("id")
        .with_secret_access_key("secret")
        .build()
        .unwrap()
}
