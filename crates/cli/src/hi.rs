//! What the user meant: the arguments joined with the environment, checked, and made into a
//! client and a download.

use crate::environment::Environment;
use crate::low::{
    ChangeAction, DurabilityLevel, GetArgs, IdentityArgs, NamingArgs, ParallelChoice,
    PartSizeChoice, ResumeMode, SafetyArgs, TransferArgs, VerifyArgs, VerifyMode,
};
use crate::settings::Settings;
use ossget::{
    Checksum, Client, Clobber, CrcPolicy, CredentialsProvider, Download, Durability, Error,
    ErrorKind, ExtentRequest, Object, OnChange, Parallel, PartSize, Resume, ResumeVerify, Symlink,
    Verification,
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
#[derive(Clone, Copy, Debug)]
struct Transfer {
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
    pub(crate) fn new(low: &GetArgs, environment: &Environment) -> Result<Self, Error> {
        refuse_secrets(&low.identity)?;
        let (source, destination) = source_and_destination(low)?;
        let object = object(source, &low.naming)?;
        let settings = Settings::new(&low.identity, environment, Some(object.bucket()))?;
        let client = client(&low.identity, low.transfer.connect_timeout, &settings)?;
        Ok(Self {
            object,
            destination: PathBuf::from(destination),
            checkpoint_dir: low.safety.checkpoint_dir.clone(),
            credentials: settings.credentials,
            warnings: settings.warnings,
            client,
            transfer: Transfer::new(&low.transfer),
            safety: Safety::new(&low.safety),
        })
    }

    /// The download, ready to be awaited.
    pub(crate) fn download(&self) -> Download {
        let download = self.client.download(self.object.clone(), &self.destination);
        let mut download = self.transfer.apply(download);
        download = download
            .resume(self.safety.resume)
            .resume_verify(self.safety.resume_verify)
            .durability(self.safety.durability)
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
    pub(crate) fn new(low: &VerifyArgs, environment: &Environment) -> Result<Self, Error> {
        refuse_secrets(&low.identity)?;
        let object = object(utf8(&low.source)?, &low.naming)?;
        let settings = Settings::new(&low.identity, environment, Some(object.bucket()))?;
        let client = client(&low.identity, low.connect_timeout, &settings)?;
        let mut verification = client.verify(object, &low.file);
        if let Some(checksum) = low.checksum {
            verification = verification.checksum(checksum);
        }
        if let Some(time) = low.retry_max_time {
            verification = verification.retry_max_time(time);
        }
        let Settings { credentials, warnings, .. } = settings;
        Ok(Self { credentials, warnings, verification })
    }
}

impl Transfer {
    fn apply(self, download: Download) -> Download {
        let mut download = download.parallel(self.parallel).range(self.range);
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
            part_size: match low.part_size {
                None | Some(PartSizeChoice::Auto) => None,
                Some(PartSizeChoice::Fixed(size)) => Some(size),
            },
            parallel: match low.parallel {
                None | Some(ParallelChoice::Auto) => Parallel::Auto,
                Some(ParallelChoice::Fixed(count)) => Parallel::Fixed(count),
            },
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

/// Secrets on the command line are visible to every user of the machine.
pub(crate) fn refuse_secrets(low: &IdentityArgs) -> Result<(), Error> {
    let refused = |flag: &str, file: &str, variables: &str| {
        Err(usage(format!(
            "{flag} is refused: every user of this machine can read the command line"
        ))
        .with_hint(format!("put it into a file and give {file} FILE, or set {variables}")))
    };
    if low.access_key_secret.is_some() {
        return refused(
            "-k/--access-key-secret",
            "--access-key-secret-file",
            "OSS_ACCESS_KEY_SECRET or ALIBABA_CLOUD_ACCESS_KEY_SECRET",
        );
    }
    if low.sts_token.is_some() {
        return refused(
            "-t/--sts-token",
            "--sts-token-file",
            "OSS_SESSION_TOKEN or ALIBABA_CLOUD_SECURITY_TOKEN",
        );
    }
    Ok(())
}

fn source_and_destination(low: &GetArgs) -> Result<(&str, &OsStr), Error> {
    let GetArgs { source, destination, more, .. } = low;
    if !more.is_empty() {
        let count = more.len() + 2;
        return Err(usage(format!("{count} paths were given: one SRC and one DEST are taken"))
            .with_hint("run ossget once for each object"));
    }
    if destination == "-" {
        return Err(usage("DEST `-`: writing to standard output is not supported yet")
            .with_hint("name a file; one that is called `-` is ./-"));
    }
    if destination.is_empty() {
        return Err(usage("DEST is empty"));
    }
    Ok((utf8(source)?, destination))
}

fn utf8(source: &OsStr) -> Result<&str, Error> {
    source.to_str().ok_or_else(|| usage("SRC is not UTF-8, as keys of OSS are"))
}

fn object(source: &str, low: &NamingArgs) -> Result<Object, Error> {
    if source.starts_with('@') {
        return Err(usage("SRC `@FILE`: reading the source from a file is not supported yet"));
    }
    let scheme = source.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    if let Some(scheme) = scheme.filter(|scheme| OTHER_SCHEMES.contains(&scheme.as_str())) {
        let what = format!("SRC {scheme}://: only oss://bucket/key is supported yet");
        return Err(usage(what));
    }
    let object =
        if low.literal_key { Object::parse_literal(source) } else { Object::parse(source) }?;
    match &low.version_id {
        Some(id) if object.version().is_some_and(|other| other != id) => {
            Err(usage("--version-id names another version than `?versionId=` in SRC does")
                .with_hint("name one version; --literal-key if the key really ends so"))
        }
        Some(id) => object.version_id(id),
        None => Ok(object),
    }
}

pub(crate) fn client(
    identity: &IdentityArgs,
    connect_timeout: Option<Duration>,
    settings: &Settings,
) -> Result<Client, Error> {
    let Some(endpoint) = &settings.endpoint else {
        return Err(usage("there is no endpoint").with_hint(
            "give -e/--endpoint or set OSS_ENDPOINT, such as https://oss-cn-hangzhou.aliyuncs.com",
        ));
    };
    let mut builder = Client::builder(&endpoint.value, Arc::clone(&settings.credentials));
    if let Some(region) = &settings.region {
        builder = builder.region(&region.value);
    }
    if let Some(addressing) = &settings.addressing {
        builder = builder.addressing(addressing.value);
    }
    if let Some(version) = &settings.sign_version {
        builder = builder.sign_version(version.value);
    }
    if let Some(id) = &settings.cloud_box_id {
        builder = builder.cloud_box_id(&id.value);
    }
    if let Some(path) = &identity.ca_cert {
        builder = builder.ca_cert(path);
    }
    if let Some(time) = connect_timeout {
        builder = builder.connect_timeout(time);
    }
    if identity.allow_plaintext {
        builder = builder.dangerous().allow_plaintext();
    }
    builder.build()
}

/// An error that the user mends by writing the command differently.
pub(crate) fn usage(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, message.into())
}

/// What the contract promises for later; named, so that nobody takes it for a mistyped bucket.
const OTHER_SCHEMES: [&str; 6] = ["http", "https", "s3", "gs", "az", "file"];

#[cfg(test)]
mod tests;
