//! 390 ways for a response to go wrong: five endings at 13 places of a response, for the first, a
//! middle and the last part of the object, once and for ever.
//!
//! The places, where `first_part` and so on is the part that the fault is about:
//!
//! | class | the fault comes in place of |
//! | --- | --- |
//! | `before_any_byte` | the first byte of the response to the request that holds the part's first byte |
//! | `inside_the_status_line` | the second digit of its status |
//! | `inside_a_header` | the second byte of its `Content-Range` |
//! | `before_the_blank_line` | the empty line that ends its head |
//! | `after_the_headers` | the part's first byte, which is the first of the body |
//! | `after_one_byte` | the part's second byte, which is the second of the body |
//! | `within_a_part` | a byte in the middle of the part |
//! | `a_byte_before_a_part_boundary` | the last byte of the part (for the last: of the part before) |
//! | `at_a_part_boundary` | the first byte of the next part (for the last: of the part itself) |
//! | `a_byte_past_a_part_boundary` | the byte after that |
//! | `before_the_last_byte` | the last byte of the body of that request |
//! | `after_the_full_body` | what follows the body, where nothing is missing: the answer to the next request on that connection, which for the last part is the next download's |
//! | `past_the_end` | what follows the body and a forged response behind it |
//!
//! The endings are `fin` (in order; for middle parts over TLS with `close_notify`), `rst` (a
//! reset), `stall` (silence), `cut` (over TLS, the end of the stream without `close_notify`) and
//! `flip` (one bit is inverted and everything goes on as usual).
//!
//! Positions are those of the object, so that a fault that comes for ever is one byte that is never
//! delivered, and what was delivered before it must never be asked for again.

use crate::rig::{PART, Patience, Rig, client_of, connections, delivered, download_by, in_full};
use Class::*;
use ossget::{
    ByteRange, Client, Completion, Download, DownloadEvent, Downloaded, Error, ErrorKind, Integrity,
};
use ossget_testkit::On;
use ossget_testkit::scripted::{Ending as End, Exchange, Place, Script, Step};
use std::time::Duration;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Fin,
    Rst,
    Stall,
    Cut,
    Flip,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    BeforeAnyByte,
    InsideTheStatusLine,
    InsideAHeader,
    BeforeTheBlankLine,
    AfterTheHeaders,
    AfterOneByte,
    WithinAPart,
    AByteBeforeAPartBoundary,
    AtAPartBoundary,
    AByteAfterAPartBoundary,
    BeforeTheLastByte,
    AfterTheFullBody,
    PastTheEnd,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    First,
    Middle,
    Last,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Budget {
    /// The fault comes once.
    Left,
    /// The fault comes for ever.
    Spent,
}

struct Case {
    ending: Ending,
    class: Class,
    which: Which,
    budget: Budget,
}

