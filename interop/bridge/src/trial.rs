//! One check of one store, by itself: in a fresh bucket, for a limited time, its panics caught.

use crate::rig::{Rig, Setting, Side};
use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use std::any::Any;
use std::panic::{AssertUnwindSafe, PanicHookInfo};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What was found of one store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// It holds; how, where that is of interest.
    Yes(String),
    /// It does not, for this reason.
    No(String),
    /// The store does not have the trait that the check needs.
    Absent,
}

impl Finding {
    /// It holds if what was found is what was wanted; the text says what was seen.
    pub(crate) fn same<T: PartialEq>(found: T, wanted: T, seen: impl Into<String>) -> Self {
        match found == wanted {
            true => Self::Yes(seen.into()),
            false => Self::No(seen.into()),
        }
    }

    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Yes(_) => "yes",
            Self::No(_) => "no",
            Self::Absent => "absent",
        }
    }

    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Yes(text) | Self::No(text) => text,
            Self::Absent => "",
        }
    }
}

/// What a store is asked.
pub(crate) type Question = for<'a> fn(&'a Rig) -> LocalBoxFuture<'a, Finding>;

/// What is known of `OssStore` beforehand: anything else is a defect of it or of the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Holds,
    /// OSS has nothing that would let it hold.
    Cannot,
}

/// A question with its name and its place.
pub(crate) struct Trial {
    pub(crate) name: &'static str,
    pub(crate) setting: Setting,
    pub(crate) known: Known,
    pub(crate) question: Question,
}

impl Trial {
    pub(crate) const fn new(name: &'static str, question: Question) -> Self {
        Self { name, setting: Setting::Plain, known: Known::Holds, question }
    }

    pub(crate) const fn within(self, setting: Setting) -> Self {
        Self { setting, ..self }
    }

    pub(crate) const fn known(self, known: Known) -> Self {
        Self { known, ..self }
    }

    /// Asks one of the stores.
    pub(crate) async fn ask(&self, side: Side) -> Finding {
        let rig = Rig::new(side, self.setting).await;
        clear_panic();
        let asked = AssertUnwindSafe((self.question)(&rig)).catch_unwind();
        match tokio::time::timeout(LIMIT, asked).await {
            Ok(Ok(finding)) => finding,
            Ok(Err(panic)) => Finding::No(panicked(panic.as_ref())),
            Err(_) => Finding::No(format!("no end within {} s", LIMIT.as_secs())),
        }
    }

    /// Whether what was found of `OssStore` is what is known.
    pub(crate) const fn fits(&self, found: &Finding) -> bool {
        match self.known {
            Known::Holds => matches!(found, Finding::Yes(_)),
            Known::Cannot => matches!(found, Finding::No(_)),
        }
    }
}

/// Keeps where the last panic was instead of printing it.
pub(crate) fn keep_panics() {
    std::panic::set_hook(Box::new(|panic: &PanicHookInfo<'_>| {
        let place = panic.location().map(|at| {
            let file = Path::new(at.file()).file_name().unwrap_or_default();
            format!("{}:{}", file.to_string_lossy(), at.line())
        });
        *PLACE.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }));
}

fn clear_panic() {
    *PLACE.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

fn panicked(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
    let place = PLACE.lock().unwrap_or_else(PoisonError::into_inner).take();
    format!("{}: {}", place.unwrap_or_default(), brief(text))
}

/// A text on one line and not too long, without what opendal says of the request and the answer:
/// that differs between runs, and hides what is meant.
pub(crate) fn brief(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = match (line.split_once(" Context: "), line.split_once(", context: {")) {
        (Some((before, _)), _) => before.to_owned(),
        (_, Some((before, after))) => {
            let meaning = after.rsplit_once("} =>").map(|(_, meaning)| meaning).unwrap_or_default();
            format!("{before}:{meaning}")
        }
        _ => line,
    };
    let line = line.split(", request_id: ").next().unwrap_or_default();
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.to_owned(),
    }
}

static PLACE: Mutex<Option<String>> = Mutex::new(None);
const LIMIT: Duration = Duration::from_secs(60);
const LONGEST: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brief_text_is_one_line_of_limited_length_without_context() {
        assert_eq!(brief("a\n  b"), "a b");
        assert_eq!(brief("at read, context: { uri: {x} } => why"), "at read: why");
        assert_eq!(brief("at read\n\nContext:\n  uri: x"), "at read");
        assert_eq!(brief("Code { message, request_id: 6B0C }"), "Code { message");
        assert_eq!(brief(&"x".repeat(300)).len(), LONGEST + 3);
    }

    #[tokio::test]
    async fn a_panic_and_a_wrong_answer_are_findings() {
        let panics = Trial::new("panics", |_| Box::pin(async { panic!("gone\nwrong") }));
        keep_panics();
        let Finding::No(reason) = panics.ask(Side::Oss).await else { panic!("it held") };
        assert!(reason.starts_with("trial.rs:") && reason.ends_with(": gone wrong"), "{reason}");
        assert!(!panics.fits(&Finding::No(reason)));
        assert!(panics.known(Known::Cannot).fits(&Finding::No(String::new())));
    }
}
