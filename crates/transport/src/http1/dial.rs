//! Connects to one of a host's addresses, another one each time.

use super::fault;
use crate::{TransportError, TransportErrorKind};
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use http::Uri;
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tower_service::Service;

/// A TCP connection as hyper takes it.
pub(super) type Stream = TokioIo<TcpStream>;

/// Makes TCP connections for hyper-rustls.
///
/// The system's resolver gives a host's addresses in the same order every time, so connecting to
/// the first would put all parallel connections on one server. Here each connection starts at
/// the next address.
#[derive(Clone, Debug, Default)]
pub(super) struct Dialer {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    turn: AtomicUsize,
    /// When each address failed last.
    failed: Mutex<HashMap<SocketAddr, Instant>>,
}

impl Dialer {
    /// The addresses of a host, in the order in which this connection is to try them.
    pub(super) async fn addresses(
        &self,
        host: &str,
        port: u16,
    ) -> Result<Vec<SocketAddr>, TransportError> {
        let name = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let answers: Vec<_> = tokio::net::lookup_host((name, port))
            .await
            .map_err(|error| fault::dialling(TransportErrorKind::Resolve, host, error))?
            .collect();
        if answers.is_empty() {
            return Err(TransportError::new(TransportErrorKind::Resolve, Some(host), None));
        }
        let turn = self.shared.turn.fetch_add(1, Ordering::Relaxed);
        Ok(order(answers, turn, |address| self.shared.is_cooling(address)))
    }

    async fn dial(self, host: &str, port: u16) -> Result<Stream, TransportError> {
        let order = self.addresses(host, port).await?;
        let race = race(order, TcpStream::connect).await;
        self.shared.note(&race);
        let (address, stream) = race
            .outcome
            .map_err(|error| fault::dialling(TransportErrorKind::Connect, host, error))?;
        // A request is one small write: waiting to fill a packet only delays it.
        stream
            .set_nodelay(true)
            .map_err(|error| fault::error(TransportErrorKind::Connect, host, error))?;
        tracing::debug!(host, %address, "connected");
        Ok(TokioIo::new(stream))
    }
}

impl Shared {
    fn is_cooling(&self, address: &SocketAddr) -> bool {
        self.lock().get(address).is_some_and(|failed| failed.elapsed() < COOLING)
    }

    fn note<S>(&self, race: &Race<S>) {
        let mut failed = self.lock();
        failed.retain(|_, when| when.elapsed() < COOLING);
        failed.extend(race.failed.iter().map(|address| (*address, Instant::now())));
        if let Ok((address, _)) = &race.outcome {
            failed.remove(address);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Instant>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service<Uri> for Dialer {
    type Response = Stream;
    type Error = TransportError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, origin: Uri) -> Self::Future {
        let dialer = self.clone();
        Box::pin(async move {
            // An origin always names both.
            let (Some(host), Some(port)) = (origin.host(), origin.port_u16()) else {
                return Err(TransportError::new(TransportErrorKind::Request, None, None));
            };
            dialer.dial(host, port).await
        })
    }
}

/// The addresses in the order in which connection number `turn` tries them.
///
/// The family the resolver puts first stays first (it knows which of IPv4 and IPv6 works here),
/// the families alternate after that (RFC 8305, section 4), and what failed lately comes last.
/// Within a family the addresses are sorted before they are rotated: a resolver that rotates its
/// answers itself would otherwise cancel our rotation out.
fn order(
    answers: Vec<SocketAddr>,
    turn: usize,
    is_cooling: impl Fn(&SocketAddr) -> bool,
) -> Vec<SocketAddr> {
    let (cooling, healthy): (Vec<_>, Vec<_>) = answers.into_iter().partition(is_cooling);
    let mut order = alternate(healthy, turn);
    order.extend(alternate(cooling, turn));
    order
}

fn alternate(addresses: Vec<SocketAddr>, turn: usize) -> Vec<SocketAddr> {
    let preferred = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut first, mut second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == preferred);
    for family in [&mut first, &mut second] {
        family.sort_unstable();
        family.dedup();
        let len = family.len().max(1);
        family.rotate_left(turn % len);
    }
    let mut order = Vec::with_capacity(first.len() + second.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        match (first.next(), second.next()) {
            (None, None) => return order,
            (one, other) => order.extend(one.into_iter().chain(other)),
        }
    }
}

struct Race<S> {
    outcome: io::Result<(SocketAddr, S)>,
    /// Those that failed, and those overtaken by one that was started later.
    failed: Vec<SocketAddr>,
}

/// Connects to the first address that answers. The next one is started when one fails, or when
/// none has answered for [`STAGGER`].
async fn race<S, F>(order: Vec<SocketAddr>, connect: impl Fn(SocketAddr) -> F) -> Race<S>
where
    F: Future<Output = io::Result<S>>,
{
    let mut waiting = order.into_iter();
    let mut running = FuturesUnordered::new();
    let mut started: Vec<SocketAddr> = Vec::new();
    let mut failed = Vec::new();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        if let Some(address) = waiting.next() {
            let attempt = connect(address);
            running.push(async move { (address, attempt.await) });
            started.push(address);
        }
        let next = if waiting.len() > 0 {
            match timeout(STAGGER, running.next()).await {
                Ok(next) => next,
                Err(_) => continue,
            }
        } else {
            running.next().await
        };
        match next {
            None => return Race { outcome: Err(last), failed },
            Some((address, Ok(stream))) => {
                failed.extend(started.into_iter().take_while(|before| *before != address));
                return Race { outcome: Ok((address, stream)), failed };
            }
            Some((address, Err(error))) => {
                started.retain(|other| *other != address);
                failed.push(address);
                last = error;
            }
        }
    }
}

