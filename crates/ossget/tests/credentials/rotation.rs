//! Downloads whose credentials change on the way: not one part fails for it.

use crate::rig::{answer, around};
use ossget::{
    Client, CredentialsUri, Downloaded, Durability, ErrorKind, Object, Parallel, PartSize,
    Refreshing,
};
use ossget_testkit::loopback::{Answer, Loopback};
use ossget_testkit::{Content, Simulator};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;

const KEY: &str = "dir/object.bin";
const PART: u64 = 100 << 10;
const PARTS: u64 = 24;

/// A simulator that knows the pairs that a credentials URI hands out.
struct Rig {
    sim: Arc<Simulator>,
    issuer: Loopback,
    issued: Arc<AtomicUsize>,
    dir: TempDir,
}

impl Rig {
    /// Pairs that say they are good for `seconds`.
    fn new(seconds: i64) -> Self {
        let sim = Arc::new(Simulator::builder().start_blocking().unwrap());
        sim.put_object(KEY, Content::generated(7, PARTS * PART));
        let issued = Arc::new(AtomicUsize::new(0));
        let (service, count) = (Arc::clone(&sim), Arc::clone(&issued));
        let issuer = Loopback::start(move |_| {
            let id = format!("STS.{}", count.fetch_add(1, Ordering::SeqCst));
            let (secret, token) = (format!("canary-secret-{id}"), format!("canary-token-{id}"));
            let lifetime = Duration::from_secs(seconds.unsigned_abs());
            service.accept_temporary(&id, &secret, &token, lifetime).unwrap();
            Answer::json(answer(&id, seconds))
        })
        .unwrap();
        Self { sim, issuer, issued, dir: tempfile::tempdir().unwrap() }
    }

    fn download(&self) -> ossget::Download {
        let uri = CredentialsUri::new(self.issuer.url(), around(&[])).unwrap();
        let client = Client::builder(self.sim.endpoint(), Refreshing::new(uri))
            .region("cn-hangzhou")
            .build()
            .unwrap();
        client
            .download(Object::new("examplebucket", KEY).unwrap(), self.dir.path().join("f"))
            .part_size(PartSize::kib(100).unwrap())
            .parallel(Parallel::Fixed(NonZeroU32::new(4).unwrap()))
            .durability(Durability::Process)
    }

    /// Downloads slowly; once some parts have come, does this.
    async fn download_and(&self, then: impl FnOnce() + Send + 'static) -> Downloaded {
        self.sim.throttle(800 << 10);
        let sim = Arc::clone(&self.sim);
        let on_the_way = tokio::spawn(async move {
            while gets(&sim) < 8 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            then();
        });
        let done = self.download().await.unwrap();
        on_the_way.await.unwrap();
        let found = std::fs::read(self.dir.path().join("f")).unwrap();
        assert!(found == Content::generated(7, PARTS * PART).window(0..PARTS * PART));
        done
    }

    fn refused(&self) -> usize {
        self.sim.requests().iter().filter(|request| request.status == Some(403)).count()
    }
}

fn gets(sim: &Simulator) -> usize {
    sim.requests().iter().filter(|request| request.method == "GET").count()
}

/// Faults: 58.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_the_service_lets_expire_early_costs_one_request_each_and_no_part() {
    let rig = Rig::new(3600);
    let sim = Arc::clone(&rig.sim);
    let done = rig.download_and(move || sim.expire_tokens()).await;
    assert_eq!(done.attempts_failed, 0);
    assert_eq!(rig.issued.load(Ordering::SeqCst), 2, "one for all that were refused");
    let refused = rig.refused();
    assert!((1..=4).contains(&refused), "{refused} refused, by four connections");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_a_few_seconds_are_renewed_before_they_end_and_nothing_is_refused() {
    // Renewed after four fifths, while the download takes half as long again.
    let rig = Rig::new(6);
    let sim = Arc::clone(&rig.sim);
    let done = rig.download_and(move || sim.throttle(200 << 10)).await;
    assert_eq!((done.attempts_failed, rig.refused()), (0, 0));
    let issued = rig.issued.load(Ordering::SeqCst);
    assert!((2..20).contains(&issued), "{issued} issued");
}

/// Faults: 58, 59.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_that_has_only_expired_tokens_ends_the_download_resumably() {
    let rig = Rig::new(3600);
    rig.sim.throttle(800 << 10);
    let stale = Loopback::start(|_| Answer::json(answer("STS.stale", 3600))).unwrap();
    rig.sim
        .accept_credentials("STS.stale", "canary-secret-STS.stale", "canary-token-STS.stale")
        .unwrap();
    let uri = CredentialsUri::new(stale.url(), around(&[])).unwrap();
    let client = Client::builder(rig.sim.endpoint(), Refreshing::new(uri));
    let client = client.region("cn-hangzhou").build().unwrap();
    let sim = Arc::clone(&rig.sim);
    let on_the_way = tokio::spawn(async move {
        while gets(&sim) < 8 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        sim.expire_tokens();
    });
    let download = client
        .download(Object::new("examplebucket", KEY).unwrap(), rig.dir.path().join("f"))
        .part_size(PartSize::kib(100).unwrap())
        .durability(Durability::Process);
    let error = download.await.unwrap_err();
    on_the_way.await.unwrap();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert!(error.is_resumable());
    assert_eq!(error.service_code(), Some("SecurityTokenExpired"));
    let asked = stale.asked().len();
    assert!(asked <= 3, "asked {asked} times");
    // Whoever has good ones goes on.
    rig.sim.unthrottle();
    let done = rig.download().await.unwrap();
    assert!(done.resumed_bytes > 0);
}
