//! Making directories that last.

use super::sys::Dir;
use crate::{FsError, Syncing};
use std::io;
use std::path::Path;

/// Makes a directory and those of its parents that are missing.
///
/// # Durability
///
/// With [`Syncing::Full`] what was made survives a power cut once this returns `Ok`, as far as
/// the file system can sync directories: a file published there would be lost with its directory.
///
/// # Errors
///
/// `NoSpace` and `Storage`, also when something else has one of the names. Directories made until
/// then stay.
pub fn make_directories(dir: &Path, syncing: Syncing) -> Result<(), FsError> {
    make(dir, &mut |parent| match syncing {
        Syncing::Full => Dir::open(parent)?.sync().map(|_unsupported_counts_too| ()),
        Syncing::Skip => Ok(()),
    })
}

fn make(dir: &Path, sync: &mut dyn FnMut(&Path) -> io::Result<()>) -> Result<(), FsError> {
    let named = |dir: &&Path| !dir.as_os_str().is_empty();
    let missing: Vec<_> =
        dir.ancestors().filter(named).take_while(|ancestor| !ancestor.is_dir()).collect();
    for dir in missing.into_iter().rev() {
        match std::fs::create_dir(dir) {
            // Another run makes it, too, and may not have synced it yet.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
            made => made.map_err(|e| FsError::from_io("cannot make the directory", dir, e))?,
        }
        let parent = dir.parent().filter(named).unwrap_or_else(|| Path::new("."));
        sync(parent).map_err(|e| FsError::from_io("cannot sync the directory", parent, e))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FsErrorKind;
    use std::fs;

    #[test]
    fn each_directory_is_synced_into_its_parent_before_the_next_is_made() {
        let temp = tempfile::tempdir().expect("temp dir");
        let (a, b, c) = (temp.path().join("a"), temp.path().join("a/b"), temp.path().join("a/b/c"));
        fs::create_dir(&a).expect("mkdir");
        let mut synced = Vec::new();
        let made = make(&c.join(""), &mut |parent| {
            synced.push((parent.to_owned(), b.is_dir(), c.is_dir()));
            Ok(())
        });
        made.expect("make");
        assert_eq!(synced, [(a, true, false), (b, true, true)]);
        make(&c, &mut |parent| panic!("{} has nothing new", parent.display())).expect("there");
    }

    #[test]
    fn a_directory_that_cannot_be_made_or_synced_is_an_error_that_names_it() {
        let temp = tempfile::tempdir().expect("temp dir");
        let file = temp.path().join("file");
        fs::write(&file, "").expect("write");
        let error = make_directories(&file.join("x"), Syncing::Full).expect_err("a file");
        assert_eq!((error.kind(), error.path()), (FsErrorKind::Storage, &*file));
        let failed = make(&temp.path().join("x"), &mut |_| Err(io::Error::other("EIO")));
        let error = failed.expect_err("not synced");
        assert_eq!((error.kind(), error.path()), (FsErrorKind::Storage, temp.path()));
    }
}
