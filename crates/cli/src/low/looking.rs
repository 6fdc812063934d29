//! Commands that look at an object, or let others do so.

use super::request::parameter;
use super::{GetArgs, IdentityArgs, NamingArgs, ParallelChoice, PartSizeChoice, RequestArgs};
use crate::{duration, range, size};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use ossget::{CrcPolicy, ExtentRequest, PartSize, ProcessedReading, Reading};
use std::ffi::OsString;
use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

/// What reaching an object takes.
#[derive(Debug, Args)]
pub(crate) struct ReachArgs {
    /// How long connecting may take [default: 10s].
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) connect_timeout: Option<Duration>,
    #[command(flatten)]
    pub(crate) naming: NamingArgs,
    #[command(flatten)]
    pub(crate) request: RequestArgs,
    #[command(flatten)]
    pub(crate) identity: IdentityArgs,
}

/// `ossget stat`.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub(crate) struct StatArgs {
    /// `oss://bucket/key`, a URL, or `@FILE` to read either from a file.
    #[arg(value_name = "SRC")]
    pub(crate) source: OsString,
    /// How long a service that cannot be reached is tried again [default: 1m].
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) retry_max_time: Option<Duration>,
    /// Write one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) reach: ReachArgs,
}

/// `ossget doctor`.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub(crate) struct DoctorArgs {
    /// An object that ought to be within reach: `oss://bucket/key`, a URL, or `@FILE`.
    #[arg(value_name = "SRC")]
    pub(crate) source: OsString,
    /// Write JSON Lines, one for each step.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) reach: ReachArgs,
}

/// `ossget sign`.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub(crate) struct SignArgs {
    /// `oss://bucket/key`.
    #[arg(value_name = "SRC")]
    pub(crate) source: OsString,
    /// How long the URL is of use: up to 7 days, 168h.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "15m")]
    pub(crate) expires: Duration,
    /// A parameter that the URL is to have, not encoded, such as
    /// `response-content-disposition=attachment`.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parameter)]
    pub(crate) query: Vec<(String, String)>,
    /// Write one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) naming: NamingArgs,
    /// Let whoever has the URL pay for the traffic.
    #[arg(long)]
    pub(crate) request_payer: bool,
    #[command(flatten)]
    pub(crate) identity: IdentityArgs,
}

/// `ossget cat`.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub(crate) struct CatArgs {
    /// `oss://bucket/key`, a URL, or `@FILE` to read either from a file.
    #[arg(value_name = "SRC")]
    pub(crate) source: OsString,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
    #[command(flatten)]
    pub(crate) reach: ReachArgs,
}

/// How an object is read in order.
#[derive(Debug, Args)]
#[command(next_help_heading = "Transfer")]
pub(crate) struct ReadingArgs {
    /// Bytes fetched by one request, 100KiB to 5GiB; as many times as `--parallel` says are held
    /// in memory [default: 4MiB].
    #[arg(long, value_name = "SIZE", value_parser = part_size)]
    pub(crate) part_size: Option<PartSize>,
    /// Requests at once [default: 8].
    #[arg(long, value_name = "N")]
    pub(crate) parallel: Option<NonZeroU32>,
    /// Bytes that may come in a second, all connections together [default: no limit].
    #[arg(long, value_name = "SIZE", value_parser = size::per_second)]
    pub(crate) bandwidth_limit: Option<NonZeroU64>,
    /// What the service is to make of the object first, such as `image/info` (x-oss-process): one
    /// stream that nothing can be compared with.
    #[arg(long, value_name = "STYLE", value_parser = NonEmptyStringValueParser::new(),
          conflicts_with_all = ["range", "require_crc"])]
    pub(crate) process: Option<String>,
    /// Only these bytes: START-END (END included), START-, -SUFFIX.
    #[arg(long, value_name = "RANGE", value_parser = range::parse, allow_hyphen_values = true)]
    pub(crate) range: Option<ExtentRequest>,
    /// Fail before the first byte if the service gives no CRC-64 that covers all of them.
    #[arg(long)]
    pub(crate) require_crc: bool,
    /// Attempts of one part that may fail without progress while others progress [default: 10].
    #[arg(long, value_name = "N")]
    pub(crate) retries: Option<u32>,
    /// How long it may go on without any progress [default: 10m].
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) retry_max_time: Option<Duration>,
    /// How long a connection may stay silent in the middle of a body [default: 20s].
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) read_timeout: Option<Duration>,
}

impl ReadingArgs {
    /// Those of `get` that mean the same.
    pub(crate) fn of(low: &GetArgs) -> Self {
        let transfer = &low.transfer;
        Self {
            part_size: transfer.part_size.and_then(PartSizeChoice::fixed),
            parallel: transfer.parallel.and_then(ParallelChoice::fixed),
            bandwidth_limit: transfer.bandwidth_limit,
            process: transfer.process.clone(),
            range: transfer.range,
            require_crc: low.safety.require_crc,
            retries: transfer.retries,
            retry_max_time: transfer.retry_max_time,
            read_timeout: transfer.read_timeout,
        }
    }

    /// What these flags mean for a stream of what the service makes of an object.
    pub(crate) fn apply_processed(&self, mut reading: ProcessedReading) -> ProcessedReading {
        if let Some(time) = self.retry_max_time {
            reading = reading.retry_max_time(time);
        }
        if let Some(time) = self.read_timeout {
            reading = reading.read_timeout(time);
        }
        reading
    }

    pub(crate) fn apply(&self, mut reading: Reading) -> Reading {
        if let Some(size) = self.part_size {
            reading = reading.part_size(size);
        }
        if let Some(parallel) = self.parallel {
            reading = reading.parallel(parallel);
        }
        if let Some(range) = self.range {
            reading = reading.range(range);
        }
        if self.require_crc {
            reading = reading.crc(CrcPolicy::Require);
        }
        if let Some(retries) = self.retries {
            reading = reading.retries(retries);
        }
        if let Some(time) = self.retry_max_time {
            reading = reading.retry_max_time(time);
        }
        if let Some(time) = self.read_timeout {
            reading = reading.read_timeout(time);
        }
        reading
    }
}

fn part_size(text: &str) -> Result<PartSize, String> {
    PartSize::new(size::parse(text)?).map_err(|error| error.to_string())
}
