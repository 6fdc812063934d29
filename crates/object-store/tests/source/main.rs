//! Any store as a source: interrupted and resumed downloads from a folder and from memory, objects that
//! are replaced in between and meanwhile, keys that no path stands for.
//!
//! `OSSGET_TEST_S3` may name an S3 server, such as `http://127.0.0.1:5000`, with a bucket `bkt`, that takes
//! any credentials: it is a further store then. `cargo xtask ci` starts one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod downloads;
mod files;
mod s3;
mod wrapped;

/// The same tests for object_store 0.14.
mod v014 {
    use object_store_014 as object_store;
    use ossget_object_store::v014 as adapter;

    /// Stores that are not in this process.
    fn elsewhere() -> Option<Arc<dyn ObjectStore>> {
        let store = crate::s3::store()?;
        Some(Arc::new(Wrapped { inner: Box::new(store), etags: true }))
    }

    crate::wrapped::wrapped!();
    crate::downloads::downloads!();
}

/// The same tests for object_store 0.13.
mod v013 {
    use object_store_013 as object_store;
    use ossget_object_store::v013 as adapter;

    /// Clients of clouds need another HTTP client in this version.
    fn elsewhere() -> Option<Arc<dyn ObjectStore>> {
        None
    }

    crate::wrapped::wrapped!();
    crate::downloads::downloads!();
}
