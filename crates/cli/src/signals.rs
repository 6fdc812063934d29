//! Signals: how the user, the terminal or the system asks the download to stop.

use ossget::DownloadHandle;
use std::io;
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// A request to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interrupt {
    /// The terminal is gone (SIGHUP).
    Hangup,
    /// The user pressed ^C (SIGINT).
    Keyboard,
    /// The system or a scheduler wants an end (SIGTERM).
    Terminate,
}

impl Interrupt {
    /// 128 plus the number of the signal, as shells report it.
    pub(crate) const fn exit_code(self) -> u8 {
        match self {
            Self::Hangup => 129,
            Self::Keyboard => 130,
            Self::Terminate => 143,
        }
    }
}

/// What signals do depends on how far the run is.
#[derive(Debug, Default)]
pub(crate) struct Run {
    interrupt: OnceLock<Interrupt>,
    exit_code: OnceLock<u8>,
}

impl Run {
    /// The signal that came first.
    pub(crate) fn interrupt(&self) -> Option<Interrupt> {
        self.interrupt.get().copied()
    }

    /// All is done but for the last lines.
    pub(crate) fn ended(&self, exit_code: u8) {
        let _nobody_else_says_so = self.exit_code.set(exit_code);
    }
}

/// One ^C may come twice: `timeout` sends its signal to the process and to its group. Nobody presses
/// that fast.
const SAME_PRESS: Duration = Duration::from_millis(200);

/// Catches signals from now on, for the rest of the process: the first cancels the download. A
/// second ^C, [later](SAME_PRESS), ends the process at once, and what was recorded so far stays, as
/// after a crash. Once the download has ended and only its last lines are not read, any signal ends
/// the process.
///
/// On a thread of its own: a disk that does not answer can hold up all workers of the download.
///
/// # Errors
///
/// When the system refuses the thread or to register the signals.
pub(crate) fn catch(handle: DownloadHandle, run: Arc<Run>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (tell, told) = mpsc::channel();
    thread::Builder::new().name("ossget-signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            let installed = Signals::install();
            let (signals, outcome) = match installed {
                Ok(signals) => (Some(signals), Ok(())),
                Err(error) => (None, Err(error)),
            };
            // Whoever asked waits for it.
            drop(tell.send(outcome));
            if let Some(signals) = signals {
                watch(signals, &handle, &run).await;
            }
        });
    })?;
    told.recv().unwrap_or_else(|_| Err(io::Error::other("the thread for them ended")))
}

async fn watch(mut signals: Signals, handle: &DownloadHandle, run: &Run) {
    let mut first = None;
    loop {
        let interrupt = signals.next().await;
        let since_first = first.get_or_insert_with(Instant::now).elapsed();
        if let Some(exit_code) = run.exit_code.get() {
            std::process::exit(i32::from(*exit_code));
        }
        if run.interrupt.set(interrupt).is_ok() {
            handle.cancel();
        } else if interrupt == Interrupt::Keyboard && since_first >= SAME_PRESS {
            std::process::exit(i32::from(interrupt.exit_code()));
        }
    }
}

#[cfg(unix)]
pub(crate) use unix::Signals;

#[cfg(unix)]
mod unix {
    use super::{Interrupt, io};
    use tokio::signal::unix::{Signal, SignalKind, signal};

    /// The signals that end a download.
    #[derive(Debug)]
    pub(crate) struct Signals {
        hangup: Option<Signal>,
        interrupt: Option<Signal>,
        terminate: Signal,
    }

    impl Signals {
        /// Begins to catch signals, for the rest of the process.
        ///
        /// SIGXFSZ is caught too, and nothing done about it: it would kill the process, while the
        /// write that is too large then fails with an error that can be told. SIGPIPE needs
        /// nothing, Rust's runtime ignores it.
        ///
        /// # Errors
        ///
        /// When the system refuses to register them.
        pub(crate) fn install() -> io::Result<Self> {
            drop(signal(SignalKind::from_raw(SIGXFSZ))?);
            // `nohup` has SIGHUP ignored, and a shell without job control SIGINT for what it runs
            // in the background. Catching them would undo what the user asked for.
            let ignored = ignored();
            let unless_ignored = |number: u32, kind| match ignored >> (number - 1) & 1 {
                0 => signal(kind).map(Some),
                _ => Ok(None),
            };
            Ok(Self {
                hangup: unless_ignored(1, SignalKind::hangup())?,
                interrupt: unless_ignored(2, SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
            })
        }

        /// The next signal.
        pub(super) async fn next(&mut self) -> Interrupt {
            tokio::select! {
                () = caught(&mut self.interrupt) => Interrupt::Keyboard,
                _ = self.terminate.recv() => Interrupt::Terminate,
                () = caught(&mut self.hangup) => Interrupt::Hangup,
            }
        }
    }

    /// Waits for a signal; for ever where it is ignored.
    async fn caught(signal: &mut Option<Signal>) {
        match signal {
            Some(signal) => drop(signal.recv().await),
            None => std::future::pending().await,
        }
    }

    /// The signals that whoever started this process had ignored. Only Linux tells without a
    /// system call that needs unsafe code; elsewhere they are caught.
    fn ignored() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        ignored_signals(&status)
    }

    /// The mask of ignored signals in `/proc/self/status`; bit 0 is signal 1, SIGHUP.
    fn ignored_signals(status: &str) -> u64 {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
    }

    /// The same number on Linux (but for MIPS and PA-RISC), macOS and the BSDs.
    const SIGXFSZ: i32 = 25;

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_mask_of_ignored_signals_is_read() {
            let status = "Name:\tossget\nSigBlk:\t0000000000000002\nSigIgn:\t0000000000001001\n";
            assert_eq!(ignored_signals(status), 0x1001);
            assert_eq!(ignored_signals("Name:\tossget\n"), 0);
            assert_eq!(ignored_signals("SigIgn:\tnonsense\n"), 0);
        }
    }
}

#[cfg(not(unix))]
pub(crate) use other::Signals;

#[cfg(not(unix))]
mod other {
    use super::{Interrupt, io};

    /// The signals that end a download.
    #[derive(Debug)]
    pub(crate) struct Signals;

    impl Signals {
        /// Nothing to do before the first wait.
        ///
        /// # Errors
        ///
        /// None here.
        pub(crate) fn install() -> io::Result<Self> {
            Ok(Self)
        }

        /// The next signal.
        pub(super) async fn next(&mut self) -> Interrupt {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
            Interrupt::Keyboard
        }
    }
}