/// The delay of RFC 8305, section 5, before the next address is tried as well.
const STAGGER: Duration = Duration::from_millis(250);

/// How long an address that failed is tried last. Long enough that parts of one download do not
/// each pay for a dead server, short enough to come back to a restarted one.
const COOLING: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 80)).collect()
    }

    #[test]
    fn each_turn_starts_at_the_next_address() {
        let answers = addresses(&["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
        for turn in 0..7 {
            let order = order(answers.clone(), turn, |_| false);
            assert_eq!(order[0], answers[turn % 3]);
            assert_eq!(HashSet::<SocketAddr>::from_iter(order), answers.iter().copied().collect());
        }
    }

    #[test]
    fn a_resolver_that_rotates_as_well_does_not_undo_the_rotation() {
        let mut answers = addresses(&["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
        let mut firsts = HashSet::new();
        for turn in 0..3 {
            firsts.insert(order(answers.clone(), turn, |_| false)[0]);
            answers.rotate_right(1);
        }
        assert_eq!(firsts.len(), 3);
    }

    #[test]
    fn families_alternate_and_the_resolvers_favourite_comes_first() {
        let answers = addresses(&["::1", "::2", "10.0.0.1", "::3"]);
        let expected = addresses(&["::2", "10.0.0.1", "::3", "::1"]);
        assert_eq!(order(answers, 1, |_| false), expected);
        let answers = addresses(&["10.0.0.1", "::1"]);
        assert_eq!(order(answers.clone(), 0, |_| false), answers);
    }

    /// Faults: 2.
    #[test]
    fn what_failed_lately_comes_last_and_the_rest_is_still_spread() {
        let answers = addresses(&["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.2"]);
        let dead = answers[1];
        for turn in 0..6 {
            let order = order(answers.clone(), turn, |address| *address == dead);
            assert_eq!(order.len(), 3);
            assert_eq!(order[0], [answers[0], answers[2]][turn % 2]);
            assert_eq!(order[2], dead);
        }
    }

    #[test]
    fn no_address_gives_no_order() {
        assert_eq!(order(vec![], 3, |_| false), vec![]);
    }

    /// Connects after so many milliseconds, or never.
    async fn after(wait: Option<u64>, outcome: io::Result<()>) -> io::Result<()> {
        match wait {
            Some(wait) => tokio::time::sleep(Duration::from_millis(wait)).await,
            None => std::future::pending().await,
        }
        outcome
    }

    fn refused() -> io::Result<()> {
        Err(io::ErrorKind::ConnectionRefused.into())
    }

    /// Faults: 2.
    #[tokio::test(start_paused = true)]
    async fn a_refused_address_is_followed_by_the_next_at_once() {
        let all = addresses(&["10.0.0.1", "10.0.0.2"]);
        let begun = Instant::now();
        let race = race(all.clone(), |address| {
            after(Some(0), if address == all[0] { refused() } else { Ok(()) })
        });
        let race = race.await;
        assert_eq!(race.outcome.unwrap().0, all[1]);
        assert_eq!(race.failed, [all[0]]);
        assert!(begun.elapsed() < STAGGER);
    }

    /// Faults: 2.
    #[tokio::test(start_paused = true)]
    async fn a_silent_address_is_overtaken_after_the_stagger() {
        let all = addresses(&["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
        let begun = Instant::now();
        let wait = |address: SocketAddr| (address == all[1]).then_some(10);
        let race = race(all.clone(), |address| after(wait(address), Ok(()))).await;
        assert_eq!(race.outcome.unwrap().0, all[1]);
        assert_eq!(race.failed, [all[0]]);
        assert_eq!(begun.elapsed(), STAGGER + Duration::from_millis(10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_address_still_wins_and_its_rival_is_not_blamed() {
        let all = addresses(&["10.0.0.1", "10.0.0.2"]);
        let wait = |address: SocketAddr| (address == all[0]).then_some(300);
        let race = race(all.clone(), |address| after(wait(address), Ok(()))).await;
        assert_eq!(race.outcome.unwrap().0, all[0]);
        assert_eq!(race.failed, []);
    }

    #[tokio::test(start_paused = true)]
    async fn all_refused_is_the_last_error() {
        let all = addresses(&["10.0.0.1", "10.0.0.2"]);
        let race = race(all.clone(), |_| after(Some(1), refused())).await;
        assert_eq!(race.outcome.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(race.failed, all);
    }

    /// Faults: 2.
    #[tokio::test(start_paused = true)]
    async fn a_failed_address_is_forgiven_in_time_or_by_answering() {
        let [one, two] = addresses(&["10.0.0.1", "10.0.0.2"])[..] else { unreachable!() };
        let shared = Shared::default();
        shared.note(&Race { outcome: Ok((two, ())), failed: vec![one] });
        assert!(shared.is_cooling(&one) && !shared.is_cooling(&two));
        shared.note(&Race { outcome: Ok((one, ())), failed: vec![two] });
        assert!(!shared.is_cooling(&one) && shared.is_cooling(&two));
        tokio::time::advance(COOLING).await;
        assert!(!shared.is_cooling(&two));
    }
}
