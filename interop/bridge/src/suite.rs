//! object_store's own suite, function by function.
//!
//! Not asked: `put_opts(…, true)`, conditional updates, which OSS does not have; and
//! `response_extensions`, which needs a store that is made with object_store's own HTTP client.

use crate::rig::Rig;
use crate::trial::{Finding, Known, Trial};
use object_store::{Error, integration, path::Path};

/// A function that takes the store and panics where it does not hold.
macro_rules! of_store {
    ($name:ident $(, $more:expr)*) => {
        Trial::new(stringify!($name), |rig| {
            Box::pin(async move {
                integration::$name(&rig.store $(, $more)*).await;
                Finding::Yes(String::new())
            })
        })
    };
}

/// One that takes another trait of object_store besides.
macro_rules! of_trait {
    ($name:ident, $field:ident) => {
        Trial::new(stringify!($name), |rig| {
            Box::pin(async move {
                let Some(further) = &rig.$field else { return Finding::Absent };
                integration::$name(&rig.store, further.as_ref()).await;
                Finding::Yes(String::new())
            })
        })
    };
}

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        of_store!(put_get_delete_list),
        of_store!(put_get_attributes),
        of_store!(get_opts),
        of_store!(put_opts, false),
        of_store!(stream_get),
        of_store!(list_uses_directories_correctly),
        of_store!(list_with_delimiter),
        of_store!(list_with_offset_exclusivity),
        Trial::new("get_nonexistent_object", |rig| Box::pin(get_nonexistent_object(rig))),
        of_store!(rename_and_copy),
        of_store!(copy_if_not_exists),
        of_store!(copy_rename_nonexistent_object),
        of_store!(multipart_race_condition, true),
        of_store!(multipart_out_of_order),
        of_trait!(multipart, multipart),
        // Its metadata key has an underscore, which OSS refuses.
        of_trait!(multipart_with_opts, multipart).known(Known::Cannot),
        of_trait!(multipart_put_part_out_of_order, multipart),
        of_trait!(list_paginated, pages),
    ]
}

/// The one that gives its error back.
async fn get_nonexistent_object(rig: &Rig) -> Finding {
    for path in [None, Some(Path::from("no/such/file"))] {
        match integration::get_nonexistent_object(&rig.store, path).await {
            Err(Error::NotFound { .. }) => {}
            other => return Finding::No(format!("{other:?}")),
        }
    }
    Finding::Yes(String::new())
}
