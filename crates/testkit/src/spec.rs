//! Faults as text, for command lines and for other processes.

use std::str::FromStr;
use std::time::Duration;

use crate::content::Content;
use crate::fault::{Close, Fault, On};

/// A fault with its conditions, read from text such as `get:nth=3:cut=65536:rst`.
///
/// Fields are separated by colons. The first is the method in lower case, or `any`. Conditions:
/// `key=PATTERN`, `parameter=NAME` (in the query, as `uploadId`), `nth=N`, `times=N` or `always`,
/// `from=N` (the range begins at N or later), `before=N` (it begins before N). Then exactly one
/// fault:
///
/// | text | fault |
/// | --- | --- |
/// | `cut=N`, `cut=N:rst` | closes after N bytes of the body, or resets |
/// | `cut-head=N`, `cut-head=N:rst` | the same within the whole response |
/// | `stall=N`, `stall-head`, `drop` | goes silent after N bytes; never answers; closes at once |
/// | `trickle=RATE`, `trickle=RATE@N` | slows to RATE bytes a second (after N bytes) |
/// | `flip=N`, `wrong-bytes=N` | damages byte N of the object; sends bytes from N further on |
/// | `short=N`, `excess=N`, `chunked` | shorter range; surplus bytes; no `Content-Length` |
/// | `ignore-range`, `wrong-content-range` | |
/// | `status=503`, `status=503/SlowDown`, and `:retry-after=5` | an error, without or with document |
/// | `latency=250ms`, `latency=2s` | waits first |
/// | `replace=SIZE@SEED`, `delete` | the object changes first |
/// | `crc=N`, `no-crc`, `wrong-etag` | |
/// | `header=NAME=VALUE`, `no-header=NAME` | |
///
/// Sizes and rates take the suffixes `KiB`, `MiB`, `GiB` and `TiB`.
#[derive(Debug)]
pub struct FaultSpec {
    /// Which requests.
    pub on: On,
    /// What goes wrong.
    pub fault: Fault,
}

/// Text that is no fault, size or object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct SpecError {
    text: String,
    expected: &'static str,
}

impl FromStr for FaultSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let mut fields = text.split(':');
        let mut on = match fields.next().unwrap_or_default() {
            "any" => On::any(),
            method => {
                let name = method.to_ascii_uppercase();
                let known = ["GET", "HEAD", "PUT", "DELETE", "POST"].contains(&&*name);
                let method = http::Method::from_bytes(name.as_bytes()).ok().filter(|_| known);
                On::method(method.ok_or_else(|| wrong(text, "a method or `any`, then a fault"))?)
            }
        };
        let mut fault = None;
        for field in fields {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            match name {
                "key" => on = on.key(value),
                "parameter" => on = on.parameter(value),
                "nth" => on = on.nth(number(value)?),
                "times" => on = on.times(number(value)?),
                "always" => on = on.always(),
                "from" | "before" => on = by_start(on, name, number(value)?),
                "rst" | "retry-after" => amend(&mut fault, name, value)
                    .ok_or_else(|| wrong(field, "an addition to the fault before it"))?,
                _ if fault.is_none() => fault = Some(read_fault(name, value)?),
                _ => return Err(wrong(field, "a condition, and there is a fault already")),
            }
        }
        let fault = fault.ok_or_else(|| wrong(text, "complete: it has no fault"))?;
        Ok(Self { on, fault })
    }
}

/// Reads a size: digits and an optional suffix `KiB`, `MiB`, `GiB` or `TiB`.
///
/// # Errors
///
/// When the text is anything else, or the size does not fit 64 bits.
pub fn parse_size(text: &str) -> Result<u64, SpecError> {
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = match &text[at..] {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(wrong(text, "a size like 65536 or 8MiB")),
    };
    let size = text[..at].parse::<u64>().ok().and_then(|count| count.checked_mul(unit));
    size.ok_or_else(|| wrong(text, "a size like 65536 or 8MiB"))
}

/// A generated object, read from `KEY=SIZE` or `KEY=SIZE@SEED`.
#[derive(Debug, Clone)]
pub struct ObjectSpec {
    /// The key.
    pub key: String,
    /// The content.
    pub content: Content,
}

impl FromStr for ObjectSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        // The last one: keys may contain the sign.
        let (key, content) =
            text.rsplit_once('=').ok_or_else(|| wrong(text, "KEY=SIZE or KEY=SIZE@SEED"))?;
        Ok(Self { key: key.to_owned(), content: generated(content)? })
    }
}

fn generated(text: &str) -> Result<Content, SpecError> {
    let (size, seed) = text.split_once('@').unwrap_or((text, "0"));
    Ok(Content::generated(number(seed)?, parse_size(size)?))
}

fn by_start(on: On, name: &str, bound: u64) -> On {
    match name {
        "from" => on.range_start(move |start| start >= bound),
        _ => on.range_start(move |start| start < bound),
    }
}

fn amend(fault: &mut Option<Fault>, name: &str, value: &str) -> Option<()> {
    match (fault.as_mut()?, name) {
        (Fault::CutAfter { how, .. } | Fault::CutHead { how, .. }, "rst") => *how = Close::Rst,
        (Fault::Status { retry_after, .. }, "retry-after") => *retry_after = Some(value.to_owned()),
        _ => return None,
    }
    Some(())
}

