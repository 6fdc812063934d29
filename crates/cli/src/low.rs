//! What the user typed: the grammar of the command line, and nothing else. No file, no
//! environment variable and no terminal is looked at here; [`HiArgs`](crate::hi::HiArgs) does.

mod choices;
mod config;
mod looking;
mod network;
mod request;

pub(crate) use choices::{
    AddressingStyle, ChangeAction, ColorChoice, DirectIoChoice, DurabilityLevel, ParallelChoice,
    PartSizeChoice, ResumeMode, SignVersion, VerifyMode, Withheld,
};
pub(crate) use config::{ConfigAction, ConfigArgs, ProfileArgs};
pub(crate) use looking::{CatArgs, DoctorArgs, ReadingArgs, SignArgs, StatArgs};
pub(crate) use network::NetworkArgs;
pub(crate) use request::RequestArgs;

use crate::{duration, range, size};
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand};
use ossget::{Checksum, ExtentRequest, PartSize};
use std::convert::Infallible;
use std::ffi::OsString;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

/// Resumable, parallel, verified downloads from Alibaba Cloud OSS.
///
/// Run an interrupted command again and it goes on where it stopped.
#[derive(Debug, Parser)]
#[command(name = "ossget", version, arg_required_else_help = true)]
#[command(after_help = "`ossget oss://bucket/key ./file` is short for `ossget get`.")]
pub(crate) struct LowArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Download an object.
    #[command(visible_alias = "cp")]
    Get(Box<GetArgs>),
    /// Compare a local file with an object.
    Verify(Box<VerifyArgs>),
    /// Write an object to standard output, fetched in parallel and verified at its end.
    Cat(Box<CatArgs>),
    /// Show what the service says of an object.
    Stat(Box<StatArgs>),
    /// Try, step by step, what a download of an object needs.
    Doctor(Box<DoctorArgs>),
    /// Make a URL by which others can read an object for some time.
    Sign(Box<SignArgs>),
    /// Look at what unfinished downloads have left, and remove it.
    Checkpoint {
        /// What to do with it.
        #[command(subcommand)]
        action: CheckpointAction,
    },
    /// Look at the settings and credentials that apply.
    Config {
        /// What to do with them.
        #[command(subcommand)]
        action: ConfigAction,
    },
}

/// What to do with a checkpoint.
#[derive(Debug, Subcommand)]
pub(crate) enum CheckpointAction {
    /// List what unfinished downloads have left in a directory.
    Ls(ListArgs),
    /// Show how far an unfinished download is.
    Show(ShowArgs),
    /// Remove what an unfinished download has left: its checkpoint and its partial file.
    Rm(RemoveArgs),
    /// Remove from a directory what no download can ever use, and say what stays.
    Clean(CleanArgs),
}

/// `ossget checkpoint ls`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// A directory of destinations, or one of checkpoints [default: this one].
    #[arg(value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Write JSON Lines, one for each.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `ossget checkpoint rm`.
#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    /// The file that was to be downloaded. What is there under this name stays.
    #[arg(value_name = "DEST")]
    pub(crate) destination: PathBuf,
    /// Where the checkpoint lies [default: beside the file].
    #[arg(long, value_name = "DIR")]
    pub(crate) checkpoint_dir: Option<PathBuf>,
    /// Write one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `ossget checkpoint clean`.
