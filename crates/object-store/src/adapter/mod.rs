//! What is the same for every version of object_store.

mod attributes;
mod builder;
mod deleting;
mod error;
mod failure;
mod file;
mod listing;
mod multipart;
mod reading;
mod signing;
mod source;
mod store;
mod upload;

pub use builder::OssStoreBuilder;
pub use listing::IllegalKeys;
pub use reading::LongRanges;
pub use source::ObjectStoreSource;
pub use store::OssStore;

use super::{get_result, list_result, object_store, put_result};
