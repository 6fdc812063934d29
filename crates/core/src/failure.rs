//! Classes of failure: what retry decisions are made on.

use core::fmt;

/// The class of a failed request or attempt. A class exists only where the session acts
/// differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Failure {
    /// The connection failed: refused, reset, timed out, TLS torn, body cut short.
    Network,
    /// The request never left: an idle connection turned out to be closed. Not charged to any
    /// budget.
    Unsent,
    /// No byte, or too few, for too long.
    Stalled,
    /// The server gave less than was asked for, and all that it promised: legal, and the rest is
    /// simply asked for.
    Short,
    /// The service asks for fewer requests.
    Throttled,
    /// This machine has no descriptor, port or buffer left for another connection.
    Scarce,
    /// The service, or a proxy before it, is out of order for now.
    Unavailable,
    /// The server violates the protocol. Counted against the budget even while nothing else
    /// progresses, since it does not pass with the weather.
    Protocol,
    /// The credentials do not allow it.
    Denied,
    /// There is no such object, bucket or version, or it must be restored first.
    NotFound,
    /// The object is not the one that was probed.
    Changed,
    /// The credentials have expired; new ones may help.
    ExpiredCredentials,
    /// The service finds the clock wrong; signing with a corrected time may help.
    ClockSkew,
    /// Trying again cannot help: an untrusted certificate, a redirect, a bad request.
    Fatal,
    /// We asked for it.
    Aborted,
}

impl Failure {
    /// The class of an error response: its status, and the `Code` of its body where it has one.
    ///
    /// The code decides where it is known, else the status:
    ///
    /// | code | class |
    /// | --- | --- |
    /// | `AccessDenied`, `SignatureDoesNotMatch`, `InvalidAccessKeyId`, `InvalidSecurityToken`, `UserDisable` | denied |
    /// | `SecurityTokenExpired` | expired credentials |
    /// | `RequestTimeTooSkewed` | clock skew |
    /// | `NoSuchKey`, `NoSuchBucket`, `NoSuchVersion`, `SymlinkTargetNotExist`, `MethodNotAllowed` (GET of a delete marker), `InvalidObjectState` (archived, not restored) | not found |
    /// | `PreconditionFailed`, `InvalidRange` | changed |
    /// | `…TrafficRateLimitExceeded`, `…QpsLimitExceeded`, `TooManyRequests` | throttled |
    /// | `RequestTimeout` (OSS sends it with 400) | network |
    /// | `InternalError`, `ServiceUnavailable` | unavailable, throttled |
    /// | `NotImplemented` (501) | fatal |
    ///
    /// | status | class |
    /// | --- | --- |
    /// | 401, 403, 407 | denied |
    /// | 404, 410 | not found |
    /// | 408 | network |
    /// | 412, 416 | changed |
    /// | 429, 503 | throttled |
    /// | other 5xx | unavailable |
    /// | 3xx, other 4xx | fatal |
    /// | anything else | protocol |
    ///
    /// Sources: the error codes of the OSS documentation ("Error codes", by EC), the retryable
    /// codes and statuses of the Go and Python SDKs v2 (5xx, 401, 408, 429,
    /// `RequestTimeTooSkewed`), RFC 9110 section 15. Those SDKs also retry 401 and the code
    /// `BadRequest`; neither gets better by itself here, because each attempt is signed anew.
    /// A 304 is fatal since no request of ours can lead to one.
    #[must_use]
    pub fn of_status(status: u16, code: Option<&str>) -> Self {
        code.and_then(Self::of_code).unwrap_or_else(|| Self::of_bare_status(status))
    }