#[derive(Debug, Args)]
pub(crate) struct CleanArgs {
    /// A directory of destinations, or one of checkpoints [default: this one].
    #[arg(value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Where the checkpoints lie of downloads to DIR that had this flag, too: partial files that
    /// none of them names are removed.
    #[arg(long, value_name = "DIR")]
    pub(crate) checkpoint_dir: Option<PathBuf>,
    /// Write JSON Lines, one for each file.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `ossget verify`.
#[derive(Debug, Args)]
#[command(args_override_self = true, override_usage = "ossget verify [OPTIONS] <FILE> <SRC>")]
pub(crate) struct VerifyArgs {
    /// The local file.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// `oss://bucket/key`, as for `get`.
    #[arg(value_name = "SRC")]
    pub(crate) source: OsString,
    /// A digest that the file must have, besides the object's own CRC-64.
    #[arg(long, value_name = "ALGORITHM:HEX", value_parser = Checksum::from_str)]
    pub(crate) checksum: Option<Checksum>,
    /// How long a service that cannot be reached is tried again [default: 10m].
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) retry_max_time: Option<Duration>,
    /// How long connecting may take [default: 10s].
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) connect_timeout: Option<Duration>,
    /// Write one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    /// Show errors only.
    #[arg(short = 'q', long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) naming: NamingArgs,
    #[command(flatten)]
    pub(crate) request: RequestArgs,
    #[command(flatten)]
    pub(crate) identity: IdentityArgs,
}

/// What SRC means.
#[derive(Debug, Args)]
#[command(next_help_heading = "Object")]
pub(crate) struct NamingArgs {
    /// The version of the object.
    #[arg(long, value_name = "ID")]
    pub(crate) version_id: Option<String>,
    /// The key really ends in `?versionId=…`: take all of it for the key.
    #[arg(long)]
    pub(crate) literal_key: bool,
}

/// `ossget checkpoint show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The file that is being downloaded, or its checkpoint.
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// Where the checkpoint lies [default: beside the file].
    #[arg(long, value_name = "DIR")]
    pub(crate) checkpoint_dir: Option<PathBuf>,
    /// Write one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `ossget get`.
#[derive(Debug, Args)]
#[command(args_override_self = true, override_usage = "ossget get [OPTIONS] <SRC> <DEST>")]
pub(crate) struct GetArgs {
    /// `oss://bucket/key`, the key as it is, with `?versionId=ID` behind it for a certain version;
    /// an `https://` URL, public or presigned; `s3://`, `gs://`, `az://` or `file://` in builds that have
    /// them; `@FILE` or `@-` to read any of these from there.
    #[arg(value_name = "SRC")]
    pub(crate) source: OsString,
    /// A file, or a directory, existing or ending in `/` and then made, which receives the last
    /// component of the key.
    #[arg(value_name = "DEST")]
    pub(crate) destination: OsString,
    // Taken in, so that too many sources are counted and not printed by the parser: they may hold
    // signatures.
    #[arg(hide = true)]
    pub(crate) more: Vec<OsString>,
    #[command(flatten)]
    pub(crate) naming: NamingArgs,
    #[command(flatten)]
    pub(crate) identity: IdentityArgs,
    #[command(flatten)]
    pub(crate) request: RequestArgs,
    #[command(flatten)]
    pub(crate) transfer: TransferArgs,
    #[command(flatten)]
    pub(crate) safety: SafetyArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Who asks, and where.
#[derive(Debug, Args)]
#[command(next_help_heading = "Endpoint and identity")]
pub(crate) struct IdentityArgs {
    /// The endpoint, such as https://oss-cn-hangzhou.aliyuncs.com [env: OSS_ENDPOINT].
    #[arg(short = 'e', long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// The region to sign for [env: OSS_REGION] [default: as the endpoint names it].
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// The access key id [env: OSS_ACCESS_KEY_ID, then ALIBABA_CLOUD_ACCESS_KEY_ID].
    #[arg(short = 'i', long, value_name = "ID")]
    pub(crate) access_key_id: Option<String>,
    /// A file with the access key secret [env: OSS_ACCESS_KEY_SECRET, then
    /// ALIBABA_CLOUD_ACCESS_KEY_SECRET].
    #[arg(long, value_name = "FILE")]
    pub(crate) access_key_secret_file: Option<PathBuf>,
    /// A file with the security token [env: OSS_SESSION_TOKEN, then ALIBABA_CLOUD_SECURITY_TOKEN].
    #[arg(long, value_name = "FILE")]
    pub(crate) sts_token_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) profile: ProfileArgs,
    /// Sign nothing, as for a public bucket.
    #[arg(long, conflicts_with_all = ["access_key_id", "access_key_secret_file", "sts_token_file"])]
    pub(crate) anonymous: bool,
    /// The version of the signature [default: v4].
    #[arg(long, value_name = "VERSION", value_enum)]
    pub(crate) sign_version: Option<SignVersion>,
    /// Where the bucket's name goes [default: virtual; path for an IP address and localhost].
    #[arg(long, value_name = "STYLE", value_enum)]
    pub(crate) addressing_style: Option<AddressingStyle>,
    /// Certificates (PEM) to trust besides the system's.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_cert: Option<PathBuf>,
    /// Allow credentials over http:// to other hosts than this one.
    #[arg(long)]
    pub(crate) allow_plaintext: bool,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// Recognised in order to be refused.
    #[arg(short = 'k', long, hide = true, num_args = 0..=1, default_missing_value = "",
          allow_hyphen_values = true, value_parser = withheld)]
    pub(crate) access_key_secret: Option<Withheld>,
    /// Recognised in order to be refused.
    #[arg(short = 't', long, hide = true, num_args = 0..=1, default_missing_value = "",
          allow_hyphen_values = true, value_parser = withheld)]
    pub(crate) sts_token: Option<Withheld>,
}

