//! Commands that ask about one source and end at once: what they have in common.

use crate::environment::Environment;
use crate::exit;
use crate::low::OutputArgs;
use crate::output::{Failed, Screen, shown};
use crate::source::Source;
use ossget::Error;

/// Does what a command is for with one source; tells what fails, and returns the exit code.
pub(crate) fn tell(
    source: Source,
    output: &OutputArgs,
    environment: &Environment,
    work: impl FnOnce(Source, &mut Screen) -> Result<(), Error>,
) -> u8 {
    let mut screen = Screen::on_stderr(output, environment);
    let name = source.shown.clone();
    match work(source, &mut screen) {
        Ok(()) => exit::DONE,
        Err(error) => {
            let exit_code = exit::code(error.kind(), None);
            screen.failure(&Failed { error, kept: None, exit_code }, &shown(&name));
            exit_code
        }
    }
}
