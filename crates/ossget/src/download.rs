//! One download, before it runs.

use crate::driver;
use crate::options::Options;
use crate::{
    Checksum, Client, Clobber, CrcPolicy, DirectIo, DownloadEvent, DownloadHandle, Downloaded,
    Durability, Error, ExtentRequest, Object, OnChange, Parallel, PartSize, Progress, Resume,
    ResumeVerify, Symlink,
};
use std::fmt;
use std::future::{Future, IntoFuture};
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

/// One download: what is wanted, where to, and how. Awaiting it runs it.
///
/// # Cancel safety
///
/// Dropping the future stops the download. What was recorded stays; the next download to the
/// same destination goes on from there. [`DownloadHandle::cancel`] also records what is stored.
#[must_use = "a download does nothing until it is awaited"]
pub struct Download {
    pub(crate) client: Client,
    pub(crate) object: Object,
    pub(crate) destination: PathBuf,
    pub(crate) options: Options,
    pub(crate) handle: DownloadHandle,
    pub(crate) observer: Option<Observer>,
}

/// Told of everything that happens.
pub(crate) type Observer = Box<dyn FnMut(&DownloadEvent) + Send>;

impl Download {
    pub(crate) fn new(client: Client, object: Object, destination: PathBuf) -> Self {
        Self {
            client,
            object,
            destination,
            options: Options::default(),
            handle: DownloadHandle::new(),
            observer: None,
        }
    }

    /// The part size; chosen from the object's size by default. A checkpoint's part size wins.
    pub const fn part_size(mut self, part_size: PartSize) -> Self {
        self.options.part_size = Some(part_size);
        self
    }

    /// How many ranges are in flight.
    pub const fn parallel(mut self, parallel: Parallel) -> Self {
        self.options.parallel = parallel;
        self
    }

    /// Only these bytes of the object. No server value covers a slice, so its integrity is at
    /// most [`RangeUnverified`](crate::Integrity::RangeUnverified).
    pub const fn range(mut self, range: ExtentRequest) -> Self {
        self.options.extent = range;
        self
    }

    /// What the service makes of the object (`x-oss-process`), such as `image/resize,w_100`, in
    /// place of the object itself.
    ///
    /// That comes in one answer, of a length that may not be known before its end. Nothing of it
    /// is kept when the download stops, no value of the server's covers it, so that its integrity
    /// is [`UnverifiedByServer`](crate::Integrity::UnverifiedByServer) unless a
    /// [`checksum`](Self::checksum) is given; and what is written is synced and published like any
    /// other file. A [`range`](Self::range), a required CRC-64 and a required checkpoint are
    /// refused.
    pub fn process(mut self, style: impl Into<String>) -> Self {
        self.options.process = Some(style.into());
        self
    }

    /// Where the checkpoint lies; beside the destination by default.
    pub fn checkpoint_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.options.checkpoint_dir = Some(dir.into());
        self
    }

    /// What the download survives.
    pub const fn durability(mut self, durability: Durability) -> Self {
        self.options.durability = durability;
        self
    }

    /// Whether the partial file is written past the system's page cache.
    pub const fn direct_io(mut self, direct_io: DirectIo) -> Self {
        self.options.direct_io = direct_io;
        self
    }

    /// What to do about an earlier run's checkpoint.
    pub const fn resume(mut self, resume: Resume) -> Self {
        self.options.resume = resume;
        self
    }

    /// How far kept parts are checked before they count.
    pub const fn resume_verify(mut self, verify: ResumeVerify) -> Self {
        self.options.resume_verify = verify;
        self
    }

    /// What to do when the object changes under the download.
    pub const fn on_change(mut self, on_change: OnChange) -> Self {
        self.options.on_change = on_change;
        self
    }

    /// Whether an existing destination may be replaced.
    pub const fn clobber(mut self, clobber: Clobber) -> Self {
        self.options.clobber = clobber;
        self
    }

    /// What a destination that is a symbolic link means.
    pub const fn symlink(mut self, symlink: Symlink) -> Self {
        self.options.symlink = symlink;
        self
    }

    /// Whether an object without a CRC-64 is acceptable.
    pub const fn crc(mut self, crc: CrcPolicy) -> Self {
        self.options.crc = crc;
        self
    }

    /// A digest that the file must have, besides the object's own CRC-64. The finished file is
    /// read back for it before it is published.
    pub const fn checksum(mut self, checksum: Checksum) -> Self {
        self.options.checksum = Some(checksum);
        self
    }

    /// How long another run that holds the destination is waited for; by default not at all.
    pub const fn wait_lock(mut self, time: Duration) -> Self {
        self.options.wait_lock = Some(time);
        self
    }

    /// Attempts of one range that may fail without progress while others progress; 10 by default.
    pub const fn retries(mut self, retries: u32) -> Self {
        self.options.retries = retries;
        self
    }

    /// How long the run may go on without any progress; 10 minutes by default.
    pub const fn retry_max_time(mut self, time: Duration) -> Self {
        self.options.retry_max_time = time;
        self
    }

    /// How long a connection may stay silent in the middle of a body; 20 s by default, at least
    /// a millisecond.
    pub fn read_timeout(mut self, time: Duration) -> Self {
        self.options.read_timeout = time.max(Duration::from_millis(1));
        self
    }

    /// The rate in bytes a second below which a connection is given up that stays there for
    /// [`Download::low_speed_time`] while others do ten times better; 10 KiB by default. Whatever
    /// its rate, a connection is also replaced that does ten times worse than others for 2 s, or
    /// half as well for 0.5 s once nothing is left to begin. With 0 none is.
    pub const fn low_speed_limit(mut self, bytes_per_second: u64) -> Self {
        self.options.low_speed_bytes_per_second = bytes_per_second;
        self
    }

    /// How long a connection may stay below [`Download::low_speed_limit`]; 30 s by default, at
    /// least a millisecond.
    pub fn low_speed_time(mut self, time: Duration) -> Self {
        self.options.low_speed_time = time.max(Duration::from_millis(1));
        self
    }

    /// Calls `observer` with every event, on the task that awaits the download.
    pub fn on_event(mut self, observer: impl FnMut(&DownloadEvent) + Send + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Calls `observer` with the progress, at most every 100 ms and once at the end.
    /// Replaces an observer of [`Download::on_event`].
    pub fn on_progress(self, mut observer: impl FnMut(Progress) + Send + 'static) -> Self {
        self.on_event(move |event| {
            if let DownloadEvent::Progress(progress) = event {
                observer(*progress);
            }
        })
    }

    /// A handle to look at the download, or stop it, from elsewhere.
    #[must_use]
    pub fn handle(&self) -> DownloadHandle {
        self.handle.clone()
    }
}

impl IntoFuture for Download {
    type Output = Result<Downloaded, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// Runs the download.
    ///
    /// # Errors
    ///
    /// An [`Error`] whose kind says what to do; [`Error::is_resumable`] says whether the same
    /// download goes on from where this one stopped.
    ///
    /// # Cancel safety
    ///
    /// See [`Download`].
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(driver::run(self))
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("object", &self.object)
            .field("destination", &self.destination)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