/// What is fetched, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Transfer")]
pub(crate) struct TransferArgs {
    /// Bytes per part, 100KiB to 5GiB, or auto: 1MiB up to an object of 1GiB, 8MiB above 7GiB, and
    /// more where that would be over 100,000 parts.
    #[arg(long, value_name = "SIZE|auto", value_parser = part_size)]
    pub(crate) part_size: Option<PartSizeChoice>,
    /// Ranges in flight, or auto: as many as pay, found by trial, 32 at most [default: auto].
    #[arg(long, value_name = "N|auto", value_parser = parallel)]
    pub(crate) parallel: Option<ParallelChoice>,
    /// Bytes that may come in a second, all connections together [default: no limit].
    #[arg(long, value_name = "SIZE", value_parser = size::per_second)]
    pub(crate) bandwidth_limit: Option<NonZeroU64>,
    /// Attempts of one range that may fail without progress while others progress [default: 10].
    #[arg(long, value_name = "N")]
    pub(crate) retries: Option<u32>,
    /// How long the run may go on without any progress [default: 10m].
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) retry_max_time: Option<Duration>,
    /// How long connecting may take [default: 10s].
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) connect_timeout: Option<Duration>,
    /// How long a connection may stay silent [default: 20s].
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) read_timeout: Option<Duration>,
    /// Give a connection up that stays below so many bytes a second for --low-speed-time while
    /// others do ten times better; 0 gives none up [default: 10KiB].
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) low_speed_limit: Option<u64>,
    /// How long a connection may stay below --low-speed-limit [default: 30s].
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) low_speed_time: Option<Duration>,
    /// What the service is to make of the object first, such as `image/resize,w_100`
    /// (x-oss-process): one stream that cannot be resumed nor compared with a CRC-64.
    #[arg(long, value_name = "STYLE", value_parser = NonEmptyStringValueParser::new(),
          conflicts_with_all = ["range", "resume", "require_crc"])]
    pub(crate) process: Option<String>,
    /// Only these bytes: START-END (both included), START- or -SUFFIX.
    #[arg(long, value_name = "RANGE", allow_hyphen_values = true, value_parser = range::parse)]
    pub(crate) range: Option<ExtentRequest>,
}

