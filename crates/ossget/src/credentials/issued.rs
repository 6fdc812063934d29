//! Credentials as a source hands them out, and for how long.

use super::{Credentials, malformed};
use crate::{Error, ErrorKind};
use async_trait::async_trait;
use serde_json::Value;
use std::fmt;
use std::time::{Duration, SystemTime};

/// Where credentials are got, one set each time it is asked: a service, a file, a program.
///
/// It keeps nothing; [`Refreshing`](super::Refreshing) asks it in good time and never twice at once.
/// `Debug` must not show secrets.
#[async_trait]
pub trait CredentialsSource: fmt::Debug + Send + Sync + 'static {
    /// Gets credentials. Must come to an end by itself: nobody else limits the time.
    ///
    /// # Errors
    ///
    /// As [`CredentialsProvider::credentials`](super::CredentialsProvider::credentials).
    ///
    /// # Cancel safety
    ///
    /// Implementations must be safe to drop at any time.
    async fn issue(&self) -> Result<Issued, Error>;

    /// Where the credentials come from, in words and without their values.
    fn describe(&self) -> String;
}

/// Credentials that were just got, and for how long they are good.
#[derive(Clone, Debug)]
pub struct Issued {
    credentials: Credentials,
    lifetime: Option<Duration>,
}

impl Issued {
    /// Credentials of which no end is known.
    #[must_use]
    pub const fn lasting(credentials: Credentials) -> Self {
        Self { credentials, lifetime: None }
    }

    /// Credentials that end in so long from now.
    #[must_use]
    pub const fn lasting_for(credentials: Credentials, lifetime: Duration) -> Self {
        Self { credentials, lifetime: Some(lifetime) }
    }

    /// Credentials that end at `expiration`, where it is `now` by the clock of whoever says so.
    ///
    /// Both times are of one clock, so that it does not matter how wrong this machine's is: what
    /// is left between them is measured with a clock that nobody sets.
    #[must_use]
    pub fn lasting_until(
        credentials: Credentials,
        expiration: SystemTime,
        now: SystemTime,
    ) -> Self {
        Self::lasting_for(credentials, expiration.duration_since(now).unwrap_or_default())
    }

    /// The credentials.
    #[must_use]
    pub const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// How long they are good from the time they were got on; `None` where no end is known.
    #[must_use]
    pub const fn lifetime(&self) -> Option<Duration> {
        self.lifetime
    }

    pub(super) fn into_parts(self) -> (Credentials, Option<Duration>) {
        (self.credentials, self.lifetime)
    }
}

/// Reads credentials out of an object of JSON, in the spelling of the services
/// (`AccessKeyId`, …, `Expiration`) or of the command line tools (`access_key_id`, …,
/// `expiration`). `origin` names the object in messages; `now` is the time where it was made.
pub(super) fn read(object: &Value, origin: &str, now: SystemTime) -> Result<Issued, Error> {
    let text = |names: [&str; 2]| {
        let found = names.iter().find_map(|name| object.get(name).and_then(Value::as_str));
        found.filter(|text| !text.is_empty())
    };
    let required = |names: [&'static str; 2]| {
        text(names).ok_or_else(|| {
            let message = format!("there is no {} in {origin}", names[0]);
            Error::new(ErrorKind::Credentials, message)
        })
    };
    let id = required(["AccessKeyId", "access_key_id"])?;
    let secret = required(["AccessKeySecret", "access_key_secret"])?;
    let token = text(["SecurityToken", "sts_token"]).unwrap_or_default();
    let credentials = Credentials::new(id, secret)
        .and_then(|pair| pair.security_token(token))
        .map_err(|error| malformed(error, &format!("pair in {origin}")))?;
    let Some(expiration) = text(["Expiration", "expiration"]) else {
        return Ok(Issued::lasting(credentials));
    };
    let expiration: jiff::Timestamp = expiration.parse().map_err(|_| {
        let message = format!("the expiration in {origin} is no time as in RFC 3339");
        Error::new(ErrorKind::Credentials, message)
    })?;
    Ok(Issued::lasting_until(credentials, expiration.into(), now))
}

/// Parses JSON. What is wrong is told by its place alone: the parser's own words would repeat what
/// stands there.
pub(super) fn parse(bytes: &[u8], origin: &str, kind: ErrorKind) -> Result<Value, Error> {
    serde_json::from_slice(bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Error::new(kind, format!("{origin} is no JSON: line {line}, column {column}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::time::UNIX_EPOCH;

    fn at(text: &str) -> SystemTime {
        text.parse::<jiff::Timestamp>().unwrap().into()
    }

    #[test]
    fn both_spellings_are_read() {
        let now = at("2026-01-01T00:00:00Z");
        for object in [
            json!({"AccessKeyId": "STS.a", "AccessKeySecret": "s", "SecurityToken": "t",
                   "Expiration": "2026-01-01T01:00:00Z"}),
            json!({"mode": "StsToken", "access_key_id": "STS.a", "access_key_secret": "s",
                   "sts_token": "t", "expiration": "2026-01-01T01:00:00Z"}),
        ] {
            let issued = read(&object, "it", now).unwrap();
            assert_eq!(issued.credentials().access_key_id(), "STS.a");
            assert!(issued.credentials().token().is_some());
            assert_eq!(issued.lifetime(), Some(Duration::from_secs(3600)));
        }
    }

    #[test]
    fn the_lifetime_is_counted_by_the_clock_that_tells_the_end() {
        let object = json!({"AccessKeyId": "a", "AccessKeySecret": "s",
                            "Expiration": "2017-11-01T05:20:01Z"});
        let theirs = read(&object, "it", at("2017-11-01T05:10:01Z")).unwrap();
        assert_eq!(theirs.lifetime(), Some(Duration::from_secs(600)));
        let late = read(&object, "it", at("2026-01-01T00:00:00Z")).unwrap();
        assert_eq!(late.lifetime(), Some(Duration::ZERO));
    }

    #[test]
    fn without_an_expiration_no_end_is_known() {
        let object = json!({"AccessKeyId": "a", "AccessKeySecret": "s", "Expiration": ""});
        assert_eq!(read(&object, "it", UNIX_EPOCH).unwrap().lifetime(), None);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named_and_no_value_shown() {
        for (object, told) in [
            (json!({"AccessKeySecret": "canary"}), "AccessKeyId"),
            (json!({"AccessKeyId": "", "AccessKeySecret": "canary"}), "AccessKeyId"),
            (json!({"AccessKeyId": "canary"}), "AccessKeySecret"),
            (json!({"AccessKeyId": "a", "AccessKeySecret": "canary\n"}), "pair in"),
            (
                json!({"AccessKeyId": "a", "AccessKeySecret": "canary", "Expiration": "canary"}),
                "expiration",
            ),
            (json!("canary"), "AccessKeyId"),
        ] {
            let error = read(&object, "the answer", UNIX_EPOCH).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Credentials);
            assert!(error.to_string().contains(told), "{error}");
            assert!(error.to_string().contains("the answer"), "{error}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
        }
        let error = parse(b"{\"a\": canary}", "the answer", ErrorKind::Config).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("line 1, column 7"), "{error}");
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}
