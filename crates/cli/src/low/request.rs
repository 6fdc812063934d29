//! What requests ask for besides the object.

use clap::Args;
use ossget::TrafficLimit;

/// What requests ask for besides the object.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Request")]
pub(crate) struct RequestArgs {
    /// Pay for the traffic of a bucket whose owner wants that of whoever asks.
    #[arg(long)]
    pub(crate) request_payer: bool,
    /// The rate in bits a second at which the service sends each answer, 819200 to 838860800.
    #[arg(long, value_name = "BITS", value_parser = traffic_limit)]
    pub(crate) traffic_limit: Option<TrafficLimit>,
    /// A header to send with every request; `If-…` only where the object is looked at.
    #[arg(long, value_name = "NAME: VALUE", value_parser = header)]
    pub(crate) header: Vec<(String, String)>,
    /// A parameter of every GET by which the service replaces a header of its answer, such as
    /// `response-cache-control=no-store`.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parameter)]
    pub(crate) query: Vec<(String, String)>,
}

/// A name and a value, which may be missing.
pub(super) fn parameter(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some(("", _)) => Err("write it as `name=value`"),
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Ok((text.to_owned(), String::new())),
    }
}

fn traffic_limit(text: &str) -> Result<TrafficLimit, String> {
    let bits = text.parse().map_err(|_| "not a number of bits a second".to_owned())?;
    TrafficLimit::bits_per_second(bits).map_err(|error| error.to_string())
}

fn header(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once(':').ok_or("write it as `Name: value`")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}