/// What may be kept, replaced or trusted.
#[derive(Debug, Args)]
#[command(next_help_heading = "Resume and safety")]
pub(crate) struct SafetyArgs {
    /// Where the checkpoint lies [default: beside DEST].
    #[arg(long, value_name = "DIR")]
    pub(crate) checkpoint_dir: Option<PathBuf>,
    /// Neither read nor write a checkpoint.
    #[arg(long, conflicts_with_all = ["restart", "resume"])]
    pub(crate) no_resume: bool,
    /// Drop an old checkpoint first.
    #[arg(long, conflicts_with = "resume")]
    pub(crate) restart: bool,
    /// Go on from a checkpoint if there is a usable one, or fail without one [default: auto].
    #[arg(long, value_name = "MODE", value_enum)]
    pub(crate) resume: Option<ResumeMode>,
    /// Read back and hash all that was kept, or trust it where the file looks right
    /// [default: full].
    #[arg(long, value_name = "MODE", value_enum)]
    pub(crate) resume_verify: Option<VerifyMode>,
    /// What the download survives: a power cut, the end of the process, or nothing
    /// [default: full].
    #[arg(long, value_name = "LEVEL", value_enum)]
    pub(crate) durability: Option<DurabilityLevel>,
    /// Write past the system's page cache [default: auto].
    #[arg(long, value_name = "WHEN", value_enum)]
    pub(crate) direct_io: Option<DirectIoChoice>,
    /// Fail where the service gives no CRC-64 to compare with.
    #[arg(long)]
    pub(crate) require_crc: bool,
    /// A digest that the file must have, besides the object's own CRC-64: crc64:HEX, md5:HEX or
    /// sha256:HEX.
    #[arg(long, value_name = "ALGORITHM:HEX", value_parser = Checksum::from_str)]
    pub(crate) checksum: Option<Checksum>,
    /// Wait so long for another run that holds DEST [default: not at all].
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) wait_lock: Option<Duration>,
    /// Fail where DEST exists.
    #[arg(long)]
    pub(crate) no_clobber: bool,
    /// What to do when the object changes during the download: start over once, or fail
    /// [default: restart].
    #[arg(long, value_name = "ACTION", value_enum)]
    pub(crate) on_change: Option<ChangeAction>,
    /// Where DEST is a symbolic link, write to what it leads to.
    #[arg(long)]
    pub(crate) follow_symlink: bool,
}

/// What is told, and where.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Show no progress.
    #[arg(long)]
    pub(crate) no_progress: bool,
    /// Show errors only.
    #[arg(short = 'q', long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Show retries; twice: connections too.
    #[arg(short = 'v', long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Colour in messages [default: auto; NO_COLOR in the environment turns it off].
    #[arg(long, value_name = "WHEN", value_enum)]
    pub(crate) color: Option<ColorChoice>,
    /// Write JSON Lines to standard output.
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the same JSON Lines to a file.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

impl LowArgs {
    /// Parses the arguments of the process, its own name first.
    ///
    /// # Errors
    ///
    /// The parser's: a usage error, or the help or version that was asked for.
    pub(crate) fn parse_arguments(
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, clap::Error> {
        Self::try_parse_from(with_implied_get(arguments.into_iter().collect()))
    }
}

/// Inserts `get` where the first argument is a source or one of its flags.
fn with_implied_get(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let first = arguments.get(1).map(|first| first.to_string_lossy());
    let implied = first.is_some_and(|first| {
        first.contains("://") || (first.starts_with('-') && !ABOUT_ITSELF.contains(&first.as_ref()))
    });
    if implied {
        arguments.insert(1, OsString::from("get"));
    }
    arguments
}

fn withheld(_: &str) -> Result<Withheld, Infallible> {
    Ok(Withheld)
}

fn part_size(text: &str) -> Result<PartSizeChoice, String> {
    if text == AUTO {
        return Ok(PartSizeChoice::Auto);
    }
    let bytes = size::parse(text)?;
    PartSize::new(bytes).map(PartSizeChoice::Fixed).map_err(|error| error.to_string())
}

fn parallel(text: &str) -> Result<ParallelChoice, String> {
    if text == AUTO {
        return Ok(ParallelChoice::Auto);
    }
    text.parse().map(ParallelChoice::Fixed).map_err(|_| "write auto, or a number from 1".to_owned())
}

const AUTO: &str = "auto";
const ABOUT_ITSELF: [&str; 4] = ["-h", "--help", "-V", "--version"];

#[cfg(test)]
mod tests;
