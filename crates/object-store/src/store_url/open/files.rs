//! The files of this machine as a store.

use object_store_014::local::LocalFileSystem;
use object_store_014::{ObjectStore, path::Path as Location};
use ossget::{Error, ErrorKind};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

/// The store, unless its file at `/{key}` is none that can be downloaded.
pub(super) fn open(key: &str) -> Result<Arc<dyn ObjectStore>, Error> {
    let store = LocalFileSystem::new();
    let named = Path::new("/").join(key);
    let refused = |why: &str| Error::new(ErrorKind::Config, format!("{why}: {}", named.display()));
    let location =
        Location::parse(key).map_err(|error| refused("no such name").with_source(error))?;
    // A name may mean another one to the store.
    let reached = store.path_to_filesystem(&location);
    if !reached.is_ok_and(|reached| reached == named) {
        return Err(refused("object_store cannot open a file of this name"));
    }
    match look(&named) {
        Ok(Found::File) => Ok(Arc::new(store)),
        Ok(Found::Special) => Err(refused("this is no regular file")),
        Ok(Found::Endless) => Err(refused("the file has bytes and tells no length")),
        // That is for the download to tell.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Arc::new(store)),
        Err(error) => {
            let kind = match error.kind() {
                io::ErrorKind::PermissionDenied => ErrorKind::Denied,
                _ => ErrorKind::Config,
            };
            let what = format!("the file cannot be opened: {}", named.display());
            Err(Error::new(kind, what)
                .with_hint("look at the file and its permissions")
                .with_source(error))
        }
    }
}

enum Found {
    File,
    /// A directory, a device, a pipe.
    Special,
    /// Like those in `/proc`.
    Endless,
}

fn look(path: &Path) -> io::Result<Found> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Ok(Found::Special);
    }
    let mut file = File::open(path)?;
    let has_bytes = metadata.len() == 0 && file.read(&mut [0])? > 0;
    Ok(if has_bytes { Found::Endless } else { Found::File })
}
