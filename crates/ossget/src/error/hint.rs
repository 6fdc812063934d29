//! What to do about an error: one sentence each.

use super::ErrorKind;

/// What to do about an error code of the service, where more can be said than of its kind.
///
/// Source of the codes: the OSS documentation, "Common error codes" and "0003" to "0026" of the
/// EC error codes.
pub(super) fn of_code(code: &str) -> Option<&'static str> {
    Some(match code {
        "AccessDenied" => {
            "grant the owner of the access key oss:GetObject on the object \
             (oss:GetObjectVersion on a version of it)"
        }
        "InvalidAccessKeyId" => "check the access key id: it may be mistyped, disabled or deleted",
        "SignatureDoesNotMatch" => "check the access key secret and the region",
        "InvalidSecurityToken" => {
            "check the security token: it belongs to another access key, or is cut short"
        }
        "SecurityTokenExpired" => "get new temporary credentials, then run it again",
        "UserDisable" => "look at the account: the service is overdue or switched off for it",
        "RequestTimeTooSkewed" => "set the clock of this machine",
        "RequestPayerMissing" => {
            "agree to pay for the traffic, as the bucket's owner wants: --request-payer"
        }
        "NoSuchBucket" => "check the name of the bucket and the endpoint",
        "NoSuchKey" => "check the key: every character counts, and so does its case",
        "NoSuchVersion" => "check the version id, or leave it out for the latest version",
        "MethodNotAllowed" => {
            "name another version: this one is a delete marker, which has no bytes"
        }
        "SymlinkTargetNotExist" => "look at the object: it is a link, and its target is gone",
        "InvalidObjectState" => "restore the archived object first",
        "SecondLevelDomainForbidden" => {
            "address the bucket in the host, as the service wants: --addressing-style virtual"
        }
        "FileAlreadyExists" => "choose another key, or let the object be replaced",
        "InvalidBucketName" | "InvalidObjectName" => "correct the name that the message means",
        _ => return None,
    })
}

/// What to do about an error of this kind.
pub(super) const fn of_kind(kind: ErrorKind) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::Config => "correct the setting that the message names",
        ErrorKind::Credentials => "provide valid credentials, then run it again",
        ErrorKind::Denied => {
            "grant the owner of the access key oss:GetObject on the object \
             (oss:GetObjectVersion on a version of it)"
        }
        ErrorKind::NotFound => "check the bucket, the key and the version id",
        ErrorKind::Changed => "download it again, or name the version id that is wanted",
        ErrorKind::PreconditionFailed => "look at the object again, then adapt the precondition",
        ErrorKind::RangeIgnored | ErrorKind::Protocol => {
            "look for a proxy or cache between here and the service"
        }
        ErrorKind::Service => "look up the service's error code",
        ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::Network | ErrorKind::Timeout => {
            "run it again later"
        }
        ErrorKind::Integrity => "do not use the bytes; download the object again",
        ErrorKind::Checkpoint => "look at the checkpoint, or start over without it",
        ErrorKind::Storage => "correct what the message names, then run it again",
        ErrorKind::NoSpace => "make room, then run it again",
        ErrorKind::Locked => "wait for the other run to end",
        ErrorKind::Exists => "choose another destination, or allow this one to be replaced",
        ErrorKind::Refused => "look at what lies at the destination, or choose another one",
        ErrorKind::Certificate => "check the endpoint and the trusted certificates",
        ErrorKind::Redirected => "use the endpoint of the bucket's own region",
        ErrorKind::RangeBeyondEnd => "choose a range within the object",
        ErrorKind::Cancelled => return None,
        ErrorKind::Internal => "report this error",
    })
}