fn read_fault(name: &str, value: &str) -> Result<Fault, SpecError> {
    Ok(match name {
        "cut" => Fault::CutAfter { bytes: parse_size(value)?, how: Close::Fin },
        "cut-head" => Fault::CutHead { bytes: parse_size(value)?, how: Close::Fin },
        "stall" => Fault::StallAfter { bytes: parse_size(value)? },
        "stall-head" => Fault::StallBeforeHead,
        "drop" => Fault::DropBeforeHead,
        "trickle" => {
            let (rate, after) = value.split_once('@').unwrap_or((value, "0"));
            Fault::Trickle { bytes_per_second: parse_size(rate)?, after: parse_size(after)? }
        }
        "flip" => Fault::FlipByte { at: parse_size(value)? },
        "wrong-bytes" => Fault::WrongBytes { shift: parse_size(value)? },
        "short" => Fault::ShortRange { bytes: parse_size(value)? },
        "excess" => Fault::Excess { bytes: parse_size(value)? },
        "chunked" => Fault::Chunked,
        "ignore-range" => Fault::IgnoreRange,
        "wrong-content-range" => Fault::WrongContentRange,
        "status" => {
            let (code, oss_code) = value.split_once('/').unwrap_or((value, ""));
            let code = code.parse().ok().filter(|code| (200..600).contains(code));
            Fault::status(code.ok_or_else(|| wrong(value, "a status like 503"))?, oss_code)
        }
        "latency" => Fault::Latency(duration(value)?),
        "replace" => Fault::ReplaceObjectNow(generated(value)?),
        "delete" => Fault::DeleteObjectNow,
        "crc" => Fault::WrongCrcHeader(number(value)?),
        "no-crc" => Fault::NoCrcHeader,
        "wrong-etag" => Fault::WrongETag,
        "header" => {
            let (name, value) =
                value.split_once('=').ok_or_else(|| wrong(value, "NAME=VALUE of a header"))?;
            Fault::header(name, value)
        }
        "no-header" => Fault::no_header(value),
        _ => return Err(wrong(name, "a condition or a fault")),
    })
}

fn number(text: &str) -> Result<u64, SpecError> {
    text.parse().map_err(|_| wrong(text, "a number"))
}

fn duration(text: &str) -> Result<Duration, SpecError> {
    let millis = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(millis), _) => millis.parse().ok(),
        (None, Some(seconds)) => seconds.parse::<u64>().ok().and_then(|s| s.checked_mul(1000)),
        (None, None) => None,
    };
    millis.map(Duration::from_millis).ok_or_else(|| wrong(text, "a duration like 250ms or 2s"))
}

fn wrong(text: &str, expected: &'static str) -> SpecError {
    SpecError { text: text.to_owned(), expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        format!("{:?}", text.parse::<FaultSpec>().unwrap().fault)
    }

    #[test]
    fn faults_are_read_with_their_additions() {
        assert_eq!(fault("get:nth=3:cut=65536:rst"), "CutAfter { bytes: 65536, how: Rst }");
        assert_eq!(fault("any:always:cut=1MiB"), "CutAfter { bytes: 1048576, how: Fin }");
        assert_eq!(
            fault("get:status=503/SlowDown:retry-after=5"),
            "Status { code: 503, oss_code: \"SlowDown\", retry_after: Some(\"5\") }"
        );
        assert_eq!(fault("head:latency=250ms"), "Latency(250ms)");
        assert_eq!(fault("get:from=1MiB:no-crc".replace("1MiB", "9").as_str()), "NoCrcHeader");
        assert_eq!(
            fault("get:key=a/*:trickle=4KiB@100"),
            "Trickle { bytes_per_second: 4096, after: 100 }"
        );
        assert_eq!(
            fault("get:header=Content-Encoding=gzip"),
            "Header { name: \"Content-Encoding\", value: Some(\"gzip\") }"
        );
        assert_eq!(fault("post:parameter=uploadId:nth=2:drop"), "DropBeforeHead");
        assert!(fault("get:replace=10@7").contains("seed: 7, size: 10"));
    }

    #[test]
    fn what_is_no_fault_is_refused() {
        for text in [
            "",
            "get",
            "fetch:drop",
            "get:cut",
            "get:cut=x",
            "get:rst",
            "get:drop:rst",
            "get:drop:stall=1",
            "get:status=99",
            "get:latency=5",
            "get:cat=5",
            "get:nth=:drop",
        ] {
            assert!(text.parse::<FaultSpec>().is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_and_objects_are_read() {
        assert_eq!(parse_size("40MiB"), Ok(40 << 20));
        assert_eq!(parse_size("7"), Ok(7));
        assert!(parse_size("40MB").is_err());
        assert!(parse_size("99999999TiB").is_err());
        assert!(parse_size("").is_err());
        let object: ObjectSpec = "dir/a=b=1GiB@5".parse().unwrap();
        assert_eq!((object.key.as_str(), object.content.size()), ("dir/a=b", 1 << 30));
        assert!("nokey".parse::<ObjectSpec>().is_err());
    }
}
