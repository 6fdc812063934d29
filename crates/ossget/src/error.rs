//! The error of every operation of this crate.

mod hint;

use crate::source::{ServiceError, SourceError};
use ossget_core::ByteRange;
use ossget_fs::{FsError, FsErrorKind};
use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

/// Why an operation failed.
///
/// [`kind`](Self::kind) says what a caller can do about it. `Display` says what happened at this
/// level only, and its wording is not part of the API; what lies beneath is in
/// [`source`](StdError::source). No text holds a secret, a token, a signature or a query string,
/// and what a server said is escaped and cut short.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    resumable: bool,
    service: Option<ServiceError>,
    host: Option<String>,
    attempts: u32,
    range: Option<ByteRange>,
    hint: Option<Cow<'static, str>>,
    source: Option<BoxError>,
}

/// What a caller can act on. A kind exists only where something else is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting is missing or out of bounds. The message names it, its value and the bound.
    Config,
    /// There are no usable credentials, or they have expired.
    Credentials,
    /// The service knows the credentials and does not allow the operation.
    Denied,
    /// There is no such bucket, object or version, or the object must be restored first.
    NotFound,
    /// The object is not, or no longer, the one that the download began with.
    Changed,
    /// A precondition that the caller set does not hold.
    PreconditionFailed,
    /// The server answered a range with the whole object, every time.
    RangeIgnored,
    /// The server, or something between here and there, breaks the protocol in another way.
    Protocol,
    /// The service does not accept the request, for a reason without a kind of its own:
    /// [`Error::service_code`] names it.
    Service,
    /// The service asks for fewer requests, and went on asking.
    Throttled,
    /// The service is out of order for now.
    Unavailable,
    /// The network failed: name lookup, connection, or a body cut short.
    Network,
    /// Something took longer than its limit.
    Timeout,
    /// The bytes do not match the object's checksum or the caller's digest.
    Integrity,
    /// There is a checkpoint that cannot be used and must not be replaced.
    Checkpoint,
    /// A file operation failed.
    Storage,
    /// There is no room for the file.
    NoSpace,
    /// Another run holds the destination.
    Locked,
    /// The destination exists and may not be replaced.
    Exists,
    /// Refused for safety: a link or special file, another owner, an unsafe name.
    Refused,
    /// The server's certificate or TLS version is not acceptable.
    Certificate,
    /// The service answered with a redirect, which is never followed.
    Redirected,
    /// The wanted range begins beyond the end of the object.
    RangeBeyondEnd,
    /// The caller stopped the operation.
    Cancelled,
    /// A defect of this crate.
    Internal,
}

