//! What is asked for an object, and whom: what all commands that reach a service have in common.

use crate::environment::Environment;
use crate::hi::usage;
use crate::identity;
use crate::low::{AddressingStyle, IdentityArgs, RequestArgs, SignVersion};
use crate::network;
use crate::source::{Named, Source};
use ossget::{
    Addressing, Anonymous, Client, ClientBuilder, CredentialsProvider, Error, Object, Precondition,
    SignatureVersion,
};
use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

/// What is asked for an object, and whom.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The object.
    pub(crate) object: Object,
    /// Reaches the service.
    pub(crate) client: Client,
    /// What requests are signed with.
    pub(crate) credentials: Arc<dyn CredentialsProvider>,
    /// What the user should know although nothing is wrong with it.
    pub(crate) warnings: Vec<String>,
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
        connect_timeout: Option<Duration>,
        environment: &Environment,
    ) -> Result<Self, Error> {
        refuse_secrets(identity)?;
        let mut warnings: Vec<String> = source.warning().into_iter().collect();
        let named = source.named?;
        let object = named.object();
        let (builder, credentials) = match named {
            // It lets in whoever has it: credentials would only be in danger.
            Named::Url(url) => {
                (Client::of_url(url), Arc::new(Anonymous) as Arc<dyn CredentialsProvider>)
            }
            Named::Object(_) => {
                let found = identity::credentials(identity, environment)?;
                warnings.extend(found.warnings);
                (service(identity, &found.provider, environment)?, found.provider)
            }
        };
        warnings.extend(network::warning(&identity.network));
        let builder =
            asking(builder, request).proxy(network::proxy(&identity.network, environment));
        let client = connected(builder, identity, connect_timeout).build()?;
        Ok(Self { object, client, credentials, warnings })
    }
}

/// What there is to be known of the service.
fn service(
    identity: &IdentityArgs,
    credentials: &Arc<dyn CredentialsProvider>,
    environment: &Environment,
) -> Result<ClientBuilder, Error> {
    let endpoint = setting(identity.endpoint.as_ref(), "OSS_ENDPOINT", environment)?;
    let Some(endpoint) = endpoint else {
        return Err(usage("there is no endpoint").with_hint(
            "give -e/--endpoint or set OSS_ENDPOINT, such as https://oss-cn-hangzhou.aliyuncs.com",
        ));
    };
    let mut builder = Client::builder(endpoint, Arc::clone(credentials));
    if let Some(region) = setting(identity.region.as_ref(), "OSS_REGION", environment)? {
        builder = builder.region(region);
    }
    if let Some(style) = identity.addressing_style {
        builder = builder.addressing(match style {
            AddressingStyle::Virtual => Addressing::Virtual,
            AddressingStyle::Path => Addressing::Path,
            AddressingStyle::Cname => Addressing::Cname,
        });
    }
    if let Some(version) = identity.sign_version {
        builder = builder.sign_version(match version {
            SignVersion::V4 => SignatureVersion::V4,
            SignVersion::V1 => SignatureVersion::V1,
        });
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
    for (name, value) in &request.header {
        builder = match Precondition::from_header(name, value) {
            Some(precondition) => builder.precondition(precondition),
            None => builder.header(name, value),
        };
    }
    builder
}

/// How it is reached.
fn connected(
    mut builder: ClientBuilder,
    identity: &IdentityArgs,
    connect_timeout: Option<Duration>,
) -> ClientBuilder {
    if let Some(path) = &identity.ca_cert {
        builder = builder.ca_cert(path);
    }
    if let Some(time) = connect_timeout {
        builder = builder.connect_timeout(time);
    }
    if identity.allow_plaintext {
        builder = builder.dangerous().allow_plaintext();
    }
    builder
}

/// A flag, or else a variable.
fn setting(
    flag: Option<&String>,
    variable: &str,
    environment: &Environment,
) -> Result<Option<String>, Error> {
    if let Some(value) = flag {
        return Ok(Some(value.clone()));
    }
    let value = environment.get(variable).map(OsString::into_string).transpose();
    value.map_err(|_| usage(format!("the environment variable {variable} is not UTF-8")))
}

/// Secrets on the command line are visible to every user of the machine.
fn refuse_secrets(low: &IdentityArgs) -> Result<(), Error> {
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
