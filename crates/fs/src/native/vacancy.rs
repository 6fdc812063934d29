//! A destination where nothing is yet, for a file that comes in one piece.

use super::acquire::{Trust, give_mode};
use super::site::{Site, stat};
use super::sys::{self, DirSync, How};
use crate::{Caveat, FsError, FsErrorKind, Syncing, Vacancy};
use std::fs::File;
use std::io;
use std::path::PathBuf;

/// What is known of such a destination, and how a file gets there.
#[derive(Debug)]
pub(crate) struct NativeVacancy {
    site: Site,
    syncing: Syncing,
    umask: u32,
}

impl NativeVacancy {
    /// The destination of `site`, unless something is there: a file, a checkpoint, or a run that
    /// has them locked.
    pub(crate) fn find(site: Site, syncing: Syncing, umask: u32) -> Result<Option<Self>, FsError> {
        let names = &site.names;
        let taken = stat(&site.dir, names.destination())?.is_some()
            || stat(&site.dir, &names.lock())?.is_some()
            || stat(site.checkpoint_dir(), &site.checkpoint_name())?.is_some();
        Ok((!taken).then_some(Self { site, syncing, umask }))
    }

    fn fill(&self, file: &File, bytes: &[u8]) -> io::Result<Trust> {
        sys::write_all_at(file, bytes, 0)?;
        let given = give_mode(file, &sys::stat(file)?, 0o666 & !self.umask)?;
        if self.syncing == Syncing::Full {
            file.sync_all()?;
        }
        Ok(given)
    }
}

impl Vacancy for NativeVacancy {
    fn canonical_destination(&self) -> PathBuf {
        self.site.destination()
    }

    fn publish(&self, bytes: &[u8], suffix: &str) -> Result<Vec<Caveat>, FsError> {
        let dir = &self.site.dir;
        let (partial, destination) = (self.site.names.partial(suffix), self.site.destination());
        let path = dir.path().join(&partial);
        let file = dir
            .open_file(&partial, How::CreateNew)
            .map_err(|error| FsError::from_io("cannot create", &path, error))?;
        let filled =
            self.fill(&file, bytes).map_err(|error| FsError::from_io("cannot write", &path, error));
        let renamed = filled.and_then(|given| {
            let renamed = dir.rename_new(&partial, self.site.names.destination());
            renamed.map(|()| given).map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => {
                    let doing = "something has come to";
                    FsError::new(FsErrorKind::Exists, doing, &destination, None)
                }
                _ => FsError::from_io("cannot rename to the destination", &path, error),
            })
        });
        let given = renamed.inspect_err(|_| {
            let _litter = dir.unlink(&partial);
        })?;
        let mut caveats = Vec::new();
        if given == Trust::NoPermissions {
            caveats.push(Caveat::NoPermissions);
        }
        if self.syncing == Syncing::Full {
            let doing = "published, but cannot make the name durable of";
            let synced = dir.sync().map_err(|error| FsError::from_io(doing, destination, error))?;
            if synced == DirSync::Unsupported {
                caveats.push(Caveat::NoDirectorySync);
            }
        }
        Ok(caveats)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::NativeFileSystem;
    use crate::{FileSystem, FsErrorKind, Place, Syncing, Vacancy};
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::Path;

    const SUFFIX: &str = "abcdefghijklmno2";

    fn vacancy(place: &Place) -> Option<Box<dyn Vacancy>> {
        NativeFileSystem::new().vacancy(place, Syncing::Full).expect("it can be looked at")
    }

    fn names(dir: &Path) -> Vec<String> {
        let names = fs::read_dir(dir).expect("a directory");
        names.map(|it| it.expect("a name").file_name().into_string().expect("text")).collect()
    }

    #[test]
    fn a_file_in_one_piece_comes_to_where_nothing_is() {
        let temp = tempfile::tempdir().expect("temp dir");
        let place = Place::new(temp.path().join("x"));
        let vacancy = vacancy(&place).expect("nothing is there");
        assert_eq!(vacancy.publish(b"hello", SUFFIX).expect("published"), []);
        assert_eq!(fs::read(&place.destination).expect("a file"), b"hello");
        assert_eq!(names(temp.path()), ["x"], "and nothing beside it");
        let other = temp.path().join("other");
        fs::write(&other, b"").expect("a file like others");
        let mode = |path: &Path| fs::metadata(path).expect("a file").permissions().mode();
        assert_eq!(mode(&place.destination), mode(&other));
    }

    #[test]
    fn what_came_meanwhile_stays() {
        let temp = tempfile::tempdir().expect("temp dir");
        let place = Place::new(temp.path().join("x"));
        let vacancy = vacancy(&place).expect("nothing is there");
        symlink("nowhere", &place.destination).expect("a link");
        let error = vacancy.publish(b"hello", SUFFIX).expect_err("in the way");
        assert_eq!(error.kind(), FsErrorKind::Exists);
        assert_eq!(names(temp.path()), ["x"]);
        assert_eq!(fs::read_link(&place.destination).expect("the link").to_str(), Some("nowhere"));
    }

    #[test]
    fn a_file_a_checkpoint_and_a_run_are_something() {
        let temp = tempfile::tempdir().expect("temp dir");
        let side = tempfile::tempdir().expect("temp dir");
        let place = Place::new(temp.path().join("x"));
        let elsewhere = place.clone().checkpoint_dir(Some(side.path().to_owned()));
        assert!(vacancy(&place).is_some() && vacancy(&elsewhere).is_some());
        for locked in [&place, &elsewhere] {
            let lock = NativeFileSystem::new().lock(locked, Syncing::Full).expect("locked");
            assert!(vacancy(&place).is_none() && vacancy(&elsewhere).is_none());
            drop(lock);
        }
        fs::write(&place.destination, b"").expect("a file");
        assert!(vacancy(&place).is_none());
    }
}