impl Error {
    /// An error of `kind`; `message` says what happened, in lower case and without a full stop.
    ///
    /// For implementations of this crate's traits. The message must not hold secrets; control
    /// characters in it are escaped.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: printable(message.into(), MAX_MESSAGE),
            resumable: false,
            service: None,
            host: None,
            attempts: 0,
            range: None,
            hint: None,
            source: None,
        }))
    }

    /// The same error without its cause, for each of several things that it is about.
    #[must_use]
    pub fn repeated(&self) -> Self {
        let inner = &self.0;
        Self(Box::new(Inner {
            kind: inner.kind,
            message: inner.message.clone(),
            resumable: inner.resumable,
            service: inner.service.clone(),
            host: inner.host.clone(),
            attempts: inner.attempts,
            range: inner.range,
            hint: inner.hint.clone(),
            source: None,
        }))
    }

    /// Sets the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Sets what to do about it: one sentence, in lower case and without a full stop.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.0.hint = Some(printable(hint.into(), MAX_MESSAGE));
        self
    }

    /// A setting that cannot be: which, what it is, and what it must be.
    pub(crate) fn config(field: &str, value: impl fmt::Display, bound: &str) -> Self {
        Self::new(ErrorKind::Config, format!("{field} is {value}, but must be {bound}"))
    }

    /// A failed file operation. The path is in the cause.
    pub(crate) fn storage(error: FsError) -> Self {
        let (kind, message) = match error.kind() {
            FsErrorKind::Locked => (ErrorKind::Locked, "another run holds the destination"),
            FsErrorKind::Refused => (ErrorKind::Refused, "a file is not safe to use"),
            FsErrorKind::NoSpace => (ErrorKind::NoSpace, "there is no room for the file"),
            FsErrorKind::TooLarge => {
                (ErrorKind::Storage, "the file is too large for the file system")
            }
            FsErrorKind::Exists => (ErrorKind::Exists, "the destination exists"),
            _ => (ErrorKind::Storage, "a file operation failed"),
        };
        let ours = error.path().extension().is_some_and(|extension| extension == "ossget");
        let this = Self::new(kind, message);
        match kind {
            ErrorKind::Refused if ours => {
                this.with_hint("look at the checkpoint, then start over without it: --restart")
            }
            ErrorKind::Refused if error.path().is_symlink() => {
                this.with_hint("name what the link leads to, or give --follow-symlink")
            }
            _ => this,
        }
        .with_source(error)
    }

    /// Sets an error beneath this one as the cause, and takes over what it knows of the service.
    pub(crate) fn because(mut self, mut cause: Self) -> Self {
        self.0.service = cause.0.service.take();
        self.0.host = cause.0.host.take();
        self.0.hint = cause.0.hint.take();
        self.with_source(cause)
    }

    /// Sets the range that could not be had.
    pub(crate) fn with_range(mut self, range: ByteRange) -> Self {
        self.0.range = Some(range);
        self
    }

    /// Sets how many attempts were made.
    pub(crate) fn with_attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    /// Notes that a checkpoint is left to go on from.
    pub(crate) fn resumable(mut self) -> Self {
        self.0.resumable = true;
        self
    }

    /// The message and the cause, to report them at another level.
    pub(crate) fn into_parts(self) -> (Cow<'static, str>, Option<BoxError>) {
        (self.0.message, self.0.source)
    }

    /// What kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the same operation may succeed later although nothing but time has changed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.0.kind.is_transient()
    }

    /// Whether a checkpoint is left, so that the same download goes on from where it stopped.
    #[must_use]
    pub fn is_resumable(&self) -> bool {
        self.0.resumable
    }

    /// The status of the response, where there was one that explained.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.0.service.as_ref().map(ServiceError::status)
    }

    /// The service's error code, such as `NoSuchKey`.
    #[must_use]
    pub fn service_code(&self) -> Option<&str> {
        self.0.service.as_ref()?.code()
    }

    /// The service's fine-grained error code, such as `0026-00000001`.
    #[must_use]
    pub fn ec(&self) -> Option<&str> {
        self.0.service.as_ref()?.ec()
    }

    /// The id under which the service knows the last failed request.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.service.as_ref()?.request_id()
    }

    /// The host that the last failed request went to.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.0.host.as_deref()
    }

    /// How many attempts were made; 0 where that was not counted.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// The bytes of the object that could not be had.
    #[must_use]
    pub fn range(&self) -> Option<ByteRange> {
        self.0.range
    }

    /// What to do about it: one sentence, in lower case and without a full stop.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        let known = || self.service_code().and_then(hint::of_code);
        self.0.hint.as_deref().or_else(known).or_else(|| hint::of_kind(self.0.kind))
    }
}

impl ErrorKind {
    const fn is_transient(self) -> bool {
        matches!(self, Self::Throttled | Self::Unavailable | Self::Network | Self::Timeout)
    }
}

impl From<SourceError> for Error {
    /// The same failure, said at the same level. Once it is told to a caller, what was worth trying
    /// again has been tried: only its kind says whether time may heal it.
    fn from(error: SourceError) -> Self {
        let parts = error.into_parts();
        let mut this = Self::new(parts.kind, parts.message);
        this.0.service = parts.service;
        this.0.host = parts.host;
        this.0.hint = parts.hint;
        this.0.source = parts.source;
        this
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// Text from elsewhere, fit to be shown: control characters, and those that reorder text, are
/// escaped, and more than `limit` characters are cut off.
pub(crate) fn printable<'a>(text: impl Into<Cow<'a, str>>, limit: usize) -> Cow<'a, str> {
    let text = text.into();
    // A character has at least one byte, so a short text need not be counted.
    let fits = text.len() <= limit || text.chars().nth(limit).is_none();
    if fits && !text.contains(is_unprintable) {
        return text;
    }
    let mut shown = String::with_capacity(text.len().min(limit) + 16);
    for character in text.chars().take(limit) {
        if is_unprintable(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    if !fits {
        shown.push('…');
    }
    Cow::Owned(shown)
}

/// Whether a terminal or a log could be deceived by it: control characters, line and paragraph
/// separators, and what changes the direction of text (Unicode Standard Annex 9).
fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

pub(crate) type BoxError = Box<dyn StdError + Send + Sync>;

/// Characters of a message at most.
pub(crate) const MAX_MESSAGE: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;
    use ossget_core::Failure;
    use std::io;

    /// The table of exit codes of the command line.
    fn exit_code(kind: ErrorKind) -> u8 {
        match kind {
            ErrorKind::Config | ErrorKind::RangeBeyondEnd => 2,
            ErrorKind::Credentials | ErrorKind::Denied => 3,
            ErrorKind::NotFound => 4,
            ErrorKind::Changed | ErrorKind::PreconditionFailed => 5,
            ErrorKind::Integrity => 6,
            ErrorKind::Storage | ErrorKind::NoSpace => 7,
            ErrorKind::Locked | ErrorKind::Exists => 8,
            ErrorKind::Checkpoint | ErrorKind::Refused => 10,
            ErrorKind::Throttled
            | ErrorKind::Unavailable
            | ErrorKind::Network
            | ErrorKind::Timeout => 75,
            ErrorKind::Cancelled => 130,
            ErrorKind::RangeIgnored
            | ErrorKind::Protocol
            | ErrorKind::Service
            | ErrorKind::Certificate
            | ErrorKind::Redirected
            | ErrorKind::Internal => 1,
        }
    }

    #[test]
    fn an_error_is_one_pointer_wide() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
        assert_eq!(size_of::<Result<(), Error>>(), size_of::<usize>());
    }

