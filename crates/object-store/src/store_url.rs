//! Objects of other stores, named by URLs.

mod open;
mod parse;

pub use open::Access;

use std::fmt;

/// An object of another store than OSS: `s3://bucket/key`, `gs://bucket/key`, `az://container/key`, or a
/// file as `file:///path`.
///
/// What is behind the container is the key as it is, as the clouds' own tools take it: nothing in it
/// is decoded, but for a file's path, in which `%20` is a space (RFC 8089).
///
/// ```no_run
/// # async fn example() -> Result<(), ossget::Error> {
/// use ossget::Client;
/// use ossget_object_store::{Access, StoreUrl};
///
/// let url: StoreUrl = "s3://examplebucket/weights/model.bin".parse()?;
/// let object = url.object();
/// let client = Client::of_source(move |network| url.open(network, Access::OfTheEnvironment)).build()?;
/// client.download(object, "model.bin").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreUrl {
    store: Store,
    key: String,
}

/// Where the object is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Store {
    S3(String),
    Gcs(String),
    Azure(String),
    Files,
}

impl StoreUrl {
    /// Whether it is a file of this machine.
    #[must_use]
    pub const fn is_file(&self) -> bool {
        matches!(self.store, Store::Files)
    }

    /// The object.
    ///
    /// # Panics
    ///
    /// Never: what [`FromStr`](std::str::FromStr) makes has a store and a key.
    #[must_use]
    pub fn object(&self) -> ossget::Object {
        ossget::Object::in_store(self.store.to_string(), self.key.as_str())
            .expect("its lengths were checked when it was parsed")
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3(bucket) => write!(f, "s3://{bucket}"),
            Self::Gcs(bucket) => write!(f, "gs://{bucket}"),
            Self::Azure(container) => write!(f, "az://{container}"),
            Self::Files => f.write_str("file://"),
        }
    }
}

impl fmt::Display for StoreUrl {
    /// As it was written, but for a file's path, which is not encoded.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.store, self.key)
    }
}
