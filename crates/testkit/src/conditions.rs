//! What a request demands of an object before that is served or copied.

use http::StatusCode;
use jiff::Timestamp;

use crate::call::Call;
use crate::clock::{http_date, parse_http_date};
use crate::refusal::Refusal;
use crate::store::Stored;

/// The four conditions, as headers of one request.
#[derive(Debug)]
pub(crate) struct Conditions<'a> {
    call: &'a Call,
    /// What the names of the headers begin with.
    prefix: &'static str,
}

impl<'a> Conditions<'a> {
    /// Those on the object that is read.
    pub(crate) fn of_reading(call: &'a Call) -> Self {
        Self { call, prefix: "" }
    }

    /// Those on the object that is copied.
    pub(crate) fn of_copying(call: &'a Call) -> Self {
        Self { call, prefix: "x-oss-copy-source-" }
    }

    pub(crate) fn check(&self, object: &Stored) -> Result<(), Refusal> {
        let modified = object.modified.as_second();
        if self.header("If-Match").is_some_and(|list| !names(list, object)) {
            return Err(self.failed("If-Match"));
        }
        if self.date("If-Unmodified-Since").is_some_and(|since| modified > since.as_second()) {
            return Err(self.failed("If-Unmodified-Since"));
        }
        let is_known = self.header("If-None-Match").is_some_and(|list| names(list, object));
        let is_older =
            self.date("If-Modified-Since").is_some_and(|since| modified <= since.as_second());
        if is_known || is_older {
            return Err(Refusal::new(StatusCode::NOT_MODIFIED, "NotModified", "")
                .header("etag", &object.etag)
                .header("last-modified", http_date(object.modified)));
        }
        Ok(())
    }

    fn header(&self, name: &str) -> Option<&'a str> {
        self.call.header(&format!("{}{name}", self.prefix))
    }

    fn date(&self, name: &str) -> Option<Timestamp> {
        self.header(name).and_then(parse_http_date)
    }

    fn failed(&self, condition: &str) -> Refusal {
        let message = "At least one of the pre-conditions you specified did not hold.";
        Refusal::new(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", message)
            .child("Condition", format!("{}{condition}", self.prefix))
    }
}

fn names(list: &str, object: &Stored) -> bool {
    let wanted = object.etag.trim_matches('"');
    list.split(',').map(|tag| tag.trim().trim_matches('"')).any(|tag| tag == "*" || tag == wanted)
}