    #[test]
    fn errors_cross_threads() {
        fn check<T: Send + Sync + 'static>() {}
        check::<Error>();
    }

    #[test]
    fn the_exit_code_follows_from_the_kind_alone() {
        let not_finished =
            [ErrorKind::Throttled, ErrorKind::Unavailable, ErrorKind::Network, ErrorKind::Timeout];
        for kind in not_finished {
            assert_eq!(exit_code(kind), 75);
            assert!(Error::new(kind, "x").is_transient(), "{kind:?}");
        }
        for kind in [ErrorKind::Protocol, ErrorKind::Integrity, ErrorKind::Denied] {
            assert_ne!(exit_code(kind), 75);
            assert!(!Error::new(kind, "x").is_transient(), "{kind:?}");
        }
    }

    #[test]
    fn display_says_this_level_and_source_the_one_below() {
        let error = Error::new(ErrorKind::Storage, "writing failed")
            .with_source(io::Error::other("disk on fire"));
        assert_eq!(error.to_string(), "writing failed");
        assert_eq!(error.source().unwrap().to_string(), "disk on fire");
    }

    #[test]
    fn what_the_driver_adds_can_be_read_back() {
        let range = ByteRange::new(3, 8).unwrap();
        let error = Error::new(ErrorKind::Network, "x");
        assert!(!error.is_resumable());
        assert_eq!((error.attempts(), error.range()), (0, None));
        let error = error.with_range(range).with_attempts(4).resumable();
        assert!(error.is_resumable());
        assert_eq!((error.attempts(), error.range()), (4, Some(range)));
    }

    #[test]
    fn a_refused_setting_is_named_with_its_value_and_bound() {
        let error = Error::config("part size", "1 KiB", "100 KiB to 5 GiB");
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(error.to_string(), "part size is 1 KiB, but must be 100 KiB to 5 GiB");
    }

    #[test]
    fn each_kind_of_storage_failure_keeps_its_meaning() {
        for (theirs, ours) in [
            (FsErrorKind::Locked, ErrorKind::Locked),
            (FsErrorKind::Refused, ErrorKind::Refused),
            (FsErrorKind::NoSpace, ErrorKind::NoSpace),
            (FsErrorKind::TooLarge, ErrorKind::Storage),
            (FsErrorKind::Exists, ErrorKind::Exists),
            (FsErrorKind::Storage, ErrorKind::Storage),
        ] {
            let error = Error::storage(FsError::new(theirs, "open", "/x/y", None));
            assert_eq!(error.kind(), ours);
            assert!(!error.to_string().contains("/x/y"));
            assert_eq!(error.source().unwrap().to_string(), "open /x/y");
        }
    }

    #[test]
    fn a_source_error_keeps_its_kind_and_its_cause() {
        let cause = SourceError::protocol("no length").with_source(io::Error::other("below"));
        let error = Error::from(cause);
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(!error.is_transient(), "it has been asked for several times");
        assert_eq!(error.to_string(), "no length");
        assert_eq!(error.source().unwrap().to_string(), "below");
        let error = Error::from(SourceError::new(Failure::Denied, "no"));
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Denied, false));
    }

    #[test]
    fn a_hint_of_its_own_comes_before_the_general_one() {
        let error = Error::new(ErrorKind::Locked, "x");
        assert_eq!(error.hint(), Some("wait for the other run to end"));
        assert_eq!(error.with_hint("do this").hint(), Some("do this"));
        assert_eq!(Error::new(ErrorKind::Cancelled, "x").hint(), None);
    }

    /// Faults: 53, 127.
    #[test]
    fn text_from_elsewhere_cannot_forge_a_line_or_colour_it() {
        let evil = "a\r\nINFO ok \u{1b}[31m\0\u{7f}\u{85}\u{2028}\u{202e}z";
        let shown = Error::new(ErrorKind::Service, evil).to_string();
        assert_eq!(shown, "a\\r\\nINFO ok \\u{1b}[31m\\u{0}\\u{7f}\\u{85}\\u{2028}\\u{202e}z");
        assert_eq!(printable("文件 é 👩\u{200d}🚒", 20), "文件 é 👩\u{200d}🚒");
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        assert_eq!(printable("äöü", 3), "äöü");
        assert_eq!(printable("äöüß", 3), "äöü…");
        assert_eq!(printable("a\nb", 2), "a\\n…");
        let shown = Error::new(ErrorKind::Service, "x".repeat(5000)).to_string();
        assert_eq!(shown.chars().count(), MAX_MESSAGE + 1);
    }
}
