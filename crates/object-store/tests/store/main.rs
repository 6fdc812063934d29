//! OSS as a store, against the simulator: object_store's own suite for both versions of the traits,
//! and what that does not ask.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod faults;
mod rig;
mod suite;

/// The same tests for object_store 0.14.
mod v014 {
    use object_store_014 as object_store;
    use ossget_object_store::v014 as adapter;

    crate::suite::suite!();
    crate::faults::faults!();

    #[tokio::test]
    async fn multipart_put_part_out_of_order() {
        let rig = Rig::new().await;
        let store = rig.store();
        integration::multipart_put_part_out_of_order(&store, &store).await;
    }
}

/// The same tests for object_store 0.13.
mod v013 {
    use object_store_013 as object_store;
    use ossget_object_store::v013 as adapter;

    crate::suite::suite!();
    crate::faults::faults!();
}
