//! What the user typed about profiles, and for `ossget config`.

use super::IdentityArgs;
use clap::{Args, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigAction {
    /// Show which settings and credentials apply and where each comes from, never a secret.
    Show(Box<ConfigArgs>),
    /// Check the settings and get the credentials once.
    Check(Box<ConfigArgs>),
}

/// `ossget config show` and `check`.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub(crate) struct ConfigArgs {
    /// `oss://bucket`, for the settings that are of this bucket only.
    #[arg(value_name = "SRC")]
    pub(crate) source: Option<OsString>,
    #[command(flatten)]
    pub(crate) identity: IdentityArgs,
    /// Write one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which profile, and what goes with it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Endpoint and identity")]
pub(crate) struct ProfileArgs {
    /// The profile in ~/.ossutilconfig, ~/.aliyun/config.json or ~/.alibabacloud/credentials
    /// [env: OSS_PROFILE] [default: the one that the file prefers].
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// The only file to look for a profile in [env: OSS_CONFIG_FILE].
    #[arg(short = 'c', long, value_name = "FILE")]
    pub(crate) config_file: Option<PathBuf>,
    /// The id of the Cloud Box to sign for [default: as the endpoint names it].
    #[arg(long, value_name = "ID")]
    pub(crate) cloud_box_id: Option<String>,
}
