//! What the user meant: the arguments joined with the environment, checked, and made into a
//! client and a download.

use crate::asked::{Asked, Bounds};
use crate::environment::Environment;
use crate::low::{
    ChangeAction, DirectIoChoice, DurabilityLevel, GetArgs, ParallelChoice, PartSizeChoice,
    ResumeMode, SafetyArgs, TransferArgs, VerifyArgs, VerifyMode,
};
use crate::runtime::Waits;
use crate::source::Source;
use ossget::{
    Checksum, Client, Clobber, CrcPolicy, CredentialsProvider, DirectIo, Download, Durability,
    Error, ErrorKind, ExtentRequest, Object, OnChange, Parallel, PartSize, Resume, ResumeVerify,
    Symlink, Verification,
};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A download that is ready to run.
#[derive(Debug)]
pub(crate) struct HiArgs {
    /// The object.
    pub(crate) object: Object,
    /// DEST as it was typed.
    pub(crate) destination: PathBuf,
    /// Where the checkpoint lies, if not beside the destination.
    pub(crate) checkpoint_dir: Option<PathBuf>,
    /// What requests are signed with.
    pub(crate) credentials: Arc<dyn CredentialsProvider>,
    /// Where these come from, in words.
    pub(crate) account: String,
    /// What the user should know although nothing is wrong with it.
    pub(crate) warnings: Vec<String>,
    client: Client,
    transfer: Transfer,
    safety: Safety,
}

/// A comparison that is ready to run.
#[derive(Debug)]
pub(crate) struct HiVerify {
    /// What the request is signed with.
    pub(crate) credentials: Arc<dyn CredentialsProvider>,
    /// What the user should know although nothing is wrong with it.
    pub(crate) warnings: Vec<String>,
    /// The comparison itself.
    pub(crate) verification: Verification,
}

/// How the bytes are fetched; `None` leaves the choice to the library.
#[derive(Clone, Debug)]
struct Transfer {
    process: Option<String>,
    part_size: Option<PartSize>,
    parallel: Parallel,
    retries: Option<u32>,
    retry_max_time: Option<Duration>,
    read_timeout: Option<Duration>,
    low_speed_limit: Option<u64>,
    low_speed_time: Option<Duration>,
    range: ExtentRequest,
}

/// What may be kept, replaced or trusted.
#[derive(Clone, Copy, Debug)]
struct Safety {
    resume: Resume,
    resume_verify: ResumeVerify,
    durability: Durability,
    direct_io: DirectIo,
    crc: CrcPolicy,
    checksum: Option<Checksum>,
    wait_lock: Option<Duration>,
    clobber: Clobber,
    on_change: OnChange,
    symlink: Symlink,
}

impl HiArgs {
    /// Checks everything that can be checked without a request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for what the user must write differently, and
    /// [`ErrorKind::Credentials`] for credentials that cannot be used.
    pub(crate) fn new(
        low: &GetArgs,
        source: Source,
        environment: &Environment,
    ) -> Result<Self, Error> {
        let destination = destination(low)?;
        let transfer = &low.transfer;
        let bounds = Bounds::new(transfer.connect_timeout, transfer.retry_max_time)
            .bandwidth(transfer.bandwidth_limit);
        let Asked { object, process, client, credentials, account, warnings, .. } =
            Asked::new(source, &low.identity, &low.request, bounds, environment)?;
        let process = transfer.process.clone().or(process);
        Ok(Self {
            object,
            destination: PathBuf::from(destination),
            checkpoint_dir: low.safety.checkpoint_dir.clone(),
            credentials,
            account,
            warnings,
            client,
            transfer: Transfer { process, ..Transfer::new(&low.transfer) },
            safety: Safety::new(&low.safety),
        })
    }

    /// What the tasks of the download wait for.
    pub(crate) fn waits(&self) -> Waits {
        match self.safety.direct_io.applies_at(&self.destination) {
            true => Waits::ForTheDisk,
            false => Waits::Never,
        }
    }

    /// The download, ready to be awaited.
    pub(crate) fn download(&self) -> Download {
        let download = self.client.download(self.object.clone(), &self.destination);
        let mut download = self.transfer.apply(download);
        download = download
            .resume(self.safety.resume)
            .resume_verify(self.safety.resume_verify)
            .durability(self.safety.durability)
            .direct_io(self.safety.direct_io)
            .crc(self.safety.crc)
            .clobber(self.safety.clobber)
            .on_change(self.safety.on_change)
            .symlink(self.safety.symlink);
        if let Some(checksum) = self.safety.checksum {
            download = download.checksum(checksum);
        }
        if let Some(time) = self.safety.wait_lock {
            download = download.wait_lock(time);
        }
        if let Some(dir) = &self.checkpoint_dir {
            download = download.checkpoint_dir(dir);
        }
        download
    }
}

