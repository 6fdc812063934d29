//! What can go wrong on purpose.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::call::Call;
use crate::content::Content;

/// One deviation from what the service would do.
///
/// Byte counts of body faults are counted in the body as sent; those of `CutHead` in the whole
/// response. All faults that match a request apply to it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Fault {
    /// Closes the connection when so many bytes of the body have been sent, `bytes` being the
    /// body's length included. After a reset a slow client may find fewer bytes.
    CutAfter {
        /// Bytes of the body that are still sent.
        bytes: u64,
        /// How the connection ends.
        how: Close,
    },
    /// Closes the connection within the response's head.
    CutHead {
        /// Bytes of the response that are still sent.
        bytes: u64,
        /// How the connection ends.
        how: Close,
    },
    /// Sends no more after so many bytes of the body, but keeps the connection.
    StallAfter {
        /// Bytes of the body that are still sent.
        bytes: u64,
    },
    /// Accepts the request and never answers.
    StallBeforeHead,
    /// Closes the connection without an answer.
    DropBeforeHead,
    /// Slows down to a rate from some byte of the body on.
    Trickle {
        /// The rate.
        bytes_per_second: u64,
        /// Bytes of the body sent at full speed before.
        after: u64,
    },
    /// Inverts the lowest bit of one byte of the object, where the response contains it.
    FlipByte {
        /// Position in the object.
        at: u64,
    },
    /// Sends bytes from elsewhere in the object under the right headers.
    WrongBytes {
        /// How much later in the object, cyclically, the bytes sent are.
        shift: u64,
    },
    /// A range served shorter than asked for, with matching headers.
    ShortRange {
        /// The length served at most.
        bytes: u64,
    },
    /// Sends this many bytes more than `Content-Length` announced, then closes.
    Excess {
        /// The surplus.
        bytes: u64,
    },
    /// Sends the body chunked, without `Content-Length`.
    Chunked,
    /// States a range that begins one byte later than the one asked for.
    WrongContentRange,
    /// Answers with 200 and the whole object.
    IgnoreRange,
    /// Answers with an error.
    Status {
        /// The HTTP status.
        code: u16,
        /// The service's error code; empty for a body that is no XML document.
        oss_code: String,
        /// The value of `Retry-After`, whatever it is.
        retry_after: Option<String>,
    },
    /// Waits before it looks at the request.
    Latency(Duration),
    /// Puts another object in place before the request is answered.
    ReplaceObjectNow(Content),
    /// Deletes the object before the request is answered.
    DeleteObjectNow,
    /// States another CRC-64.
    WrongCrcHeader(u64),
    /// States no CRC-64.
    NoCrcHeader,
    /// States an ETag that belongs to no object.
    WrongETag,
    /// Sets a header of the response, or removes it when the value is none.
    Header {
        /// The header's name.
        name: String,
        /// Its value, which must be valid in a header.
        value: Option<String>,
    },
    /// Sends these bytes in place of the whole response, then closes.
    Raw(Bytes),
}

impl Fault {
    /// An error status with the service's code and no `Retry-After`.
    pub fn status(code: u16, oss_code: impl Into<String>) -> Self {
        Self::Status { code, oss_code: oss_code.into(), retry_after: None }
    }

    /// Sets a header of the response.
    pub fn header(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self::Header { name: name.into(), value: Some(value.into()) }
    }

    /// Removes a header of the response.
    pub fn no_header(name: impl Into<String>) -> Self {
        Self::Header { name: name.into(), value: None }
    }
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// In order: the client reads the end of the stream.
    Fin,
    /// With a reset: the client's next read fails.
    Rst,
}

/// Which requests a fault applies to: those that match, from the n-th on, so many times.
#[derive(Debug)]
pub struct On {
    method: Option<http::Method>,
    key: Option<String>,
    predicate: Option<Predicate>,
    parameters: Vec<String>,
    range_start: Option<Start>,
    covering: Option<u64>,
    nth: u64,
    times: u64,
}

impl On {
    /// Any request.
    pub fn any() -> Self {
        Self {
            method: None,
            key: None,
            predicate: None,
            parameters: Vec::new(),
            range_start: None,
            covering: None,
            nth: 1,
            times: 1,
        }
    }

    /// GET requests.
    pub fn get() -> Self {
        Self::method(http::Method::GET)
    }