macro_rules! matrix {
    (endings { $($(#[$meta:meta])* $ending:ident = $variant:ident,)* } classes $classes:tt) => {
        $($(#[$meta])* mod $ending { matrix!(@classes $variant $classes); })*
    };
    (@classes $ending:ident { $($class:ident = $variant:ident,)* }) => {
        $(mod $class {
            matrix!(@part first_part $ending $variant First);
            matrix!(@part middle_part $ending $variant Middle);
            matrix!(@part last_part $ending $variant Last);
        })*
    };
    (@part $name:ident $ending:ident $class:ident $which:ident) => {
        mod $name {
            use crate::matrix::{Budget, Case, Class, Ending, Which, run};

            #[test]
            fn budget_left() {
                let (ending, class) = (Ending::$ending, Class::$class);
                run(Case { ending, class, which: Which::$which, budget: Budget::Left });
            }

            #[test]
            fn budget_spent() {
                let (ending, class) = (Ending::$ending, Class::$class);
                run(Case { ending, class, which: Which::$which, budget: Budget::Spent });
            }
        }
    };
}

matrix! {
    endings {
        /// Faults: 5, 6, 7, 8, 9, 16, 17.
        fin = Fin,
        /// Faults: 5, 6, 7, 8, 9, 16, 17.
        rst = Rst,
        /// Faults: 13, 15.
        stall = Stall,
        /// Faults: 10, 11.
        cut = Cut,
        /// Faults: 17, 19.
        flip = Flip,
    }
    classes {
        before_any_byte = BeforeAnyByte,
        inside_the_status_line = InsideTheStatusLine,
        inside_a_header = InsideAHeader,
        before_the_blank_line = BeforeTheBlankLine,
        after_the_headers = AfterTheHeaders,
        after_one_byte = AfterOneByte,
        within_a_part = WithinAPart,
        a_byte_before_a_part_boundary = AByteBeforeAPartBoundary,
        at_a_part_boundary = AtAPartBoundary,
        a_byte_past_a_part_boundary = AByteAfterAPartBoundary,
        before_the_last_byte = BeforeTheLastByte,
        after_the_full_body = AfterTheFullBody,
        past_the_end = PastTheEnd,
    }
}

/// Plays a case on a runtime of its own, in one place: a runtime built in each of 390 tests took half
/// a minute to compile.
fn run(case: Case) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(play(case));
}

/// Plays a case. Where silence is the fault, a machine with other things to do can fall silent by
/// itself: then the case is played again with more patience.
async fn play(case: Case) {
    for silence in [SILENCE, 4 * SILENCE] {
        let played = Played::new(&case, silence).await;
        if case.ending != Ending::Stall || !played.is_disturbed(&case) {
            return played.check(&case).await;
        }
    }
    Played::new(&case, 16 * SILENCE).await.check(&case).await;
}

/// A case that was played.
struct Played {
    rig: Rig,
    client: Client,
    result: Result<Downloaded, Error>,
    /// The ranges that failed and were tried again.
    failed: Vec<ByteRange>,
    /// How many probes failed.
    failed_probes: usize,
}

impl Played {
    async fn new(case: &Case, silence: Duration) -> Self {
        let rig = if case.is_secure() { Rig::tls(SIZE) } else { Rig::new(SIZE) };
        let rig = rig.patience(case.patience(silence));
        rig.put_old();
        let on = On::get().covering(case.position());
        let on = if case.budget == Budget::Spent { on.always() } else { on };
        rig.server.script(on, case.script());
        let client = client_of(&rig.server.endpoint(), rig.patience);
        let download = download_by(&client, rig.path(), rig.patience).parallel(connections(1));
        let (result, heard) = hear(download).await;
        let failed = heard.iter().filter_map(|event| match event {
            DownloadEvent::Retry { range, .. } => Some(*range),
            _ => None,
        });
        let (failed, failed_probes) = (failed.collect(), failed_probes(&heard));
        Self { rig, client, result, failed, failed_probes }
    }

    /// Whether anything failed that the fault does not explain.
    fn is_disturbed(&self, case: &Case) -> bool {
        let position = case.position();
        let is_hit = |range: &ByteRange| (range.start()..range.end()).contains(&position);
        let unexplained = match case.budget {
            // Whatever is asked for next on the deaf connection.
            _ if case.is_harmless() => self.failed.len().saturating_sub(1),
            Budget::Left => self.failed.len().saturating_sub(1),
            Budget::Spent => self.failed.iter().filter(|range| !is_hit(range)).count(),
        };
        unexplained + self.failed_probes > 0
    }

    async fn check(self, case: &Case) {
        let Self { rig, client, result, .. } = self;
        match result {
            Ok(done) => {
                let may_succeed = case.is_harmless() || case.budget == Budget::Left;
                assert!(may_succeed, "it cannot have succeeded");
                case.check_success(&rig, &done);
                if case.hits_the_next_download() {
                    rig.server.clear_scripts();
                    let next = download_by(&client, rig.path(), rig.patience);
                    let (result, heard) = hear(next).await;
                    assert_eq!(result.expect("it is there").completion, Completion::AlreadyThere);
                    assert!(failed_probes(&heard) >= 1, "the fault did not come: {heard:?}");
                }
            }
            Err(error) => {
                assert!(!case.is_harmless(), "{}", in_full(&error));
                assert!(case.budget == Budget::Spent, "{}", in_full(&error));
                case.check_failure(&rig, &error);
                let mut gets = rig.gets();
                // What came under a head that was refused did not count.
                gets.retain(|get| {
                    case.ending != Ending::Flip || !get.range().contains(&case.position())
                });
                let missing = if case.is_corrupting() { SIZE } else { missing(&gets) };
                rig.finish(missing).await;
            }
        }
    }
}

/// Runs a download and tells what was heard of it.
async fn hear(download: Download) -> (Result<Downloaded, Error>, Vec<DownloadEvent>) {
    let (tell, told) = std::sync::mpsc::channel();
    let result = download.on_event(move |event| drop(tell.send(event.clone()))).await;
    (result, told.into_iter().collect())
}

fn failed_probes(heard: &[DownloadEvent]) -> usize {
    heard.iter().filter(|event| matches!(event, DownloadEvent::ProbeFailed { .. })).count()
}

impl Case {
    fn is_secure(&self) -> bool {
        self.ending == Ending::Cut || (self.ending == Ending::Fin && self.which == Which::Middle)
    }

    /// Whether the object can be had although the fault comes every time.
    fn is_harmless(&self) -> bool {
        matches!(self.class, AfterTheFullBody | PastTheEnd)
    }

    /// Whether the fault comes instead of an answer that follows the one with the part.
    fn hits_the_next_answer(&self) -> bool {
        self.class == AfterTheFullBody && matches!(self.ending, Ending::Stall | Ending::Flip)
    }

    /// Whether that answer is the first of another download.
    fn hits_the_next_download(&self) -> bool {
        self.hits_the_next_answer() && self.which == Which::Last
    }

    fn is_within_head(&self) -> bool {
        let heads = [BeforeAnyByte, InsideTheStatusLine, InsideAHeader, BeforeTheBlankLine];
        heads.contains(&self.class)
    }

    /// Whether wrong bytes are delivered as if they were right.
    fn is_corrupting(&self) -> bool {
        self.ending == Ending::Flip && !self.is_within_head() && !self.is_harmless()
    }

    /// Silence is short here, and only here: elsewhere a slow machine must not be taken for it.
    fn patience(&self, silence: Duration) -> Patience {
        let mut patience = Patience::default();
        if self.ending == Ending::Stall {
            (patience.head, patience.read) = (silence, silence);
        }
        // Violations of the protocol are counted, not timed.
        if self.budget == Budget::Spent && !self.is_harmless() && self.ending != Ending::Flip {
            patience.total = silence;
        }
        patience
    }

    fn part(&self) -> u64 {
        match self.which {
            Which::First => 0,
            Which::Middle => MIDDLE,
            Which::Last => PARTS - 1,
        }
    }

    /// The byte of the object that responses must hold for the fault to come.
    fn position(&self) -> u64 {
        let start = self.part() * PART;
        let boundary = if self.which == Which::Last { start } else { start + PART };
        match self.class {
            AfterOneByte => start + 1,
            WithinAPart => start + 20_000,
            AByteBeforeAPartBoundary => boundary - 1,
            AtAPartBoundary => boundary,
            AByteAfterAPartBoundary => boundary + 1,
            // Requests are for the parts 0 to 3, 4 and 5, 6, and 7: see `assert_aimed`.
            BeforeTheLastByte => match self.which {
                Which::First => MIDDLE * PART - 1,
                Which::Middle => (MIDDLE + 2) * PART - 1,
                Which::Last => SIZE - 1,
            },
            _ => start,
        }
    }

    fn place(&self) -> Place {
        match self.class {
            BeforeAnyByte => Place::Byte(0),
            InsideTheStatusLine => Place::Byte(10),
            InsideAHeader => Place::Header("content-range"),
            BeforeTheBlankLine => Place::BlankLine,
            AfterTheFullBody | PastTheEnd => Place::End,
            _ => Place::Object(self.position()),
        }
    }

    fn script(&self) -> Script {
        let mut steps = vec![Step::UpTo(self.place())];
        if self.class == PastTheEnd {
            steps.push(Step::Send(FORGED.into()));
        }
        match self.ending {
            Ending::Fin => steps.push(Step::End(End::Fin)),
            Ending::Rst => steps.push(Step::End(End::Rst)),
            Ending::Cut => steps.push(Step::End(End::Cut)),
            Ending::Stall => steps.push(Step::Stall),
            // The forged response is the garbage already.
            Ending::Flip if self.class == PastTheEnd => {}
            Ending::Flip if self.class == AfterTheFullBody => steps.push(Step::FlipNext),
            Ending::Flip => steps.extend([Step::Flip, Step::Rest]),
        }
        Script::new(steps)
    }

    fn check_success(&self, rig: &Rig, done: &Downloaded) {
        rig.assert_downloaded();
        assert_eq!(done.integrity, Integrity::Verified);
        let gets = rig.gets();
        // A request that a deaf connection swallows is none for the server.
        let swallowed = done.requests - gets.len() as u64;
        assert!(swallowed == 0 || (self.class == AfterTheFullBody && swallowed == 1));
        if self.is_corrupting() {
            // Which part was wrong has to be found out.
            let more = SIZE + 1..=2 * SIZE;
            assert!(more.contains(&done.fetched_bytes), "{}", done.fetched_bytes);
            assert!(gets.len() <= 4 * PARTS as usize, "{gets:?}");
            return;
        }
        // Nothing is asked for again that was received and right.
        assert_eq!(done.fetched_bytes, SIZE, "{gets:?}");
        let sent: u64 = gets.iter().map(|get| get.sent).sum();
        assert!(gets.len() <= PARTS as usize + 2, "{gets:?}");
        if self.is_harmless() {
            let least = u64::from(self.hits_the_next_answer() && self.which != Which::Last);
            assert!((least..=2).contains(&done.attempts_failed), "{}", done.attempts_failed);
            assert!(self.ending == Ending::Flip || sent == SIZE, "{gets:?}");
            return;
        }
        assert!((1..=2).contains(&done.attempts_failed), "{}", done.attempts_failed);
        let (hit, again) = self.assert_aimed(&gets);
        let kept_up_to = if self.is_within_head() { hit.start() } else { self.position() };
        // A reset can overtake what was sent before it; what is lost is asked for again.
        let lost = kept_up_to - again.start();
        assert!(lost == 0 || self.ending == Ending::Rst, "{gets:?}");
        match self.ending {
            Ending::Flip => assert!(sent <= SIZE + hit.len(), "{gets:?}"),
            _ => assert_eq!(sent, SIZE + lost, "{gets:?}"),
        }
    }

    /// The request that the fault came for, and the one that asked for what it did not deliver.
    /// Asserts that the former is one of the kind that the class is about.
    fn assert_aimed<'a>(&self, gets: &'a [Exchange]) -> (&'a Exchange, &'a Exchange) {
        let covers = |get: &&Exchange| get.range().contains(&self.position());
        let mut covering = gets.iter().filter(covers);
        let hit = covering.next().expect("the fault came");
        let aimed = match self.class {
            AByteBeforeAPartBoundary | AtAPartBoundary | AByteAfterAPartBoundary => {
                let boundary = (self.part() + 1) * PART;
                self.which == Which::Last
                    || (hit.start() < boundary && boundary + 1 < hit.range().end)
            }
            BeforeTheLastByte => hit.range().end == self.position() + 1,
            AfterTheHeaders | AfterOneByte => hit.start() == self.part() * PART,
            _ => true,
        };
        assert!(aimed, "the requests are not those that the classes are made for: {gets:?}");
        (hit, covering.next().expect("the rest was asked for"))
    }

    fn check_failure(&self, rig: &Rig, error: &Error) {
        let gets = rig.gets();
        let received = delivered(&gets).iter().map(|range| range.end - range.start).sum::<u64>();
        let sent: u64 = gets.iter().map(|get| get.sent).sum();
        if self.is_corrupting() {
            assert_eq!(error.kind(), ErrorKind::Integrity, "{}", in_full(error));
            assert!(gets.len() <= 4 * PARTS as usize, "{gets:?}");
            return rig.assert_nothing_kept();
        }
        rig.assert_kept(error);
        // A few tries of the faulty part; the others are fetched meanwhile.
        assert!(gets.len() <= PARTS as usize + 14, "{gets:?}");
        if self.ending == Ending::Flip {
            assert_eq!(error.kind(), ErrorKind::Protocol, "{}", in_full(error));
        } else {
            let kinds = [ErrorKind::Network, ErrorKind::Timeout];
            assert!(error.is_transient());
            assert!(kinds.contains(&error.kind()), "{}", in_full(error));
            assert!(received < SIZE, "{gets:?}");
            assert!(sent == received || self.ending == Ending::Rst, "{gets:?}");
        }
    }
}

trait Ranged {
    fn range(&self) -> std::ops::Range<u64>;

    fn start(&self) -> u64 {
        self.range().start
    }

    fn len(&self) -> u64 {
        self.range().end - self.range().start
    }
}

impl Ranged for Exchange {
    fn range(&self) -> std::ops::Range<u64> {
        self.range.clone().expect("every GET has a range")
    }
}

/// The bytes of all parts that were not delivered in full.
fn missing(gets: &[Exchange]) -> u64 {
    let delivered = delivered(gets);
    let parts = (0..PARTS).map(|part| part * PART..((part + 1) * PART).min(SIZE));
    let is_whole = |part: &std::ops::Range<u64>| {
        delivered.iter().any(|range| range.start <= part.start && part.end <= range.end)
    };
    parts.filter(|part| !is_whole(part)).map(|part| part.end - part.start).sum()
}

/// Seven whole parts and a shorter one.
const SIZE: u64 = 7 * PART + 40_001;
const PARTS: u64 = 8;
const MIDDLE: u64 = 4;
/// Far more than a machine needs that has nothing else to do.
const SILENCE: Duration = Duration::from_millis(150);
/// What a client that reads on would take for the answer to its next request.
const FORGED: &[u8] = b"HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\n\r\nwrong";