impl HiVerify {
    /// Checks everything that can be checked without a request.
    ///
    /// # Errors
    ///
    /// As [`HiArgs::new`].
    pub(crate) fn new(
        low: &VerifyArgs,
        source: Source,
        environment: &Environment,
    ) -> Result<Self, Error> {
        let bounds = Bounds::new(low.connect_timeout, low.retry_max_time);
        let Asked { object, client, credentials, warnings, .. } =
            Asked::new(source, &low.identity, &low.request, bounds, environment)?;
        let mut verification = client.verify(object, &low.file);
        if let Some(checksum) = low.checksum {
            verification = verification.checksum(checksum);
        }
        if let Some(time) = low.retry_max_time {
            verification = verification.retry_max_time(time);
        }
        Ok(Self { credentials, warnings, verification })
    }
}

impl Transfer {
    fn apply(&self, download: Download) -> Download {
        let mut download = download.parallel(self.parallel).range(self.range);
        if let Some(style) = &self.process {
            download = download.process(style);
        }
        if let Some(part_size) = self.part_size {
            download = download.part_size(part_size);
        }
        if let Some(retries) = self.retries {
            download = download.retries(retries);
        }
        if let Some(time) = self.retry_max_time {
            download = download.retry_max_time(time);
        }
        if let Some(time) = self.read_timeout {
            download = download.read_timeout(time);
        }
        if let Some(limit) = self.low_speed_limit {
            download = download.low_speed_limit(limit);
        }
        if let Some(time) = self.low_speed_time {
            download = download.low_speed_time(time);
        }
        download
    }

    fn new(low: &TransferArgs) -> Self {
        Self {
            process: low.process.clone(),
            part_size: low.part_size.and_then(PartSizeChoice::fixed),
            parallel: low
                .parallel
                .and_then(ParallelChoice::fixed)
                .map_or(Parallel::Auto, Parallel::Fixed),
            retries: low.retries,
            retry_max_time: low.retry_max_time,
            read_timeout: low.read_timeout,
            low_speed_limit: low.low_speed_limit,
            low_speed_time: low.low_speed_time,
            range: low.range.unwrap_or_default(),
        }
    }
}

impl Safety {
    fn new(low: &SafetyArgs) -> Self {
        let resume = match low.resume {
            _ if low.no_resume => Resume::Off,
            _ if low.restart => Resume::Restart,
            None | Some(ResumeMode::Auto) => Resume::Auto,
            Some(ResumeMode::Require) => Resume::Require,
        };
        Self {
            resume,
            resume_verify: match low.resume_verify {
                None | Some(VerifyMode::Full) => ResumeVerify::Full,
                Some(VerifyMode::Bounds) => ResumeVerify::Bounds,
            },
            durability: match low.durability {
                None | Some(DurabilityLevel::Full) => Durability::Full,
                Some(DurabilityLevel::Process) => Durability::Process,
                Some(DurabilityLevel::None) => Durability::None,
            },
            direct_io: match low.direct_io {
                None | Some(DirectIoChoice::Auto) => DirectIo::Auto,
                Some(DirectIoChoice::On) => DirectIo::On,
                Some(DirectIoChoice::Off) => DirectIo::Off,
            },
            crc: if low.require_crc { CrcPolicy::Require } else { CrcPolicy::Accept },
            checksum: low.checksum,
            wait_lock: low.wait_lock,
            clobber: if low.no_clobber { Clobber::Refuse } else { Clobber::Replace },
            on_change: match low.on_change {
                None | Some(ChangeAction::Restart) => OnChange::Restart,
                Some(ChangeAction::Fail) => OnChange::Fail,
            },
            symlink: if low.follow_symlink { Symlink::Follow } else { Symlink::Refuse },
        }
    }
}

fn destination(low: &GetArgs) -> Result<&OsStr, Error> {
    let GetArgs { destination, more, .. } = low;
    if !more.is_empty() {
        let count = more.len() + 2;
        return Err(usage(format!("{count} paths were given: one SRC and one DEST are taken"))
            .with_hint("run ossget once for each object"));
    }
    if destination.is_empty() {
        return Err(usage("DEST is empty"));
    }
    Ok(destination)
}

/// An error that the user mends by writing the command differently.
pub(crate) fn usage(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, message.into())
}

#[cfg(test)]
mod tests;
