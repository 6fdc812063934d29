//! What is asked for an object, and whom: what all commands that reach a service have in common.

use crate::environment::Environment;
use crate::hi::usage;
use crate::low::{IdentityArgs, RequestArgs};
use crate::network;
use crate::settings::Settings;
use crate::source::{Named, Source};
use ossget::{
    Anonymous, Client, ClientBuilder, CredentialsProvider, DiskWrites, Error, Object, Precondition,
};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

/// What is asked for an object, and whom.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The object.
    pub(crate) object: Object,
    /// What the service makes of it, where a URL says so.
    pub(crate) process: Option<String>,
    /// Reaches the service.
    pub(crate) client: Client,
    /// What requests are signed with.
    pub(crate) credentials: Arc<dyn CredentialsProvider>,
    /// Where the credentials come from, in words.
    pub(crate) account: String,
    /// Whether the store has credentials of its own, which only a request tries.
    pub(crate) signs_itself: bool,
    /// What the user should know although nothing is wrong with it.
    pub(crate) warnings: Vec<String>,
}

/// What bounds the exchanges; `None` leaves it to the library.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bounds {
    /// Connecting.
    pub(crate) connect: Option<Duration>,
    /// Until an answer begins: no longer than all the patience there is, but for a few seconds. `--read-timeout` is not
    /// meant: a process that was stopped meanwhile would take what waits in the kernel for silence.
    pub(crate) answer: Option<Duration>,
    /// Bytes a second in all.
    pub(crate) bandwidth: Option<NonZeroU64>,
}

impl Bounds {
    /// What the flags `--connect-timeout` and `--retry-max-time` mean for it.
    pub(crate) fn new(connect: Option<Duration>, in_all: Option<Duration>) -> Self {
        let in_all = in_all.filter(|time| *time < LIBRARYS_ANSWER);
        let answer = in_all.map(|time| time.max(SHORTEST_ANSWER));
        Self { connect, answer, bandwidth: None }
    }

    /// What `--bandwidth-limit` means for it.
    pub(crate) const fn bandwidth(self, limit: Option<NonZeroU64>) -> Self {
        Self { bandwidth: limit, ..self }
    }
}

impl Asked {
    /// Checks everything that can be checked without a request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](ossget::ErrorKind::Config) for what the user must write differently,
    /// and [`ErrorKind::Credentials`](ossget::ErrorKind::Credentials) for credentials that cannot
    /// be used.
    pub(crate) fn new(
        source: Source,
        identity: &IdentityArgs,
        request: &RequestArgs,
        bounds: Bounds,
        environment: &Environment,
    ) -> Result<Self, Error> {
        refuse_secrets(identity)?;
        let mut warnings: Vec<String> = source.warning().into_iter().collect();
        let named = source.named?;
        let object = named.object();
        let process = match &named {
            Named::Url(url) => url.process(),
            Named::Object(_) | Named::Store(_) => None,
        };
        let signs_itself = matches!(named, Named::Store(_)) && !identity.anonymous;
        let anonymous = || Arc::new(Anonymous) as Arc<dyn CredentialsProvider>;
        let (builder, credentials, account) = match named {
            // It lets in whoever has it: credentials would only be in danger.
            Named::Url(url) => (Client::of_url(url), anonymous(), Anonymous.describe()),
            // It has credentials of its own.
            Named::Store(url) => (url.client(identity)?, anonymous(), url.account(identity)),
            Named::Object(object) => {
                let settings = Settings::new(identity, environment, Some(object.bucket()))?;
                let builder = service(&settings)?;
                warnings.extend(settings.warnings);
                let account = settings.credentials.describe();
                (builder, settings.credentials, account)
            }
        };
        warnings.extend(network::warning(&identity.network));
        let builder = asking(builder, request);
        let client = connected(builder, identity, environment, bounds).build()?;
        Ok(Self { object, process, client, credentials, account, signs_itself, warnings })
    }
}

/// What there is to be known of the service.
pub(crate) fn service(settings: &Settings) -> Result<ClientBuilder, Error> {
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
    Ok(builder)
}

/// What is asked for besides the object.
fn asking(mut builder: ClientBuilder, request: &RequestArgs) -> ClientBuilder {
    if request.request_payer {
        builder = builder.requester_pays();
    }
    if let Some(limit) = request.traffic_limit {
        builder = builder.traffic_limit(limit);
    }
    for (name, value) in &request.query {
        builder = builder.response_override(name, value);
    }
    for (name, value) in &request.header {
        builder = match Precondition::from_header(name, value) {
            Some(precondition) => builder.precondition(precondition),
            None => builder.header(name, value),
        };
    }
    builder
}

/// How it is reached.
pub(crate) fn connected(
    builder: ClientBuilder,
    identity: &IdentityArgs,
    environment: &Environment,
    bounds: Bounds,
) -> ClientBuilder {
    let mut builder = builder
        .proxy(network::proxy(&identity.network, environment))
        .disk_writes(DiskWrites::Inline);
    if let Some(path) = &identity.ca_cert {
        builder = builder.ca_cert(path);
    }
    if let Some(time) = bounds.connect {
        builder = builder.connect_timeout(time);
    }
    if let Some(time) = bounds.answer {
        builder = builder.answer_timeout(time);
    }
    if let Some(limit) = bounds.bandwidth {
        builder = builder.bandwidth_limit(limit);
    }
    if identity.allow_plaintext {
        builder = builder.dangerous().allow_plaintext();
    }
    builder
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

/// An honest service under load may need so long.
const SHORTEST_ANSWER: Duration = Duration::from_secs(5);
/// What the library waits for an answer unless it is told otherwise.
const LIBRARYS_ANSWER: Duration = Duration::from_secs(30);
