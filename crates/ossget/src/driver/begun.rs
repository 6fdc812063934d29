//! How a download begins: with its destination to itself.

use super::storage::{Left, Storage};
use super::telling::Teller;
use super::{blocking, destination, waiting};
use crate::download::Download;
use crate::options::Options;
use crate::{Client, Error, Object};
use std::sync::Arc;

/// A download that has its destination to itself.
pub(super) struct Begun {
    pub(super) client: Client,
    pub(super) object: Arc<Object>,
    pub(super) options: Arc<Options>,
    pub(super) storage: Storage,
    pub(super) left: Arc<Left>,
    pub(super) teller: Teller,
}

impl Begun {
    /// Takes the destination's lock and looks at what an earlier run left.
    pub(super) async fn new(download: Download) -> Result<Self, Error> {
        let Download { client, object, destination, options, handle, observer } = download;
        let object = Arc::new(object);
        let options = Arc::new(options);
        let mut teller = Teller::new(observer, handle.clone());
        let open = || {
            let (object, options) = (Arc::clone(&object), Arc::clone(&options));
            let (destination, files) = (destination.clone(), Arc::clone(&client.file_system));
            blocking(move || {
                let destination =
                    destination::resolve(&destination, &object.file_name(), options.syncing())?;
                let storage = Storage::lock(files.as_ref(), &destination, &object, &options)?;
                let left = storage.load(&object, &options)?;
                storage.refuse_existing(&left).map_err(Error::storage)?;
                Ok((storage, Arc::new(left)))
            })
        };
        let (storage, left) =
            waiting::for_lock(options.wait_lock, &handle, &mut teller, open).await?;
        Ok(Self { client, object, options, storage, left, teller })
    }
}
