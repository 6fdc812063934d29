use super::*;
use crate::{ErrorKind, Issued};
use std::collections::VecDeque;
use std::error::Error as StdError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::advance;

/// Gives what it is told to, in order, and counts.
#[derive(Debug, Default)]
struct Scripted {
    answers: StdMutex<VecDeque<Result<Issued, ErrorKind>>>,
    asked: AtomicUsize,
    gate: Option<Semaphore>,
}

impl Scripted {
    fn new(answers: impl IntoIterator<Item = Result<Issued, ErrorKind>>) -> Arc<Self> {
        let answers = StdMutex::new(answers.into_iter().collect());
        Arc::new(Self { answers, ..Self::default() })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl CredentialsSource for Scripted {
    async fn issue(&self) -> Result<Issued, Error> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if let Some(gate) = &self.gate {
            gate.acquire().await.unwrap().forget();
        }
        let next = self.answers.lock().unwrap().pop_front().expect("asked too often");
        next.map_err(|kind| {
            Error::new(kind, "out of order").with_source(std::io::Error::other("beneath"))
        })
    }

    fn describe(&self) -> String {
        "a script".to_owned()
    }
}

fn pair(id: &str) -> Credentials {
    Credentials::new(id, "canary-secret").unwrap().security_token("canary-token").unwrap()
}

fn lasting_for(id: &str, seconds: u64) -> Result<Issued, ErrorKind> {
    Ok(Issued::lasting_for(pair(id), Duration::from_secs(seconds)))
}

async fn id(provider: &Refreshing) -> String {
    provider.credentials().await.unwrap().unwrap().access_key_id().to_owned()
}

/// Lets what was spawned run.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

async fn pass(seconds: u64) {
    advance(Duration::from_secs(seconds)).await;
}

/// Faults: 59.
#[tokio::test(start_paused = true)]
async fn credentials_are_renewed_five_minutes_before_their_end_and_nobody_waits() {
    let source = Scripted::new([lasting_for("one", 3600), lasting_for("two", 3600)]);
    let provider = Refreshing::of(source.clone());
    assert_eq!(id(&provider).await, "one");
    pass(3299).await;
    assert_eq!(id(&provider).await, "one");
    settle().await;
    assert_eq!(source.asked(), 1);
    pass(1).await;
    assert_eq!(id(&provider).await, "one");
    settle().await;
    assert_eq!((id(&provider).await.as_str(), source.asked()), ("two", 2));
}

#[tokio::test(start_paused = true)]
async fn of_a_short_life_the_last_fifth_is_the_time_to_renew() {
    let source = Scripted::new([lasting_for("one", 100), lasting_for("two", 100)]);
    let provider = Refreshing::of(source.clone());
    assert_eq!(id(&provider).await, "one");
    pass(79).await;
    id(&provider).await;
    settle().await;
    assert_eq!(source.asked(), 1);
    pass(1).await;
    id(&provider).await;
    settle().await;
    assert_eq!(id(&provider).await, "two");
}

#[tokio::test(start_paused = true)]
async fn what_has_no_end_is_asked_for_once() {
    let source = Scripted::new([Ok(Issued::lasting(pair("one")))]);
    let provider = Refreshing::of(source.clone());
    for _ in 0..3 {
        assert_eq!(id(&provider).await, "one");
        pass(1_000_000).await;
    }
    assert_eq!(source.asked(), 1);
}

/// Faults: 58, 59.
#[tokio::test(start_paused = true)]
async fn many_requests_ask_the_source_once() {
    let source = Scripted { gate: Some(Semaphore::new(0)), ..Scripted::default() };
    source.answers.lock().unwrap().push_back(lasting_for("one", 3600));
    let source = Arc::new(source);
    let provider = Refreshing::of(source.clone());
    let asking: Vec<_> = (0..20)
        .map(|_| {
            let provider = provider.clone();
            tokio::spawn(async move { id(&provider).await })
        })
        .collect();
    settle().await;
    assert_eq!(source.asked(), 1);
    source.gate.as_ref().unwrap().add_permits(100);
    for asking in asking {
        assert_eq!(asking.await.unwrap(), "one");
    }
    assert_eq!(source.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_asks_and_leaves_holds_nobody_up() {
    let source = Scripted { gate: Some(Semaphore::new(0)), ..Scripted::default() };
    source.answers.lock().unwrap().push_back(lasting_for("one", 3600));
    let source = Arc::new(source);
    let provider = Refreshing::of(source.clone());
    let leaving = tokio::spawn({
        let provider = provider.clone();
        async move { id(&provider).await }
    });
    settle().await;
    leaving.abort();
    assert!(leaving.await.is_err());
    source.gate.as_ref().unwrap().add_permits(1);
    assert_eq!((id(&provider).await.as_str(), source.asked()), ("one", 2));
}

/// Faults: 59.
#[tokio::test(start_paused = true)]
async fn a_failed_renewal_leaves_the_old_pair_in_use_until_it_ends() {
    let down = || Err(ErrorKind::Network);
    let source = Scripted::new([lasting_for("one", 3600), down(), down(), lasting_for("two", 60)]);
    let provider = Refreshing::of(source.clone());
    id(&provider).await;
    pass(3500).await;
    id(&provider).await;
    settle().await;
    assert_eq!((id(&provider).await.as_str(), source.asked()), ("one", 2));
    // Not for each request, nor before a second has passed.
    pass(2).await;
    id(&provider).await;
    settle().await;
    for _ in 0..10 {
        assert_eq!(id(&provider).await, "one");
    }
    settle().await;
    assert_eq!(source.asked(), 3);
    pass(98).await;
    assert_eq!((id(&provider).await.as_str(), source.asked()), ("two", 4));
}

/// Faults: 59.
#[tokio::test(start_paused = true)]
async fn a_source_that_fails_is_not_asked_for_each_request() {
    let down = || Err(ErrorKind::Network);
    let source = Scripted::new([down(), down(), lasting_for("one", 3600)]);
    let provider = Refreshing::of(source.clone());
    for _ in 0..5 {
        let error = provider.credentials().await.unwrap_err();
        assert!(error.kind() == ErrorKind::Network && error.is_transient());
        assert_eq!(error.to_string(), "out of order");
        assert_eq!(error.source().unwrap().to_string(), "beneath");
    }
    assert_eq!(source.asked(), 1);
    pass(1).await;
    provider.credentials().await.unwrap_err();
    pass(1).await;
    provider.credentials().await.unwrap_err();
    assert_eq!(source.asked(), 2);
    pass(1).await;
    assert_eq!(id(&provider).await, "one");
}

#[tokio::test(start_paused = true)]
async fn what_the_service_refused_is_renewed_at_once_and_only_once() {
    let source = Scripted::new([lasting_for("one", 3600), lasting_for("two", 3600)]);
    let provider = Refreshing::of(source.clone());
    let first = provider.credentials().await.unwrap().unwrap();
    provider.refused(&first);
    assert_eq!(id(&provider).await, "two");
    // Requests that were on their way with the first pair are refused later.
    provider.refused(&first);
    assert_eq!((id(&provider).await.as_str(), source.asked()), ("two", 2));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_has_nothing_but_the_refused_pair_is_left_in_peace() {
    let source = Scripted::new([lasting_for("one", 3600), lasting_for("one", 3600)]);
    let provider = Refreshing::of(source.clone());
    for _ in 0..5 {
        let same = provider.credentials().await.unwrap().unwrap();
        provider.refused(&same);
    }
    assert_eq!(source.asked(), 2);
}

/// Faults: 59.
#[tokio::test(start_paused = true)]
async fn a_pair_that_comes_as_if_it_had_ended_is_for_the_service_to_judge() {
    let source = Scripted::new([lasting_for("one", 0), lasting_for("two", 3600)]);
    let provider = Refreshing::of(source.clone());
    assert_eq!(id(&provider).await, "one");
    assert_eq!((id(&provider).await.as_str(), source.asked()), ("one", 1));
    pass(1).await;
    assert_eq!((id(&provider).await.as_str(), source.asked()), ("two", 2));
}

#[tokio::test(start_paused = true)]
async fn nothing_it_says_of_itself_holds_a_secret() {
    let provider = Refreshing::of(Scripted::new([lasting_for("one", 3600)]));
    id(&provider).await;
    let said = format!("{provider:?} {provider:#?} {}", provider.describe());
    assert!(said.contains("a script") && !said.contains("canary"), "{said}");
}
