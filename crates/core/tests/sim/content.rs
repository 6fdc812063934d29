//! Object content that costs nothing: every object is a window of one endless periodic stream.
//!
//! Files hold tagged stretches of that stream instead of bytes, so the CRC-64 of any range of any
//! object, however long, takes a handful of combinations and no memory.

use ossget_core::{ByteRange, ExtentRequest, ObjectIdentity, combine, crc64};
use std::sync::LazyLock;

/// Bytes after which the stream repeats: a prime, so that no shift by whole parts hides.
const PERIOD: u64 = 65_521;

/// So many numbers of whole periods have their CRC-64 ready: three such digits make any object.
const RADIX: u64 = 8_192;

/// What a stretch of a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Tag {
    /// Never written: reads as zeros.
    Zero,
    /// At offset `o` the stream's byte number `o + phase`.
    Stream(u32),
    /// One byte repeated.
    Literal(u8),
}

impl Tag {
    /// The stream at a phase, as far as it differs.
    pub(crate) fn stream(phase: u64) -> Self {
        Self::Stream(u32::try_from(phase % PERIOD).expect("the period fits"))
    }

    /// The same content seen from an origin that lies `by` bytes further on.
    pub(crate) fn seen_from(self, by: u64) -> Self {
        match self {
            Self::Stream(phase) => Self::stream(u64::from(phase) + by % PERIOD),
            other => other,
        }
    }

    /// The byte at an offset.
    pub(crate) fn byte(self, at: u64) -> u8 {
        match self {
            Self::Zero => 0,
            Self::Literal(byte) => byte,
            Self::Stream(phase) => {
                STREAM.bytes[usize::try_from((at + u64::from(phase)) % PERIOD).expect("an index")]
            }
        }
    }

    /// CRC-64 of the bytes from `start` to `end`.
    pub(crate) fn crc(self, start: u64, end: u64) -> u64 {
        match self {
            Self::Zero => repeated(&STREAM.zeros, end - start),
            Self::Literal(byte) => crc64(&vec![byte; usize::try_from(end - start).expect("short")]),
            Self::Stream(phase) => {
                let phase = u64::from(phase);
                let before = STREAM.prefix(start + phase);
                STREAM.prefix(end + phase) ^ combine(before, 0, end - start)
            }
        }
    }

    /// Whether two tags mean the same bytes from `start` to `end`.
    pub(crate) fn same(self, other: Self, start: u64, end: u64) -> bool {
        // Two windows of the stream differ within a few bytes or not at all.
        self == other || (start..end.min(start + PERIOD)).all(|at| self.byte(at) == other.byte(at))
    }
}

static STREAM: LazyLock<Stream> = LazyLock::new(Stream::new);

struct Stream {
    bytes: Vec<u8>,
    /// CRC-64 of the first `n` bytes of one period.
    prefixes: Vec<u64>,
    /// CRC-64 of `n`, `n * RADIX` and `n * RADIX * RADIX` periods, for `n` below [`RADIX`].
    periods: [Vec<u64>; 3],
    /// CRC-64 of `2^i` zeros.
    zeros: Vec<u64>,
}

impl Stream {
    fn new() -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        let bytes: Vec<u8> = (0..PERIOD).map(|_| next()).collect();
        let mut prefixes = vec![0];
        for byte in &bytes {
            let before = prefixes[prefixes.len() - 1];
            prefixes.push(combine(before, crc64(&[*byte]), 1));
        }
        let period = prefixes[prefixes.len() - 1];
        let ones = multiples(period, PERIOD);
        let next = |below: &[u64], len| combine(below[RADIX as usize - 1], below[1], len);
        let higher = multiples(next(&ones, PERIOD), RADIX * PERIOD);
        let highest = multiples(next(&higher, RADIX * PERIOD), RADIX * RADIX * PERIOD);
        let zeros = doublings(crc64(&[0]), 1, 48);
        Self { bytes, prefixes, periods: [ones, higher, highest], zeros }
    }

    /// CRC-64 of the first `n` bytes of the stream.
    fn prefix(&self, n: u64) -> u64 {
        let (periods, rest) = (n / PERIOD, n % PERIOD);
        let digit = |n: u64| usize::try_from(n % RADIX).expect("an index");
        let [ones, higher, highest] = &self.periods;
        let mut whole = ones[digit(periods)];
        if periods >= RADIX {
            let more = periods / RADIX;
            whole = combine(whole, higher[digit(more)], more % RADIX * RADIX * PERIOD);
            let most = more / RADIX;
            let len = most % RADIX * RADIX * RADIX * PERIOD;
            whole = combine(whole, highest[digit(most)], len);
        }
        combine(whole, self.prefixes[usize::try_from(rest).expect("an index")], rest)
    }
}

