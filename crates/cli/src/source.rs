//! What SRC means: an object of OSS or of another store, or a URL, typed or read from a file.

use crate::hi::usage;
use crate::identity::exposed;
use crate::low::NamingArgs;
use crate::stores::{self, StoreUrl};
use ossget::{Error, ErrorKind, Object, ObjectUrl};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

/// SRC, read where it says `@FILE`.
#[derive(Debug)]
pub(crate) struct Source {
    /// What may be told of it: no query, no password.
    pub(crate) shown: String,
    /// What it names, or why it names nothing.
    pub(crate) named: Result<Named, Error>,
    /// Where it stood.
    place: Place,
}

/// Where SRC stood.
#[derive(Debug)]
enum Place {
    CommandLine,
    File(PathBuf),
}

/// What can be downloaded.
#[derive(Clone, Debug)]
pub(crate) enum Named {
    /// `oss://bucket/key`.
    Object(Object),
    /// `https://…`.
    Url(ObjectUrl),
    /// `s3://…` and the like.
    Store(StoreUrl),
}

impl Source {
    /// Understands SRC; of `@FILE` the file's content, of `@-` what comes from standard input.
    pub(crate) fn read(source: &OsStr, naming: &NamingArgs) -> Self {
        let lossy = source.to_string_lossy();
        let Some(file) = lossy.strip_prefix('@') else {
            let named = source.to_str().ok_or_else(not_utf8).and_then(|text| named(text, naming));
            let shown = shown(&lossy, named.as_ref().ok());
            return Self { shown, named, place: Place::CommandLine };
        };
        let file = OsStr::new(file);
        let named = read_line(file).and_then(|text| named(&text, naming));
        let shown = match &named {
            Ok(named) => named.to_string(),
            Err(_) => lossy.to_string(),
        };
        Self { shown, named, place: Place::File(file.into()) }
    }

    /// The last component of the key or path.
    pub(crate) fn file_name(&self) -> Option<String> {
        let named = self.named.as_ref().ok()?;
        Some(named.object().file_name().into_owned())
    }

    /// What the user should know although nothing is wrong with it.
    pub(crate) fn warning(&self) -> Option<String> {
        let is_signed = match self.named.as_ref().ok()? {
            Named::Object(_) | Named::Store(_) => false,
            Named::Url(url) => url.expires().is_some(),
        };
        match &self.place {
            _ if !is_signed => None,
            Place::CommandLine => Some(
                "every user of this machine can read the URL on the command line; \
                 put it into a file and give @FILE"
                    .to_owned(),
            ),
            Place::File(path) => exposed(path),
        }
    }
}

impl Named {
    /// The object, wherever it is.
    pub(crate) fn object(&self) -> Object {
        match self {
            Self::Object(object) => object.clone(),
            Self::Url(url) => url.object(),
            Self::Store(url) => url.object(),
        }
    }
}

impl std::fmt::Display for Named {
    /// Without a version id or a query, and with the key as it is.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Object(object) => write!(f, "oss://{}/{}", object.bucket(), object.key()),
            Self::Url(url) => url.fmt(f),
            Self::Store(url) => url.fmt(f),
        }
    }
}

fn named(text: &str, naming: &NamingArgs) -> Result<Named, Error> {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("http" | "https") if naming.version_id.is_some() => {
            Err(usage("--version-id does not go with a URL")
                .with_hint("get a URL for that version: it names it itself, in what is signed"))
        }
        Some("http" | "https") => text.parse().map(Named::Url),
        Some(scheme) if stores::is_known(scheme) => {
            StoreUrl::parse(text, naming.version_id.as_deref()).map(Named::Store)
        }
        _ => object(text, naming).map(Named::Object),
    }
}

fn object(text: &str, naming: &NamingArgs) -> Result<Object, Error> {
    let parse = if naming.literal_key { Object::parse_literal } else { Object::parse };
    let object = parse(text)?;
    match &naming.version_id {
        Some(id) if object.version().is_some_and(|other| other != id) => {
            Err(usage("--version-id names another version than `?versionId=` in SRC does")
                .with_hint("name one version; --literal-key if the key really ends so"))
        }
        Some(id) => object.version_id(id),
        None => Ok(object),
    }
}

/// A source as it was typed, without what may be secret: what is behind the path may sign, and a
/// name before an `@` may have a password.
fn shown(typed: &str, named: Option<&Named>) -> String {
    match named {
        Some(named) => named.to_string(),
        None if typed.contains('@') => "(not shown)".to_owned(),
        None => typed.split(['?', '#']).next().unwrap_or_default().to_owned(),
    }
}

