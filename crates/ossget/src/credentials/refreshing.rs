//! Keeps credentials, and renews them in good time.

mod state;
#[cfg(test)]
mod tests;

use super::{Credentials, CredentialsProvider, CredentialsSource};
use crate::Error;
use async_trait::async_trait;
use state::{Answer, State};
use std::fmt;
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;

/// Credentials of a source, kept and renewed in good time.
///
/// - **When.** 5 minutes before their end; of a life so short that this would be more than a fifth
///   of what is left when they are got, that fifth. (`credentials-go` takes 3 minutes, the library
///   for Python 15.) A source that says nothing of an end is asked again only when the service has
///   refused what it gave.
/// - **Once.** However many requests ask, the source is asked once at a time. While what is held is
///   still good nobody waits for that.
/// - **When it fails.** What is held is used as long as it is good. The source is left in peace
///   for a second after the first failure, twice as long after each further one, up to 30 s, or
///   5 s where nothing usable is held; whoever asks in that time is told the same error.
/// - **Which clock.** The source says how long its credentials are good; that is measured by the
///   monotonic clock. Setting this machine's clock, or correcting the time that requests are
///   signed with, changes nothing.
///
/// It must be used within a Tokio runtime with time enabled.
#[derive(Clone)]
pub struct Refreshing {
    shared: Arc<Shared>,
}

struct Shared {
    source: Arc<dyn CredentialsSource>,
    state: StdMutex<State>,
    /// Held by whoever asks the source.
    flight: Arc<Mutex<()>>,
}

impl Refreshing {
    /// Keeps and renews what `source` gives.
    #[must_use]
    pub fn new(source: impl CredentialsSource) -> Self {
        Self::of(Arc::new(source))
    }

    /// Keeps and renews what `source` gives.
    #[must_use]
    pub fn of(source: Arc<dyn CredentialsSource>) -> Self {
        let (state, flight) = (StdMutex::default(), Arc::default());
        Self { shared: Arc::new(Shared { source, state, flight }) }
    }
}

#[async_trait]
impl CredentialsProvider for Refreshing {
    async fn credentials(&self) -> Result<Option<Credentials>, Error> {
        let shared = &self.shared;
        match shared.answer() {
            Answer::Held(credentials) => Ok(Some(credentials)),
            Answer::Failed(error) => Err(error),
            Answer::Due(credentials) => {
                if let Ok(flight) = Arc::clone(&shared.flight).try_lock_owned() {
                    let shared = Arc::clone(shared);
                    tokio::spawn(async move { shared.renew(flight).await });
                }
                Ok(Some(credentials))
            }
            Answer::Missing => {
                let flight = Arc::clone(&shared.flight).lock_owned().await;
                // Somebody may have got some while this one waited.
                match shared.answer() {
                    Answer::Held(credentials) | Answer::Due(credentials) => Ok(Some(credentials)),
                    Answer::Failed(error) => Err(error),
                    Answer::Missing => shared.renew(flight).await.map(Some),
                }
            }
        }
    }

    fn describe(&self) -> String {
        self.shared.source.describe()
    }

    fn refused(&self, credentials: &Credentials) {
        self.shared.state().refused(credentials);
    }
}

impl fmt::Debug for Refreshing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refreshing").field("source", &self.describe()).finish_non_exhaustive()
    }
}

impl Shared {
    fn answer(&self) -> Answer {
        self.state().answer(Instant::now())
    }

    /// Asks the source, notes what it says, and says what that leaves.
    async fn renew(&self, flight: OwnedMutexGuard<()>) -> Result<Credentials, Error> {
        let result = self.source.issue().await;
        let now = Instant::now();
        let outcome = match result {
            Ok(issued) => Ok(self.state().renewed(issued, now)),
            Err(error) => {
                tracing::warn!(source = self.source.describe(), %error, "no new credentials");
                self.state().failed(error, now)
            }
        };
        drop(flight);
        outcome
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that could panic is done with the guard held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
