//! Says what kind of failure an error of hyper or rustls is.

use crate::{TransportError, TransportErrorKind};
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use hyper::client::conn::TrySendError;
use rustls::AlertDescription;
use std::error::Error as StdError;
use std::io;

pub(super) type BoxError = Box<dyn StdError + Send + Sync>;

/// Whether a connection has served a request before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum History {
    Fresh,
    Reused,
}

/// ENFILE, EMFILE (POSIX systems agree on them), and ENOBUFS on Linux.
#[cfg(unix)]
const EXHAUSTED: [i32; 3] = [23, 24, 105];
/// WSAEMFILE and WSAENOBUFS.
#[cfg(windows)]
const EXHAUSTED: [i32; 2] = [10024, 10055];

/// What hyper lets pass, or reports in words that could repeat a field of the response.
#[derive(Debug, thiserror::Error)]
pub(super) enum Malformed {
    #[error("the response has both a length and a transfer coding, or a coding never asked for")]
    Framing,
    #[error("the chunked coding of the body is broken")]
    Chunked,
    #[error("too many interim responses")]
    Interim,
}

pub(super) fn error(
    kind: TransportErrorKind,
    host: &str,
    source: impl Into<BoxError>,
) -> TransportError {
    TransportError::new(kind, Some(host), Some(source.into()))
}

/// A failure to resolve or connect: of `kind`, unless it is this machine that has no more to give.
pub(super) fn dialling(kind: TransportErrorKind, host: &str, source: io::Error) -> TransportError {
    let exhausted = source.kind() == io::ErrorKind::AddrNotAvailable
        || source.raw_os_error().is_some_and(|code| EXHAUSTED.contains(&code));
    error(if exhausted { TransportErrorKind::Exhausted } else { kind }, host, source)
}

/// A failure of the connector: the dialer's own, or one of the TLS handshake.
pub(super) fn connecting(host: &str, source: BoxError) -> TransportError {
    let source = match source.downcast::<TransportError>() {
        Ok(ours) => return *ours,
        Err(source) => source,
    };
    let kind = match tls_error(source.as_ref()) {
        Some(error) if is_final(error) => TransportErrorKind::Certificate,
        _ if source.is::<rustls::pki_types::InvalidDnsNameError>() => TransportErrorKind::Request,
        _ => TransportErrorKind::TlsHandshake,
    };
    error(kind, host, source)
}

/// A failure between handing over a request and having the head of the response.
pub(super) fn exchanging<B>(
    host: &str,
    history: History,
    failure: TrySendError<B>,
) -> TransportError {
    // hyper hands the request back only if it has written nothing of it. On a fresh connection
    // that is no excuse: a server that always closes at once must cost attempts.
    let unsent = failure.message().is_some() && history == History::Reused;
    let source = failure.into_error();
    let kind = if unsent {
        TransportErrorKind::Unsent
    } else if source.is_parse() {
        TransportErrorKind::Protocol
    } else {
        TransportErrorKind::Broken
    };
    error(kind, host, source)
}

/// A failure within the body.
pub(super) fn reading(host: &str, source: hyper::Error) -> TransportError {
    let framing = source
        .source()
        .and_then(|cause| cause.downcast_ref::<io::Error>())
        .filter(|_| tls_error(&source).is_none())
        .is_some_and(|cause| {
            matches!(cause.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData)
        });
    if framing {
        // hyper's text quotes the trailer it could not parse.
        error(TransportErrorKind::Protocol, host, Malformed::Chunked)
    } else {
        error(TransportErrorKind::Broken, host, source)
    }
}

/// Refuses framing that hyper reads one way and another reader could read differently
/// (RFC 9112, section 6.3), and transfer codings, none of which a request has asked for.
pub(super) fn check_framing(head: &http::response::Parts) -> Result<(), Malformed> {
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None)
            if coding.as_bytes().eq_ignore_ascii_case(b"chunked")
                && !head.headers.contains_key(CONTENT_LENGTH) =>
        {
            Ok(())
        }
        _ => Err(Malformed::Framing),
    }
}

/// Trying again meets the same certificate, or the same lack of a common version or cipher.
const fn is_final(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::InvalidCertificate(_)
            | rustls::Error::PeerIncompatible(_)
            | rustls::Error::AlertReceived(
                AlertDescription::ProtocolVersion
                    | AlertDescription::HandshakeFailure
                    | AlertDescription::InsufficientSecurity
            )
    )
}

/// The rustls error in a chain. `io::Error::source` skips the error it wraps, `get_ref` does not.
fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    match inner {
        Some(inner) => tls_error(inner),
        None => tls_error(error.source()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;
    use rustls::{CertificateError, Error, PeerIncompatible};

    #[test]
    fn a_lack_of_descriptors_is_told_from_a_refused_connection() {
        for (source, kind) in [
            (io::Error::from_raw_os_error(EXHAUSTED[0]), TransportErrorKind::Exhausted),
            (io::ErrorKind::AddrNotAvailable.into(), TransportErrorKind::Exhausted),
            (io::ErrorKind::ConnectionRefused.into(), TransportErrorKind::Connect),
        ] {
            assert_eq!(dialling(TransportErrorKind::Connect, "host", source).kind(), kind);
        }
    }

    #[test]
    fn a_refused_certificate_or_version_is_final_and_other_tls_failures_are_not() {
        let kind = |cause: Error| {
            // As hyper-rustls wraps it.
            let inner = io::Error::new(io::ErrorKind::InvalidData, cause);
            connecting("host", Box::new(io::Error::other(inner))).kind()
        };
        for cause in [
            Error::InvalidCertificate(CertificateError::Expired),
            Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13),
            Error::AlertReceived(AlertDescription::ProtocolVersion),
            Error::AlertReceived(AlertDescription::HandshakeFailure),
        ] {
            assert_eq!(kind(cause), TransportErrorKind::Certificate);
        }
        for cause in [Error::AlertReceived(AlertDescription::InternalError), Error::DecryptError] {
            assert_eq!(kind(cause), TransportErrorKind::TlsHandshake);
        }
        let eof = io::Error::other(io::Error::from(io::ErrorKind::UnexpectedEof));
        assert_eq!(connecting("host", Box::new(eof)).kind(), TransportErrorKind::TlsHandshake);
    }

    #[test]
    fn framing_has_one_reading_or_is_refused() {
        let check = |fields: &[(&str, &str)]| {
            let mut response = Response::builder();
            for (name, value) in fields {
                response = response.header(*name, *value);
            }
            check_framing(&response.body(()).unwrap().into_parts().0).is_ok()
        };
        assert!(check(&[]));
        assert!(check(&[("content-length", "1")]));
        assert!(check(&[("transfer-encoding", "Chunked")]));
        assert!(!check(&[("transfer-encoding", "chunked"), ("content-length", "1")]));
        assert!(!check(&[("transfer-encoding", "gzip, chunked")]));
        assert!(!check(&[("transfer-encoding", "gzip"), ("transfer-encoding", "chunked")]));
        assert!(!check(&[("transfer-encoding", "identity")]));
    }
}
