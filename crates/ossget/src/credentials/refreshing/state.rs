//! What is held, and what is to be done about it. No waiting here.

use crate::Error;
use crate::credentials::{Credentials, Issued};
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What is held, and how the last renewal ended.
#[derive(Default)]
pub(super) struct State {
    held: Option<Held>,
    setback: Option<Setback>,
}

/// What to tell whoever asks for credentials.
pub(super) enum Answer {
    /// These.
    Held(Credentials),
    /// These, but they should be renewed.
    Due(Credentials),
    /// There are none to use; the source must be asked.
    Missing,
    /// There are none to use, and it is too early to ask the source again.
    Failed(Error),
}

struct Held {
    credentials: Credentials,
    standing: Standing,
    renew_at: Option<Instant>,
    end_at: Option<Instant>,
}

/// What the service thinks of credentials.
#[derive(PartialEq, Eq)]
enum Standing {
    /// It has not complained.
    Good,
    /// It does not accept them any more.
    Refused,
}

/// A renewal that gave nothing new.
struct Setback {
    pause: Duration,
    /// When the source may be asked again.
    until: Instant,
    /// `None` if the source gave once more what had ended or was refused.
    error: Option<Arc<Error>>,
}

impl State {
    pub(super) fn answer(&self, now: Instant) -> Answer {
        let setback = self.setback.as_ref().filter(|setback| now < setback.until);
        match (&self.held, setback) {
            (Some(held), setback) if held.is_usable(now) => {
                let credentials = held.credentials.clone();
                match held.renew_at.is_some_and(|at| at <= now) && setback.is_none() {
                    true => Answer::Due(credentials),
                    false => Answer::Held(credentials),
                }
            }
            (_, None) => Answer::Missing,
            (_, Some(Setback { error: Some(error), .. })) => Answer::Failed(repeated(error)),
            // The source has nothing else: let the service say what is wrong with it.
            (Some(held), Some(_)) => Answer::Held(held.credentials.clone()),
            (None, Some(_)) => Answer::Missing,
        }
    }

    /// The source gave these. Returns them.
    pub(super) fn renewed(&mut self, issued: Issued, now: Instant) -> Credentials {
        let (credentials, lifetime) = issued.into_parts();
        let was_refused = self.held.take().is_some_and(|held| {
            held.standing == Standing::Refused && held.credentials.is_same_as(&credentials)
        });
        let lifetime = lifetime.map(|lifetime| lifetime.min(LONGEST));
        self.held = Some(Held {
            credentials: credentials.clone(),
            standing: if was_refused { Standing::Refused } else { Standing::Good },
            renew_at: lifetime.map(|lifetime| now + lifetime - MARGIN.min(lifetime / 5)),
            end_at: lifetime.map(|lifetime| now + lifetime),
        });
        if was_refused || lifetime.is_some_and(|lifetime| lifetime.is_zero()) {
            self.set_back(None, now);
        } else {
            self.setback = None;
        }
        credentials
    }

    /// The source gave nothing. Returns what is held and still good.
    pub(super) fn failed(&mut self, error: Error, now: Instant) -> Result<Credentials, Error> {
        let error = Arc::new(error);
        self.set_back(Some(Arc::clone(&error)), now);
        match self.held.as_ref().filter(|held| held.is_usable(now)) {
            Some(held) => Ok(held.credentials.clone()),
            None => Err(repeated(&error)),
        }
    }

    /// The service has refused these. Of credentials held no longer that means nothing.
    pub(super) fn refused(&mut self, credentials: &Credentials) {
        if let Some(held) = &mut self.held
            && held.credentials.is_same_as(credentials)
        {
            held.standing = Standing::Refused;
        }
    }

    fn set_back(&mut self, error: Option<Arc<Error>>, now: Instant) {
        let is_usable = self.held.as_ref().is_some_and(|held| held.is_usable(now));
        let longest = if is_usable { LONGEST_PAUSE } else { LONGEST_PAUSE_WITHOUT_ANY };
        let pause = self.setback.as_ref().map_or(FIRST_PAUSE, |setback| setback.pause * 2);
        let pause = pause.min(longest);
        self.setback = Some(Setback { pause, until: now + pause, error });
    }
}

impl Held {
    fn is_usable(&self, now: Instant) -> bool {
        self.standing == Standing::Good && self.end_at.is_none_or(|end| now < end)
    }
}

/// The same error once more, for another request that it stops.
fn repeated(error: &Arc<Error>) -> Error {
    let again = Error::new(error.kind(), error.to_string());
    let again = match error.hint() {
        Some(hint) => again.with_hint(hint.to_owned()),
        None => again,
    };
    match error.source() {
        Some(_) => again.with_source(Cause(Arc::clone(error))),
        None => again,
    }
}

/// What lies beneath an error that several share.
#[derive(Debug)]
struct Cause(Arc<Error>);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.source() {
            Some(cause) => fmt::Display::fmt(cause, f),
            None => Ok(()),
        }
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source().and_then(StdError::source)
    }
}

/// How long before their end credentials are renewed.
const MARGIN: Duration = Duration::from_secs(300);

/// An end further away than this is as good as none, and instants cannot hold any number.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Downloads stand still meanwhile.
const LONGEST_PAUSE_WITHOUT_ANY: Duration = Duration::from_secs(5);
