//! Standard error: a bar on a terminal, a line now and then elsewhere.

use super::text::{self, bytes, of, shown};
use super::{Failed, View};
use crate::environment::Environment;
use crate::low::{ColorChoice, OutputArgs};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::time::{Duration, Instant};

/// What people see.
pub(crate) struct Screen {
    writer: Box<dyn Write + Send>,
    form: Form,
    verbosity: Verbosity,
    palette: Palette,
}

/// How progress is shown.
#[derive(Debug)]
pub(crate) enum Form {
    /// Not at all.
    Silent,
    /// A line every few seconds.
    Plain {
        /// The last one, or the start.
        last: Option<Instant>,
    },
    /// A bar.
    Bar(ProgressBar),
}

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    /// Errors.
    Quiet,
    /// Errors, warnings, progress and the result.
    Normal,
    /// Retries too.
    Verbose,
    /// Connections too.
    Debug,
}

/// Whether words are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Palette {
    /// They are.
    Colored,
    /// They are not.
    Plain,
}

impl Screen {
    /// Standard error, as the user wants it.
    pub(crate) fn on_stderr(low: &OutputArgs, environment: &Environment) -> Self {
        let terminal = io::stderr().is_terminal();
        let dumb = environment.get("TERM").is_some_and(|term| term == "dumb");
        // Two writers to one terminal would overwrite each other's lines.
        let shared = low.json && io::stdout().is_terminal();
        let form = match () {
            () if low.no_progress || low.quiet || shared => Form::Silent,
            () if terminal && !dumb => Form::bar(),
            // The lines on standard output tell of progress already.
            () if low.json => Form::Silent,
            () => Form::Plain { last: None },
        };
        let colored = match low.color {
            Some(ColorChoice::Always) => true,
            Some(ColorChoice::Never) => false,
            None | Some(ColorChoice::Auto) => {
                terminal && !dumb && environment.get("NO_COLOR").is_none()
            }
        };
        let palette = if colored { Palette::Colored } else { Palette::Plain };
        let writer = Box::new(io::stderr());
        Self { writer, form, verbosity: Verbosity::of(low), palette }
    }

    /// Says where an earlier run stopped.
    pub(crate) fn started(&mut self, total: Option<u64>, resumed: u64, now: Instant) {
        match &mut self.form {
            Form::Silent => {}
            Form::Plain { last } => *last = Some(now),
            Form::Bar(bar) => {
                bar.reset();
                if let Some(total) = total {
                    bar.set_length(total);
                }
            }
        }
        if resumed > 0 && self.verbosity >= Verbosity::Normal {
            let kept = total.map_or_else(|| bytes(resumed), |total| of(resumed, total));
            self.say(&format!("going on: {kept} are kept and being checked"));
        }
    }

    /// Shows how far it is.
    pub(crate) fn progress(&mut self, view: &View, stuck: Option<&str>, now: Instant) {
        match &mut self.form {
            Form::Silent => {}
            Form::Plain { last: Some(last) } if now - *last < PLAIN_INTERVAL => {}
            Form::Plain { last } => {
                *last = Some(now);
                self.say(text::progress(view).trim_start());
            }
            Form::Bar(bar) => {
                bar.set_position(view.bytes);
                let stuck = stuck.map(|reason| format!("  waiting: {}", shown(reason)));
                bar.set_message(text::progress(view) + stuck.as_deref().unwrap_or_default());
            }
        }
    }

    /// Shows why nothing has begun yet.
    pub(crate) fn waiting(&mut self, reason: Option<&str>) {
        if let (Form::Bar(bar), Some(reason)) = (&self.form, reason) {
            bar.set_message(format!("waiting: {}", shown(reason)));
        }
    }

    /// Says that a range is tried again.
    pub(crate) fn retry(&mut self, range: &str, attempt: u32, reason: &str, delay: Duration) {
        if self.verbosity >= Verbosity::Verbose {
            let (reason, delay) = (shown(reason), text::duration(delay));
            let text =
                format!("bytes {range} again in {delay} (attempt {attempt} failed: {reason})");
            self.say(&text);
        }
    }

    /// Says what the user should know although it goes on.
    pub(crate) fn warn(&mut self, message: &str) {
        if self.verbosity >= Verbosity::Normal {
            let text = format!("{} {}", self.palette.paint("warning:", YELLOW), shown(message));
            self.say(&text);
        }
    }

    /// Shows a line of the log.
    pub(crate) fn log(&mut self, line: &str) {
        self.say(&shown(line));
    }

    /// Says what came of it.
    pub(crate) fn done(&mut self, text: &str) {
        if self.verbosity >= Verbosity::Normal {
            self.say(text);
        }
    }

    /// Says what went wrong, and at the end what to do next.
    pub(crate) fn failure(&mut self, failed: &Failed, place: &str) {
        let what = text::failure(&failed.error, place);
        let mut text = format!("{} {what}", self.palette.paint("error:", RED));
        for line in text::next(failed) {
            text.push('\n');
            text.push_str(&line);
        }
        self.say(&text);
    }

    /// Takes the bar away.
    pub(crate) fn clear(&mut self) {
        if let Form::Bar(bar) = &self.form {
            bar.finish_and_clear();
        }
    }

    /// Writes lines. Nobody can be told when standard error is gone.
    fn say(&mut self, text: &str) {
        let writer = &mut self.writer;
        let mut write = || drop(writer.write_all(format!("{text}\n").as_bytes()));
        match &self.form {
            Form::Bar(bar) => bar.suspend(write),
            Form::Silent | Form::Plain { .. } => write(),
        }
    }
}

impl Form {
    fn bar() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{msg} [{wide_bar}]") {
            bar.set_style(style.progress_chars("=> "));
        }
        Self::Bar(bar)
    }
}

impl Verbosity {
    /// What the flags mean.
    pub(crate) const fn of(low: &OutputArgs) -> Self {
        match low.verbose {
            _ if low.quiet => Self::Quiet,
            0 => Self::Normal,
            1 => Self::Verbose,
            _ => Self::Debug,
        }
    }
}

impl Palette {
    fn paint(self, text: &str, color: &str) -> String {
        match self {
            Self::Colored => format!("{color}{text}{RESET}"),
            Self::Plain => text.to_owned(),
        }
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen").field("verbosity", &self.verbosity).finish_non_exhaustive()
    }
}

#[cfg(test)]
impl Screen {
    /// A screen without a terminal that writes elsewhere.
    pub(crate) fn to(writer: Box<dyn Write + Send>, verbosity: Verbosity) -> Self {
        let form = match verbosity {
            Verbosity::Quiet => Form::Silent,
            _ => Form::Plain { last: None },
        };
        Self { writer, form, verbosity, palette: Palette::Plain }
    }
}

/// Often enough to see that it lives, seldom enough for a log that is kept.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

const RED: &str = "\u{1b}[1;31m";
const YELLOW: &str = "\u{1b}[1;33m";
const RESET: &str = "\u{1b}[0m";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_coloured_palette_writes_control_sequences() {
        assert_eq!(Palette::Plain.paint("error:", RED), "error:");
        assert_eq!(Palette::Colored.paint("error:", RED), "\u{1b}[1;31merror:\u{1b}[0m");
    }
}
