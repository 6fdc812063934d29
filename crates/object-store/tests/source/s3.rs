//! An S3 server that we did not write.

use object_store_014::RetryConfig;
use object_store_014::aws::{AmazonS3, AmazonS3Builder};
use ossget::{HyperTransport, Limits, Network};
use ossget_object_store::Connector;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A part of its own of the bucket `bkt` of the server that the environment names.
pub(crate) fn store() -> Option<impl object_store_014::ObjectStore> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let endpoint = std::env::var("OSSGET_TEST_S3").ok()?;
    let part = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    Some(object_store_014::prefix::PrefixStore::new(bucket(endpoint), part))
}

/// The bucket `bkt` at `endpoint`, asked once for everything.
pub(crate) fn bucket(endpoint: String) -> AmazonS3 {
    let transport = Arc::new(HyperTransport::builder().build().unwrap());
    AmazonS3Builder::new()
        .with_endpoint(endpoint)
        .with_bucket_name("bkt")
        .with_region("us-east-1")
        .with_access_key_id("id")
        .with_secret_access_key("secret")
        .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
        .with_http_connector(Connector::new(Network::new(transport, Limits::default())))
        .build()
        .unwrap()
}
