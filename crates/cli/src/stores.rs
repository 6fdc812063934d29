//! Sources in other stores than OSS, in builds that have them.

#[cfg(feature = "clouds")]
mod clouds;
#[cfg(not(feature = "clouds"))]
mod none;

#[cfg(feature = "clouds")]
pub(crate) use clouds::StoreUrl;
#[cfg(not(feature = "clouds"))]
pub(crate) use none::StoreUrl;

/// Whether SRC with this scheme, in lower case, is an object of another store.
pub(crate) fn is_known(scheme: &str) -> bool {
    matches!(scheme, "s3" | "gs" | "az" | "file")
}