    /// HEAD requests.
    pub fn head() -> Self {
        Self::method(http::Method::HEAD)
    }

    /// PUT requests: uploads of objects and parts, and copies.
    pub fn put() -> Self {
        Self::method(http::Method::PUT)
    }

    /// POST requests: what begins and completes multipart uploads, and deletes many objects.
    pub fn post() -> Self {
        Self::method(http::Method::POST)
    }

    /// DELETE requests.
    pub fn delete() -> Self {
        Self::method(http::Method::DELETE)
    }

    /// Requests of one method.
    pub fn method(method: http::Method) -> Self {
        Self { method: Some(method), ..Self::any() }
    }

    /// Only for keys that match a pattern, in which `*` stands for any text and `?` for any
    /// character.
    #[must_use]
    pub fn key(mut self, pattern: impl Into<String>) -> Self {
        self.key = Some(pattern.into());
        self
    }

    /// Only for keys for which `predicate` holds; requests without a key never match.
    #[must_use]
    pub fn key_where(mut self, predicate: impl Fn(&str) -> bool + Send + 'static) -> Self {
        self.predicate = Some(Predicate(Box::new(predicate)));
        self
    }

    /// Only for requests with this parameter in the query, as `uploadId`: it tells the requests of
    /// one method apart. Of several all must be there.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>) -> Self {
        self.parameters.push(name.into());
        self
    }

    /// Only for ranges whose first byte satisfies `predicate`; requests without range never match.
    #[must_use]
    pub fn range_start(mut self, predicate: impl Fn(u64) -> bool + Send + 'static) -> Self {
        self.range_start = Some(Start(Box::new(predicate)));
        self
    }

    /// Only for ranges that hold this byte of the object; requests without range never match.
    #[must_use]
    pub fn covering(mut self, position: u64) -> Self {
        self.covering = Some(position);
        self
    }

    /// Beginning with the n-th matching request, counted from 1. The default is the first.
    #[must_use]
    pub fn nth(mut self, nth: u64) -> Self {
        self.nth = nth;
        self
    }

    /// For so many requests. The default is one.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// For all matching requests from then on.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(u64::MAX)
    }

    fn matches(&self, call: &Call) -> bool {
        let key = call.key.as_deref();
        let pattern = self.key.as_deref();
        self.method.as_ref().is_none_or(|method| *method == call.method)
            && pattern.is_none_or(|pattern| key.is_some_and(|key| glob(pattern, key)))
            && self.predicate.as_ref().is_none_or(|holds| key.is_some_and(|key| (holds.0)(key)))
            && self.parameters.iter().all(|name| call.parameter(name).is_some())
            && (self.range_start.as_ref())
                .is_none_or(|holds| call.range_start().is_some_and(|start| (holds.0)(start)))
            && self.covering.is_none_or(|position| call.covers(position))
    }
}

/// The faults still to come.
pub(crate) type FaultScript = Rules<Fault>;

/// What is to be done with which requests.
#[derive(Debug)]
pub(crate) struct Rules<T> {
    rules: Mutex<Vec<Rule<T>>>,
}

impl<T> Default for Rules<T> {
    fn default() -> Self {
        Self { rules: Mutex::default() }
    }
}

impl<T: Clone> Rules<T> {
    pub(crate) fn add(&self, on: On, deed: T) {
        self.lock().push(Rule { on, deed, seen: 0, used: 0 });
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// What is to be done with one request; counts it.
    pub(crate) fn take(&self, call: &Call) -> Vec<T> {
        let mut rules = self.lock();
        rules.iter_mut().filter_map(|rule| rule.take(call)).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Rule<T>>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Rule<T> {
    on: On,
    deed: T,
    seen: u64,
    used: u64,
}

impl<T: Clone> Rule<T> {
    fn take(&mut self, call: &Call) -> Option<T> {
        if !self.on.matches(call) {
            return None;
        }
        self.seen += 1;
        if self.seen < self.on.nth || self.used >= self.on.times {
            return None;
        }
        self.used += 1;
        Some(self.deed.clone())
    }
}

struct Predicate(Box<dyn Fn(&str) -> bool + Send>);

impl std::fmt::Debug for Predicate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Predicate")
    }
}

struct Start(Box<dyn Fn(u64) -> bool + Send>);

impl std::fmt::Debug for Start {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Start")
    }
}

