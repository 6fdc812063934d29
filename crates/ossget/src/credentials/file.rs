//! Files of settings and secrets: bounded, and looked at before they are trusted.

use crate::{Error, ErrorKind};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

/// The text of a file of at most 1 MiB; `None` if there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<String>, Error> {
    let failed = |error| {
        Error::new(ErrorKind::Config, format!("cannot read {}", path.display())).with_source(error)
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        let message = format!("{} is larger than 1 MiB, which no such file is", path.display());
        return Err(Error::new(ErrorKind::Config, message));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| Error::new(ErrorKind::Config, format!("{} is not UTF-8", path.display())))?;
    Ok(Some(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)))
}

/// What to say about a file of secrets that others can read. A pipe is nobody else's.
#[cfg(unix)]
pub(super) fn exposed(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let found = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    (found.permissions().mode() & 0o044 != 0).then(|| {
        let path = path.display();
        format!("other users of this machine can read {path}; `chmod 600` it")
    })
}

/// Permissions say nothing here that could be told in a sentence.
#[cfg(not(unix))]
pub(super) fn exposed(_: &Path) -> Option<String> {
    None
}

const LARGEST: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_none_and_one_that_is_too_large_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        assert_eq!(read(&at("none")).unwrap(), None);
        fs::write(at("bom"), "\u{feff}[default]").unwrap();
        assert_eq!(read(&at("bom")).unwrap().unwrap(), "[default]");
        fs::write(at("large"), vec![b'#'; (1 << 20) + 1]).unwrap();
        fs::write(at("binary"), b"\xff\xfecanary").unwrap();
        for name in ["large", "binary"] {
            let error = read(&at(name)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(name), "{error}");
            assert!(!format!("{error:?}").contains("canary"));
        }
        fs::write(at("full"), vec![b'#'; 1 << 20]).unwrap();
        assert_eq!(read(&at("full")).unwrap().unwrap().len(), 1 << 20);
    }

    #[cfg(unix)]
    #[test]
    fn a_device_that_never_ends_is_refused() {
        assert_eq!(read(Path::new("/dev/zero")).unwrap_err().kind(), ErrorKind::Config);
    }
}
