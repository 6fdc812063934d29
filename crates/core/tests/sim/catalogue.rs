//! The rows of the fault catalogue that the simulation injects, and how often each has happened.

use super::rng::Rng;

macro_rules! catalogue {
    ($($fault:ident $id:literal $name:literal,)*) => {
        /// A kind of fault, named as in the catalogue.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Fault {
            $(#[doc = $name] $fault,)*
        }

        impl Fault {
            /// All of them, in the order of the catalogue.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$fault),*];

            /// The row in the catalogue.
            pub(crate) const fn id(self) -> u32 {
                match self { $(Self::$fault => $id),* }
            }

            const fn name(self) -> &'static str {
                match self { $(Self::$fault => $name),* }
            }
        }
    };
}

catalogue! {
    CutInStatusLine 5 "connection cut inside the status line",
    CutInHeader 6 "connection cut inside the header",
    CutBeforeBody 7 "connection cut before the first body byte",
    CutAfterOneByte 8 "connection cut after one body byte",
    CutInBody 9 "connection cut in the body, also around part ends",
    DeadIdleConnection 12 "request on a connection that was closed meanwhile",
    Stall 13 "body falls silent",
    Trickle 14 "body trickles",
    ShortBody 16 "body ends before its Content-Length",
    LongRange 18 "more than the range, with a Content-Length that agrees",
    FlippedBit 19 "a bit flips on the way",
    Misrouted 20 "bytes of another part under the right headers",
    Outage 21 "all connections die together",
    Collapse 22 "bandwidth falls to a thousandth",
    Suspend 23 "the machine sleeps for an hour",
    RangeIgnored 26 "200 and the whole object for a range",
    NoContentRange 27 "206 without Content-Range",
    WrongContentRange 28 "206 with a wrong Content-Range",
    ShorterRange 29 "206 for a beginning of the range",
    OtherETag 37 "another ETag on one response",
    Overwritten 38 "object overwritten: 412",
    Deleted 40 "object deleted for a while: 404",
    Forbidden 42 "access withdrawn for a while: 403",
    Unsatisfiable 43 "416 for a range inside the object",
    RetryAfter 44 "429 or 503 with Retry-After of any kind",
    Throttled 45 "503 without Retry-After",
    ServerError 46 "500, 502, 504",
    ExpiredToken 58 "security token expires",
    WrongClock 61 "clock wrong from the start",
    ClockStep 62 "clock steps during the run",
    Appended 67 "object grows",
    DiskFull 73 "disk full",
    WriteError 75 "EIO on write",
    SyncError 76 "EIO on sync, once; the next sync succeeds",
    ReadError 77 "EIO when a kept part is read back",
    SlowSync 81 "a sync takes 30 s",
    DestinationMeddled 85 "destination made, replaced or removed by somebody",
    PartialUnlinked 90 "partial file removed under the run",
    PartialTruncated 91 "partial file cut short under the run",
    Meddled 93 "files changed between runs",
    StaleSectors 97 "old checkpoint bytes come back",
    SecondProcess 98 "second process at the same destination",
    Kill 107 "process killed",
    PowerCut 108 "power cut",
    PowerCutAgain 109 "power cut in a run that follows one, two or more deep",
    Misdirected 110 "stale or misdirected sectors in a recorded part",
    LostFlush 111 "flush ignored, then a power cut",
    Giant 114 "object of 48.8 TB",
    Bait 146 "server that baits retries without end",
}

/// Faults that cannot be here, with the reason.
pub(crate) const NOT_HERE: &[(u32, &str)] =
    &[(122, "listing a prefix: there is no such operation yet, and it will not be the session's")];

/// Rows marked for this method of test: each must really happen.
pub(crate) const REQUIRED: &[u32] = &[
    5, 6, 7, 8, 9, 13, 14, 16, 18, 19, 20, 21, 22, 23, 26, 29, 37, 38, 40, 42, 44, 45, 58, 61, 67,
    73, 75, 76, 81, 85, 90, 91, 93, 97, 107, 108, 109, 110, 111, 114, 146,
];

/// A set of fault kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Swarm(u64);

impl Swarm {
    pub(crate) const NONE: Self = Self(0);

    /// A random subset: sometimes one kind alone, sometimes nearly all, so that combinations
    /// occur without others that would hide them.
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let percent = [3, 8, 20, 40, 70][rng.below(5) as usize];
        let mut swarm = Self::NONE;
        for fault in Fault::ALL {
            swarm.set(*fault, rng.chance(percent));
        }
        // Nothing matters more than these.
        swarm.set(Fault::Kill, rng.chance(60));
        swarm.set(Fault::PowerCut, rng.chance(60));
        swarm
    }

    pub(crate) const fn has(self, fault: Fault) -> bool {
        self.0 >> fault as u32 & 1 == 1
    }

    pub(crate) const fn set(&mut self, fault: Fault, on: bool) {
        let bit = 1 << fault as u32;
        self.0 = if on { self.0 | bit } else { self.0 & !bit };
    }

    pub(crate) fn without(mut self, faults: &[Fault]) -> Self {
        for fault in faults {
            self.set(*fault, false);
        }
        self
    }
}

/// How often each kind of fault has happened: not merely been armed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hits([u64; Fault::ALL.len()]);

impl Default for Hits {
    fn default() -> Self {
        Self([0; Fault::ALL.len()])
    }
}

impl Hits {
    pub(crate) const fn count(&mut self, fault: Fault) {
        self.0[fault as usize] += 1;
    }

    pub(crate) const fn of(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum += more;
        }
    }

    /// One line a kind.
    pub(crate) fn table(&self) -> String {
        let rows = Fault::ALL.iter().map(|fault| {
            format!("{:>4}  {:<55} {:>10}\n", fault.id(), fault.name(), self.of(*fault))
        });
        rows.collect()
    }
}

#[test]
fn every_row_marked_for_the_model_is_here_or_has_its_reason() {
    for id in REQUIRED {
        assert_eq!(Fault::ALL.iter().filter(|fault| fault.id() == *id).count(), 1, "{id}");
    }
    for (id, reason) in NOT_HERE {
        assert!(!REQUIRED.contains(id) && !reason.is_empty());
    }
    assert!(Fault::ALL.len() <= 64, "a swarm is a set in 64 bits");
}
