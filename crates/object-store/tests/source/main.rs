//! Any store as a source: interrupted and resumed downloads from a folder and from memory, objects that
//! are replaced in between and meanwhile, keys that no path stands for.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod downloads;
mod wrapped;

/// The same tests for object_store 0.14.
mod v014 {
    use object_store_014 as object_store;
    use ossget_object_store::v014 as adapter;

    crate::wrapped::wrapped!();
    crate::downloads::downloads!();
}

/// The same tests for object_store 0.13.
mod v013 {
    use object_store_013 as object_store;
    use ossget_object_store::v013 as adapter;

    crate::wrapped::wrapped!();
    crate::downloads::downloads!();
}
