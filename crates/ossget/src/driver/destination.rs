//! Which file a destination means.

use crate::{Error, ErrorKind};
use ossget_fs::{Syncing, make_directories};
use std::path::{MAIN_SEPARATOR, Path, PathBuf};

/// The file that `destination` means for an object with this [file name](Object::file_name): a
/// directory, existing or written with a separator at its end, receives it. A directory written
/// with a separator at its end is made if it is missing.
pub(super) fn resolve(destination: &Path, name: &str, syncing: Syncing) -> Result<PathBuf, Error> {
    let written = destination.as_os_str().as_encoded_bytes();
    let ends_in_separator =
        written.last().is_some_and(|&last| last == b'/' || char::from(last) == MAIN_SEPARATOR);
    if ends_in_separator {
        make_directories(destination, syncing).map_err(Error::storage)?;
    } else if !destination.is_dir() {
        return Ok(destination.to_owned());
    }
    Ok(destination.join(checked(name)?))
}

/// The last component of a key, if it can be the name of a file. That of a URL may have had an
/// encoded slash in it.
fn checked(name: &str) -> Result<&str, Error> {
    let reserved = cfg!(windows) && name.contains(['\\', ':']);
    if matches!(name, "" | "." | "..") || name.contains(['\0', '/']) || reserved {
        return Err(Error::new(
            ErrorKind::Refused,
            "the key's last component cannot be the name of a file",
        )
        .with_hint("name the destination file, not only its directory"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Object;

    fn resolved(destination: &Path, key: &str) -> Result<PathBuf, Error> {
        let object = Object::new("bkt", key)?;
        resolve(destination, &object.file_name(), Syncing::Full)
    }

    #[test]
    fn a_directory_receives_the_last_component_of_the_key() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(resolved(dir.path(), "a/b.bin").unwrap(), dir.path().join("b.bin"));
        let file = dir.path().join("c.bin");
        assert_eq!(resolved(&file, "a/b.bin").unwrap(), file);
    }

    #[test]
    fn a_missing_directory_is_made_only_if_written_with_a_separator() {
        let dir = tempfile::tempdir().unwrap();
        let mut wanted = dir.path().join("x/y").into_os_string();
        wanted.push("/");
        let file = resolved(Path::new(&wanted), "k").unwrap();
        assert_eq!(file, dir.path().join("x/y/k"));
        assert!(dir.path().join("x/y").is_dir());
        let plain = dir.path().join("p/q");
        assert_eq!(resolved(&plain, "k").unwrap(), plain);
        assert!(!dir.path().join("p").exists());
    }

    /// Faults: 123, 127.
    #[test]
    fn a_key_that_names_no_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for key in ["a/", "..", "a/..", "a/.", "a/b\0c"] {
            let error = resolved(dir.path(), key).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Refused, "{key}");
        }
    }
}
