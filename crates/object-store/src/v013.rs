//! For object_store 0.13.

use self::object_store::{
    Attributes, GetResult, GetResultPayload, ListResult, ObjectMeta, PutResult, path::Path,
};
use object_store_013 as object_store;
use std::ops::Range;

#[path = "adapter/mod.rs"]
#[allow(clippy::duplicate_mod, reason = "one source for two versions of the traits")]
mod adapter;

pub use adapter::*;

fn get_result(
    payload: GetResultPayload,
    meta: ObjectMeta,
    range: Range<u64>,
    attributes: Attributes,
) -> GetResult {
    GetResult { payload, meta, range, attributes }
}

fn put_result(e_tag: Option<String>, version: Option<String>) -> PutResult {
    PutResult { e_tag, version }
}

fn list_result(common_prefixes: Vec<Path>, objects: Vec<ObjectMeta>) -> ListResult {
    ListResult { common_prefixes, objects }
}

multipart_store! {}
