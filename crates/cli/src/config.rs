//! `ossget config`: which settings and credentials apply.

use crate::asked::{Bounds, connected, refuse_secrets, service};
use crate::environment::Environment;
use crate::exit;
use crate::hi::usage;
use crate::low::{ConfigAction, ConfigArgs, OutputArgs};
use crate::output::{Failed, Screen, json_line, print, shown, whole_message};
use crate::runtime::{Waits, runtime};
use crate::settings::{Settings, Sourced};
use ossget::{Addressing, Endpoint, Error, SignatureVersion};
use serde::Serialize;
use std::fmt::Write as _;

/// Runs the command and returns its exit code.
pub(crate) fn run(action: &ConfigAction, environment: &Environment) -> u8 {
    let (low, outcome) = match action {
        ConfigAction::Show(low) => (low, show(low, environment)),
        ConfigAction::Check(low) => (low, check(low, environment)),
    };
    let mut screen = Screen::on_stderr(&OutputArgs::default(), environment);
    let (report, error) = match outcome {
        Ok(report) => {
            let error = print(&if low.json { json_line(&report) } else { report.text() }).err();
            (Some(report), error)
        }
        Err(error) => (None, Some(error)),
    };
    for warning in report.iter().flat_map(|report| &report.warnings).filter(|_| !low.json) {
        screen.warn(warning);
    }
    let Some(error) = error else {
        return exit::DONE;
    };
    let exit_code = exit::code(error.kind(), None);
    if low.json && report.is_none() {
        // Nobody is left to tell when this fails, too.
        drop(print(&json_line(&Refused::of(&error, exit_code))));
    }
    screen.failure(&Failed { error, kept: None, exit_code }, "the configuration");
    exit_code
}

/// What applies, without asking anybody.
fn show(low: &ConfigArgs, environment: &Environment) -> Result<Report, Error> {
    let settings = settings(low, environment)?;
    Report::of(&settings)
}

/// What applies, all of it checked, and the credentials asked for once.
fn check(low: &ConfigArgs, environment: &Environment) -> Result<Report, Error> {
    let settings = settings(low, environment)?;
    let mut report = Report::of(&settings)?;
    connected(service(&settings)?, &low.identity, environment, Bounds::default()).build()?;
    let runtime = runtime(Waits::Never)?;
    let credentials = runtime.block_on(settings.credentials.credentials());
    runtime.shutdown_background();
    report.obtained = Some(match credentials? {
        None => "none",
        Some(credentials) if credentials.token().is_some() => "temporary",
        Some(_) => "long-lived",
    });
    Ok(report)
}

fn settings(low: &ConfigArgs, environment: &Environment) -> Result<Settings, Error> {
    refuse_secrets(&low.identity)?;
    let source = low.source.as_ref().map(|source| source.to_string_lossy());
    let bucket = match &source {
        Some(source) => Some(bucket(source)?),
        None => None,
    };
    Settings::new(&low.identity, environment, bucket)
}

/// The bucket of `oss://bucket/…`.
fn bucket(source: &str) -> Result<&str, Error> {
    let rest = source.strip_prefix("oss://");
    let bucket = rest.map(|rest| rest.split('/').next().unwrap_or_default());
    bucket.filter(|bucket| !bucket.is_empty()).ok_or_else(|| {
        usage("SRC names no bucket").with_hint("write oss://bucket, or leave it out")
    })
}

/// What `--json` writes.
#[derive(Debug, Serialize)]
struct Report {
    v: u8,
    endpoint: Option<Item>,
    region: Option<Item>,
    addressing_style: Option<Item>,
    sign_version: Option<Item>,
    cloud_box_id: Option<Item>,
    profile: Option<String>,
    config_file: Option<String>,
    /// Where they come from.
    credentials: String,
    /// What came when they were asked for; null where they were not.
    obtained: Option<&'static str>,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Item {
    value: String,
    source: String,
}

impl Report {
    fn of(settings: &Settings) -> Result<Self, Error> {
        let endpoint = match &settings.endpoint {
            // What is no endpoint may be a secret, which the parser does not repeat.
            Some(endpoint) => Some((endpoint, Endpoint::parse(&endpoint.value)?)),
            None => None,
        };
        let inferred = endpoint.as_ref().and_then(|(_, endpoint)| endpoint.region());
        let inferred = inferred.map(|region| Item::new(region, "the endpoint"));
        let style = |style: Addressing| match style {
            Addressing::Path => "path",
            Addressing::Cname => "cname",
            _ => "virtual",
        };
        let by_default = match &endpoint {
            Some((_, endpoint)) => Some(Item::new(style(endpoint.addressing(None)?), DEFAULT)),
            None => None,
        };
        let version = |version: SignatureVersion| match version {
            SignatureVersion::V4 => "v4",
            SignatureVersion::V1 => "v1",
        };
        let boxed = endpoint.as_ref().and_then(|(_, endpoint)| endpoint.cloud_box_id());
        let boxed = boxed.map(|id| Item::new(id, "the endpoint"));
        let text = |sourced: &Option<Sourced<String>>| {
            sourced.as_ref().map(|it| Item::new(&it.value, &it.origin))
        };
        let addressing = settings.addressing.as_ref();
        let signed = settings.sign_version.as_ref();
        let profile = settings.profile.as_ref();
        Ok(Self {
            v: 1,
            endpoint: endpoint
                .as_ref()
                .map(|(sourced, endpoint)| Item::new(&endpoint.to_string(), &sourced.origin)),
            region: text(&settings.region).or(inferred),
            addressing_style: addressing
                .map(|it| Item::new(style(it.value), &it.origin))
                .or(by_default),
            sign_version: signed
                .map(|it| Item::new(version(it.value), &it.origin))
                .or_else(|| Some(Item::new("v4", DEFAULT))),
            cloud_box_id: text(&settings.cloud_box_id).or(boxed),
            profile: profile.map(|profile| shown(profile.name())),
            config_file: profile.map(|profile| profile.path().display().to_string()),
            credentials: settings.credentials.describe(),
            obtained: None,
            warnings: settings.warnings.clone(),
        })
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let mut row = |name: &str, value: &str| {
            let name = format!("{name}:");
            _ = writeln!(text, "{name:<18}{}", shown(value));
        };
        let items = [
            ("endpoint", &self.endpoint),
            ("region", &self.region),
            ("addressing style", &self.addressing_style),
            ("sign version", &self.sign_version),
            ("cloud box id", &self.cloud_box_id),
        ];
        for (name, item) in items {
            match item {
                Some(Item { value, source }) => row(name, &format!("{value} ({source})")),
                None if name == "cloud box id" => {}
                None => row(name, "none"),
            }
        }
        if let (Some(profile), Some(file)) = (&self.profile, &self.config_file) {
            row("profile", &format!("{profile} in {file}"));
        }
        row("credentials", &self.credentials);
        if let Some(obtained) = self.obtained {
            row("obtained", obtained);
        }
        text
    }
}

impl Item {
    fn new(value: &str, source: &str) -> Self {
        Self { value: shown(value), source: shown(source) }
    }
}

/// What `--json` writes where nothing can be told.
#[derive(Debug, Serialize)]
struct Refused {
    v: u8,
    kind: String,
    message: String,
    exit_code: u8,
}

impl Refused {
    fn of(error: &Error, exit_code: u8) -> Self {
        Self { v: 1, kind: exit::name(error.kind()), message: whole_message(error), exit_code }
    }
}

const DEFAULT: &str = "default";