/// CRC-64 of `n` repetitions, for `n` below [`RADIX`].
fn multiples(once: u64, len: u64) -> Vec<u64> {
    let mut all = vec![0];
    for n in 1..RADIX as usize {
        all.push(combine(all[n - 1], once, len));
    }
    all
}

/// CRC-64 of `2^i` repetitions, for `i` below `count`.
fn doublings(once: u64, len: u64, count: u32) -> Vec<u64> {
    let mut all = vec![once];
    for i in 1..count {
        let half = all[i as usize - 1];
        all.push(combine(half, half, len << (i - 1)));
    }
    all
}

fn repeated(doubled: &[u64], times: u64) -> u64 {
    (0..doubled.len())
        .filter(|i| times >> i & 1 == 1)
        .fold(0, |crc, i| combine(crc, doubled[i], 1 << i))
}

/// What a server says about its objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Labels {
    pub(crate) etag: ETag,
    pub(crate) crc: bool,
}

/// What kind of ETag objects have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ETag {
    Strong,
    Weak,
    None,
}

/// An object: a number, a window of the stream, and a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) number: u64,
    pub(crate) phase: u64,
    pub(crate) size: u64,
    crc64: u64,
}

impl Object {
    pub(crate) fn new(number: u64, phase: u64, size: u64) -> Self {
        Self { number, phase, size, crc64: Tag::stream(phase).crc(0, size) }
    }

    /// Its content, at offsets of the object.
    pub(crate) fn tag(self) -> Tag {
        Tag::stream(self.phase)
    }

    /// Its content in a file that begins with the object's byte number `start`.
    pub(crate) fn tag_in_file(self, start: u64) -> Tag {
        self.tag().seen_from(start)
    }

    pub(crate) const fn crc64(self) -> u64 {
        self.crc64
    }

    /// The bytes that a request means in it.
    pub(crate) fn extent(self, request: ExtentRequest) -> Option<ByteRange> {
        request.resolve(self.size)
    }

    pub(crate) fn etag(self, labels: Labels) -> Option<String> {
        match labels.etag {
            ETag::Strong => Some(format!("\"{:016X}\"", self.number)),
            ETag::Weak => Some(format!("W/\"{:016X}\"", self.number)),
            ETag::None => None,
        }
    }

    pub(crate) fn identity(self, labels: Labels) -> ObjectIdentity {
        let mut identity = ObjectIdentity::new(self.size);
        identity.etag = self.etag(labels);
        identity.crc64 = labels.crc.then(|| self.crc64());
        identity
    }
}

#[test]
fn the_crc_of_a_window_is_that_of_its_bytes() {
    for (phase, start, end) in
        [(0, 0, 10), (5, 3, 3), (7, PERIOD - 3, PERIOD + 9), (65_000, 12, 3 * PERIOD + 1)]
    {
        for tag in [Tag::stream(phase), Tag::Zero] {
            let bytes: Vec<u8> = (start..end).map(|at| tag.byte(at)).collect();
            assert_eq!(tag.crc(start, end), crc64(&bytes), "{phase} {start} {end}");
        }
    }
    let far = RADIX * PERIOD * 3 + 17;
    let bytes: Vec<u8> = (far..far + 99).map(|at| Tag::stream(1).byte(at)).collect();
    assert_eq!(Tag::stream(1).crc(far, far + 99), crc64(&bytes));
    assert_eq!(Tag::stream(1).seen_from(far).crc(0, 99), crc64(&bytes));
}