    /// Whether the same request may succeed later although nothing but time has changed.
    ///
    /// [`Failure::ExpiredCredentials`], [`Failure::ClockSkew`] and [`Failure::Changed`] are not
    /// transient: something must be renewed first.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        match self {
            Self::Network
            | Self::Unsent
            | Self::Stalled
            | Self::Short
            | Self::Throttled
            | Self::Scarce
            | Self::Unavailable
            | Self::Protocol => true,
            Self::Denied
            | Self::NotFound
            | Self::Changed
            | Self::ExpiredCredentials
            | Self::ClockSkew
            | Self::Fatal
            | Self::Aborted => false,
        }
    }

    fn of_code(code: &str) -> Option<Self> {
        Some(match code {
            "AccessDenied"
            | "SignatureDoesNotMatch"
            | "InvalidAccessKeyId"
            | "InvalidSecurityToken"
            | "UserDisable" => Self::Denied,
            "SecurityTokenExpired" => Self::ExpiredCredentials,
            "RequestTimeTooSkewed" => Self::ClockSkew,
            "NoSuchKey"
            | "NoSuchBucket"
            | "NoSuchVersion"
            | "SymlinkTargetNotExist"
            | "MethodNotAllowed"
            | "InvalidObjectState" => Self::NotFound,
            "PreconditionFailed" | "InvalidRange" => Self::Changed,
            "TooManyRequests" | "ServiceUnavailable" => Self::Throttled,
            "RequestTimeout" => Self::Network,
            "InternalError" => Self::Unavailable,
            "NotImplemented" => Self::Fatal,
            _ if code.ends_with("TrafficRateLimitExceeded")
                || code.ends_with("QpsLimitExceeded") =>
            {
                Self::Throttled
            }
            _ => return None,
        })
    }

    const fn of_bare_status(status: u16) -> Self {
        match status {
            401 | 403 | 407 => Self::Denied,
            404 | 410 => Self::NotFound,
            408 => Self::Network,
            412 | 416 => Self::Changed,
            429 | 503 => Self::Throttled,
            500..=599 => Self::Unavailable,
            300..=499 => Self::Fatal,
            _ => Self::Protocol,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Network => "network failure",
            Self::Unsent => "connection closed before the request left",
            Self::Stalled => "stalled",
            Self::Short => "fewer bytes than asked for",
            Self::Throttled => "throttled",
            Self::Scarce => "no room for another connection",
            Self::Unavailable => "service unavailable",
            Self::Protocol => "protocol violation",
            Self::Denied => "access denied",
            Self::NotFound => "not found",
            Self::Changed => "object changed",
            Self::ExpiredCredentials => "credentials expired",
            Self::ClockSkew => "clock skew",
            Self::Fatal => "cannot succeed",
            Self::Aborted => "aborted",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::string::ToString;

    const TRANSIENT: [Failure; 8] = [
        Failure::Network,
        Failure::Unsent,
        Failure::Stalled,
        Failure::Short,
        Failure::Throttled,
        Failure::Scarce,
        Failure::Unavailable,
        Failure::Protocol,
    ];
    const LASTING: [Failure; 7] = [
        Failure::Denied,
        Failure::NotFound,
        Failure::Changed,
        Failure::ExpiredCredentials,
        Failure::ClockSkew,
        Failure::Fatal,
        Failure::Aborted,
    ];

    #[test]
    fn a_known_code_decides() {
        for (status, code, class) in [
            (403, "AccessDenied", Failure::Denied),
            (403, "SignatureDoesNotMatch", Failure::Denied),
            (403, "InvalidAccessKeyId", Failure::Denied),
            (403, "SecurityTokenExpired", Failure::ExpiredCredentials),
            (403, "RequestTimeTooSkewed", Failure::ClockSkew),
            (404, "NoSuchKey", Failure::NotFound),
            (404, "NoSuchBucket", Failure::NotFound),
            (404, "NoSuchVersion", Failure::NotFound),
            (405, "MethodNotAllowed", Failure::NotFound),
            (403, "InvalidObjectState", Failure::NotFound),
            (412, "PreconditionFailed", Failure::Changed),
            (416, "InvalidRange", Failure::Changed),
            (503, "DownloadTrafficRateLimitExceeded", Failure::Throttled),
            (503, "UploadTrafficRateLimitExceeded", Failure::Throttled),
            (503, "QpsLimitExceeded", Failure::Throttled),
            (400, "RequestTimeout", Failure::Network),
            (500, "InternalError", Failure::Unavailable),
            (501, "NotImplemented", Failure::Fatal),
        ] {
            assert_eq!(Failure::of_status(status, Some(code)), class, "{status} {code}");
        }
    }

    /// Some servers and proxies in between give a code a status of their own.
    #[test]
    fn a_known_code_decides_against_the_status() {
        for (code, class) in [
            ("AccessDenied", Failure::Denied),
            ("SignatureDoesNotMatch", Failure::Denied),
            ("InvalidAccessKeyId", Failure::Denied),
            ("InvalidSecurityToken", Failure::Denied),
            ("UserDisable", Failure::Denied),
            ("SecurityTokenExpired", Failure::ExpiredCredentials),
            ("RequestTimeTooSkewed", Failure::ClockSkew),
            ("NoSuchKey", Failure::NotFound),
            ("SymlinkTargetNotExist", Failure::NotFound),
            ("PreconditionFailed", Failure::Changed),
            ("InvalidRange", Failure::Changed),
            ("TooManyRequests", Failure::Throttled),
            ("ServiceUnavailable", Failure::Throttled),
            ("DownloadTrafficRateLimitExceeded", Failure::Throttled),
            ("TotalQpsLimitExceeded", Failure::Throttled),
            ("RequestTimeout", Failure::Network),
            ("InternalError", Failure::Unavailable),
        ] {
            assert_eq!(Failure::of_status(400, Some(code)), class, "{code}");
        }
        assert_eq!(Failure::of_status(500, Some("NotImplemented")), Failure::Fatal);
    }

    #[test]
    fn each_is_told_in_words_of_its_own() {
        let all = TRANSIENT.iter().chain(&LASTING);
        let told: BTreeSet<_> = all.map(ToString::to_string).collect();
        assert!(told.len() == TRANSIENT.len() + LASTING.len() && !told.contains(""), "{told:?}");
    }

    #[test]
    fn the_status_decides_where_the_code_is_unknown_or_absent() {
        for (status, class) in [
            (0, Failure::Protocol),
            (100, Failure::Protocol),
            (204, Failure::Protocol),
            (301, Failure::Fatal),
            (304, Failure::Fatal),
            (307, Failure::Fatal),
            (400, Failure::Fatal),
            (401, Failure::Denied),
            (403, Failure::Denied),
            (404, Failure::NotFound),
            (405, Failure::Fatal),
            (408, Failure::Network),
            (412, Failure::Changed),
            (416, Failure::Changed),
            (429, Failure::Throttled),
            (499, Failure::Fatal),
            (500, Failure::Unavailable),
            (502, Failure::Unavailable),
            (503, Failure::Throttled),
            (504, Failure::Unavailable),
            (600, Failure::Protocol),
        ] {
            assert_eq!(Failure::of_status(status, None), class, "{status}");
            assert_eq!(Failure::of_status(status, Some("Other")), class, "{status}");
            assert_eq!(Failure::of_status(status, Some("accessdenied")), class, "{status}");
        }
    }

    #[test]
    fn only_what_time_heals_is_transient() {
        assert!(TRANSIENT.into_iter().all(Failure::is_transient));
        assert!(!LASTING.into_iter().any(Failure::is_transient));
    }
}