/// Matches by backtracking to the last star only, so the cost is bounded by the product of lengths.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut in_text) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while in_text < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, in_text));
                at += 1;
            }
            Some(&wanted) if wanted == '?' || wanted == text[in_text] => {
                at += 1;
                in_text += 1;
            }
            _ => {
                let Some((star_at, taken)) = star else { return false };
                star = Some((star_at, taken + 1));
                at = star_at + 1;
                in_text = taken + 1;
            }
        }
    }
    pattern[at..].iter().all(|&wanted| wanted == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(method: http::Method, key: &str, range: Option<&str>) -> Call {
        let mut headers = http::HeaderMap::new();
        if let Some(range) = range {
            headers.insert("range", range.parse().unwrap());
        }
        let (bucket, key) = (Some("examplebucket".to_owned()), Some(key.to_owned()));
        let (host, path, query) = (String::new(), String::new(), Vec::new());
        Call { method, host, path, bucket, key, query, headers }
    }

    #[test]
    fn patterns_match_whole_keys() {
        for (pattern, key, expected) in [
            ("*", "a/b", true),
            ("a/*", "a/b/c", true),
            ("a/*", "b/a/", false),
            ("*.csv", "x.csv", true),
            ("*.csv", "x.csv.gz", false),
            ("a*b*c", "aXbYbZc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("", "", true),
            ("abc", "abc", true),
            ("abc*", "abc", true),
        ] {
            assert_eq!(glob(pattern, key), expected, "{pattern} on {key}");
        }
    }

    #[test]
    fn a_rule_fires_from_the_nth_match_on_so_many_times() {
        let script = FaultScript::default();
        script.add(On::get().key("a*").nth(2).times(2), Fault::NoCrcHeader);
        let fired = |method, key| script.take(&call(method, key, None)).len();
        assert_eq!(fired(http::Method::GET, "a1"), 0);
        assert_eq!(fired(http::Method::GET, "b"), 0);
        assert_eq!(fired(http::Method::HEAD, "a1"), 0);
        assert_eq!(fired(http::Method::GET, "a2"), 1);
        assert_eq!(fired(http::Method::GET, "a3"), 1);
        assert_eq!(fired(http::Method::GET, "a4"), 0);
    }

    #[test]
    fn a_rule_can_ask_where_the_range_begins() {
        let script = FaultScript::default();
        script.add(On::get().range_start(|start| start >= 100).always(), Fault::IgnoreRange);
        let fired = |range| script.take(&call(http::Method::GET, "k", range)).len();
        assert_eq!(fired(None), 0);
        assert_eq!(fired(Some("bytes=99-")), 0);
        assert_eq!(fired(Some("bytes=100-199")), 1);
        assert_eq!(fired(Some("bytes=-5")), 0);
    }

    #[test]
    fn a_rule_can_ask_for_parameters() {
        let script = FaultScript::default();
        let on = On::put().parameter("partNumber").parameter("uploadId");
        script.add(on.always(), Fault::DropBeforeHead);
        let fired = |method, query: &[&str]| {
            let mut call = call(method, "k", None);
            call.query = query.iter().map(|name| ((*name).to_owned(), "1".to_owned())).collect();
            script.take(&call).len()
        };
        assert_eq!(fired(http::Method::PUT, &[]), 0);
        assert_eq!(fired(http::Method::PUT, &["uploadId"]), 0);
        assert_eq!(fired(http::Method::PUT, &["uploadId", "partNumber"]), 1);
        assert_eq!(fired(http::Method::POST, &["uploadId", "partNumber"]), 0);
    }

    #[test]
    fn a_rule_can_ask_for_one_byte_of_the_object() {
        let script = FaultScript::default();
        script.add(On::get().covering(100).always(), Fault::IgnoreRange);
        let fired = |range| script.take(&call(http::Method::GET, "k", range)).len();
        for (range, expected) in [
            (None, 0),
            (Some("bytes=0-99"), 0),
            (Some("bytes=0-100"), 1),
            (Some("bytes=100-100"), 1),
            (Some("bytes=101-"), 0),
            (Some("bytes=50-"), 1),
            (Some("bytes=-5"), 0),
        ] {
            assert_eq!(fired(range), expected, "{range:?}");
        }
    }
}