/// The one line of a file.
fn read_line(file: &OsStr) -> Result<String, Error> {
    let name = if file == "-" { "standard input".to_owned() } else { shown_path(file) };
    let failed = |error: io::Error| {
        Error::new(ErrorKind::Config, format!("SRC cannot be read from {name}")).with_source(error)
    };
    let reader: Box<dyn Read> = match file == "-" {
        true => Box::new(io::stdin().lock()),
        false => Box::new(File::open(file).map_err(failed)?),
    };
    let mut text = String::new();
    reader.take(LONGEST + 1).read_to_string(&mut text).map_err(failed)?;
    // White space can be part of a key, and of nothing else.
    let line = text.strip_suffix('\n').map_or(&*text, |it| it.strip_suffix('\r').unwrap_or(it));
    let is_url = line.trim_start().get(..4).is_some_and(|it| it.eq_ignore_ascii_case("http"));
    let line = if is_url { line.trim() } else { line };
    if text.len() as u64 > LONGEST || line.is_empty() || line.contains(['\n', '\r']) {
        return Err(usage(format!("{name} does not hold one source"))
            .with_hint("put one oss:// source or URL into it, on one line"));
    }
    Ok(line.to_owned())
}

fn shown_path(file: &OsStr) -> String {
    file.to_string_lossy().into_owned()
}

fn not_utf8() -> Error {
    usage("SRC is not UTF-8, as keys of OSS are")
}

/// No URL is longer than what servers take. Not everything that can be opened ever ends.
const LONGEST: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: NamingArgs = NamingArgs { version_id: None, literal_key: false };

    fn read(text: &str) -> Source {
        Source::read(OsStr::new(text), &PLAIN)
    }

    #[test]
    fn what_is_told_of_a_source_holds_no_query() {
        for (typed, shown) in [
            ("oss://bkt/a b", "oss://bkt/a b"),
            ("oss://bkt/k?versionId=v1", "oss://bkt/k"),
            ("oss://bkt/k?x#y", "oss://bkt/k?x#y"),
            ("oss://B/k?versionId=v1", "oss://B/k"),
            ("https://h/k?Signature=canary", "https://h/k"),
            ("https://h/k?Signature=canary#f", "https://h/k"),
            ("https://u:canary@h/k", "(not shown)"),
        ] {
            assert_eq!(read(typed).shown, shown);
        }
    }

    #[test]
    fn a_source_is_read_from_the_file_that_it_names() {
        let dir = tempfile::tempdir().unwrap();
        let file = |content: &[u8]| {
            let path = dir.path().join("source");
            std::fs::write(&path, content).unwrap();
            read(&format!("@{}", path.display()))
        };
        let url = file(b" https://h.example/a%20b?Expires=1&Signature=canary\r\n");
        assert_eq!(url.shown, "https://h.example/a%20b");
        assert_eq!(url.file_name().unwrap(), "a b");
        assert_eq!(url.warning().is_some(), cfg!(unix), "others can read it");
        assert!(!format!("{url:?}").contains("canary"));
        assert_eq!(file(b"oss://bkt/k").named.unwrap().to_string(), "oss://bkt/k");
        assert_eq!(file(b"oss://bkt/k \r\n").named.unwrap().to_string(), "oss://bkt/k ");
        let long = vec![b'a'; (64 << 10) + 1];
        for bad in [&b""[..], b"\n", b"https://h/a?canary\nhttps://h/b", b"\xff", &long] {
            let error = file(bad).named.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
        let missing = read("@/no/such/file");
        assert_eq!(missing.shown, "@/no/such/file");
        assert!(missing.named.unwrap_err().to_string().contains("/no/such/file"));
    }

    #[test]
    fn a_signed_url_on_the_command_line_is_warned_of() {
        assert!(read("https://h/k?Expires=1&Signature=x").warning().unwrap().contains("@FILE"));
        assert_eq!(read("https://h/k").warning(), None);
        assert_eq!(read("oss://bkt/k").warning(), None);
    }

    #[test]
    fn a_url_names_its_version_itself() {
        let naming = NamingArgs { version_id: Some("v1".into()), literal_key: false };
        let source = Source::read(OsStr::new("https://h/k"), &naming);
        assert_eq!(source.named.unwrap_err().kind(), ErrorKind::Config);
    }
}
