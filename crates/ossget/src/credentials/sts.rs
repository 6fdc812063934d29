//! Roles that are assumed at STS, the service that hands out temporary credentials.

use super::exchange::{Patience, Question, ask};
use super::{CredentialsSource, Issued, Surroundings, file, issued, uri};
use crate::error::printable;
use crate::{Error, ErrorKind};
use async_trait::async_trait;
use http::Method;
use jiff::Timestamp;
use ossget_sign::{encode_query, rpc};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A role to assume, and where.
#[derive(Clone, Debug)]
pub struct Role {
    arn: String,
    session_name: Option<String>,
    duration: Duration,
    policy: Option<String>,
    external_id: Option<String>,
    sts: Sts,
}

/// Where STS is asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Sts {
    pub(super) endpoint: Option<String>,
    pub(super) region: Option<String>,
    pub(super) network: Network,
}

/// How a host of STS is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Network {
    /// By its public address.
    #[default]
    Public,
    /// From within a VPC.
    Vpc,
}

impl Role {
    /// A role by its ARN, such as `acs:ram::1234567890123456:role/reader`.
    #[must_use]
    pub fn new(arn: impl Into<String>) -> Self {
        Self {
            arn: arn.into(),
            session_name: None,
            duration: DEFAULT_DURATION,
            policy: None,
            external_id: None,
            sts: Sts::default(),
        }
    }

    /// Under which name the session appears in logs of the account; `ossget` unless set.
    #[must_use]
    pub fn session_name(mut self, name: impl Into<String>) -> Self {
        self.session_name = Some(name.into());
        self
    }

    /// How long the credentials are to be good, in whole seconds; an hour unless set. STS refuses
    /// less than 15 minutes, and more than the role allows.
    #[must_use]
    pub const fn duration(mut self, duration: Duration) -> Self {
        self.duration = duration;
        self
    }

    /// A policy, as JSON, that takes away from what the role allows.
    #[must_use]
    pub fn policy(mut self, policy: impl Into<String>) -> Self {
        self.policy = Some(policy.into());
        self
    }

    /// The external id that the role demands of other accounts.
    #[must_use]
    pub fn external_id(mut self, id: impl Into<String>) -> Self {
        self.external_id = Some(id.into());
        self
    }

    /// The region whose host of STS is asked, such as `cn-hangzhou`.
    #[must_use]
    pub fn sts_region(mut self, region: impl Into<String>) -> Self {
        self.sts.region = Some(region.into());
        self
    }

    pub(super) fn at(mut self, sts: Sts) -> Self {
        self.sts = sts;
        self
    }

    fn session(&self) -> &str {
        self.session_name.as_deref().unwrap_or(DEFAULT_SESSION)
    }

    /// What both ways of assuming a role have in their forms.
    fn form(&self) -> Vec<(String, String)> {
        let mut form = vec![
            ("RoleArn".to_owned(), self.arn.clone()),
            ("RoleSessionName".to_owned(), self.session().to_owned()),
            ("DurationSeconds".to_owned(), self.duration.as_secs().to_string()),
        ];
        form.extend(self.policy.iter().map(|policy| ("Policy".to_owned(), policy.clone())));
        form
    }

    fn shown(&self) -> String {
        format!("role {}", printable(&*self.arn, LONGEST_SHOWN))
    }

    /// `scheme://host` of STS, by what is nearest to the role.
    fn url(&self, around: &Surroundings) -> Result<String, Error> {
        if let Some(url) = around.sts() {
            return Ok(url.to_owned());
        }
        if let Some(endpoint) = &self.sts.endpoint {
            let url = match endpoint.contains("://") {
                true => endpoint.clone(),
                false => format!("https://{endpoint}"),
            };
            return match uri::is_confidential(&url) {
                true => Ok(url.trim_end_matches('/').to_owned()),
                // Not shown: nobody knows what else it holds.
                false => Err(Error::new(ErrorKind::Config, "the endpoint of STS is not https://")),
            };
        }
        let region = match &self.sts.region {
            Some(region) => Some(region.clone()),
            None => around.variable("ALIBABA_CLOUD_STS_REGION")?,
        };
        let is_vpc = self.sts.network == Network::Vpc
            || around.says_yes("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED");
        let Some(region) = region else {
            return Ok("https://sts.aliyuncs.com".to_owned());
        };
        let is_letter =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !region.bytes().all(is_letter) {
            let region = format!("`{}`", printable(region, LONGEST_SHOWN));
            return Err(Error::config("region of STS", region, "of a-z, 0-9 and -"));
        }
        let prefix = if is_vpc { "sts-vpc" } else { "sts" };
        Ok(format!("https://{prefix}.{region}.aliyuncs.com"))
    }

    /// Sends a question to STS and reads the credentials in its answer.
    async fn assume(
        &self,
        around: &Surroundings,
        query: &[(String, String)],
        form: Vec<(String, String)>,
    ) -> Result<Issued, Error> {
        let url = self.url(around)?;
        let mut question = Question::new(Method::POST, format!("{url}/?{}", encode_query(query)));
        question.form = form;
        let transport = around.reaching()?;
        let reply = ask(&*transport, &question, PATIENCE, SERVICE).await?;
        if !reply.status.is_success() {
            let error = reply.refusal(SERVICE);
            return Err(match reply.code().as_deref() {
                Some(code) if code.starts_with("InvalidTimeStamp") => {
                    error.with_hint("set the clock of this machine")
                }
                Some(code) if code.starts_with("EntityNotExist") => {
                    error.with_hint(format!("look whether there is the {}", self.shown()))
                }
                Some(code) if code.starts_with("NoPermission") => error.with_hint(format!(
                    "allow the owner of the credentials sts:AssumeRole on the {}, and let the \
                     role trust that owner",
                    self.shown()
                )),
                _ => error,
            });
        }
        let object = reply.object(SERVICE)?;
        let credentials = object.get("Credentials").unwrap_or(&Value::Null);
        issued::read(credentials, "the answer of STS", reply.now())
    }
}

/// A role assumed with other credentials, by `AssumeRole` of STS.
#[derive(Clone, Debug)]
pub struct AssumeRole {
    base: Arc<dyn CredentialsSource>,
    role: Role,
    surroundings: Surroundings,
}

impl AssumeRole {
    /// Assumes `role` with the credentials of `base`, which is asked anew each time.
    #[must_use]
    pub fn new(base: Arc<dyn CredentialsSource>, role: Role, surroundings: Surroundings) -> Self {
        Self { base, role, surroundings }
    }
}

#[async_trait]
impl CredentialsSource for AssumeRole {
    async fn issue(&self) -> Result<Issued, Error> {
        let base = self.base.issue().await?;
        let mut form = self.role.form();
        let external_id = self.role.external_id.iter();
        form.extend(external_id.map(|id| ("ExternalId".to_owned(), id.clone())));
        let mut query = common("AssumeRole")?;
        query.push(("SignatureNonce".to_owned(), nonce()?));
        query.extend(rpc::sign(&Method::POST, &query, &form, base.credentials()));
        self.role.assume(&self.surroundings, &query, form).await
    }

    fn describe(&self) -> String {
        format!("{}, assumed with: {}", self.role.shown(), self.base.describe())
    }
}

/// A role assumed with the token of an OpenID Connect provider, by `AssumeRoleWithOIDC` of STS: RAM
/// roles for service accounts (RRSA) of Kubernetes, and CI services.
#[derive(Clone, Debug)]
pub struct OidcRole {
    role: Role,
    provider_arn: String,
    token_file: PathBuf,
    surroundings: Surroundings,
}

impl OidcRole {
    /// Assumes `role` with the token in a file, which is read anew each time: it is replaced before
    /// it ends.
    #[must_use]
    pub fn new(
        role: Role,
        provider_arn: impl Into<String>,
        token_file: impl Into<PathBuf>,
        surroundings: Surroundings,
    ) -> Self {
        let (provider_arn, token_file) = (provider_arn.into(), token_file.into());
        Self { role, provider_arn, token_file, surroundings }
    }

    /// As the variables say that Alibaba Cloud's container service sets: `ALIBABA_CLOUD_ROLE_ARN`,
    /// `ALIBABA_CLOUD_OIDC_PROVIDER_ARN` and `ALIBABA_CLOUD_OIDC_TOKEN_FILE`, and, if it is set,
    /// `ALIBABA_CLOUD_ROLE_SESSION_NAME`. `None` unless all three are set.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for a variable that is not UTF-8.
    pub fn of_variables(surroundings: &Surroundings) -> Result<Option<Self>, Error> {
        let variable = |name| surroundings.variable(name);
        let (Some(arn), Some(provider), Some(file)) = (
            variable("ALIBABA_CLOUD_ROLE_ARN")?,
            variable("ALIBABA_CLOUD_OIDC_PROVIDER_ARN")?,
            variable("ALIBABA_CLOUD_OIDC_TOKEN_FILE")?,
        ) else {
            return Ok(None);
        };
        let mut role = Role::new(arn);
        role.session_name = variable("ALIBABA_CLOUD_ROLE_SESSION_NAME")?;
        Ok(Some(Self::new(role, provider, file, surroundings.clone())))
    }
}

#[async_trait]
impl CredentialsSource for OidcRole {
    async fn issue(&self) -> Result<Issued, Error> {
        let Some(token) = file::read(&self.token_file)? else {
            let message = format!("there is no file {}", self.token_file.display());
            return Err(Error::new(ErrorKind::Credentials, message).with_hint(
                "mount the token of the service account, or unset the variables of OIDC",
            ));
        };
        let token = token.trim();
        if token.is_empty() {
            let message = format!("{} is empty", self.token_file.display());
            return Err(Error::new(ErrorKind::Credentials, message));
        }
        let mut form = self.role.form();
        form.push(("OIDCProviderArn".to_owned(), self.provider_arn.clone()));
        form.push(("OIDCToken".to_owned(), token.to_owned()));
        self.role.assume(&self.surroundings, &common("AssumeRoleWithOIDC")?, form).await
    }

    fn describe(&self) -> String {
        format!("{}, assumed with the token in {}", self.role.shown(), self.token_file.display())
    }
}

fn common(action: &str) -> Result<Vec<(String, String)>, Error> {
    let now = Timestamp::try_from(SystemTime::now())
        .map_err(|_| Error::new(ErrorKind::Config, "the clock of this machine is unusable"))?;
    let now = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let pairs =
        [("Action", action), ("Format", "JSON"), ("Version", "2015-04-01"), ("Timestamp", &now)];
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec())
}

/// What makes each request another one: 128 random bits.
fn nonce() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::new(ErrorKind::Internal, "there is no randomness").with_source(error)
    })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

const SERVICE: &str = "STS";
const DEFAULT_DURATION: Duration = Duration::from_secs(3600);
const DEFAULT_SESSION: &str = "ossget";
const LONGEST_SHOWN: usize = 200;

/// As Alibaba Cloud's credentials libraries.
const PATIENCE: Patience =
    Patience { connect: Duration::from_secs(5), answer: Duration::from_secs(10) };

#[cfg(test)]
mod tests {
    use super::*;

    fn url(role: Role, variables: &'static [(&'static str, &'static str)]) -> String {
        let around = Surroundings::with_lookup(move |name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        });
        role.url(&around).unwrap()
    }

    #[test]
    fn the_host_of_sts_is_the_nearest_that_is_named() {
        let role = || Role::new("arn");
        let vpc = |region: Option<&str>| {
            let region = region.map(str::to_owned);
            role().at(Sts { endpoint: None, region, network: Network::Vpc })
        };
        assert_eq!(url(role(), &[]), "https://sts.aliyuncs.com");
        let in_region = role().sts_region("cn-beijing");
        assert_eq!(url(in_region, &[]), "https://sts.cn-beijing.aliyuncs.com");
        let region = &[("ALIBABA_CLOUD_STS_REGION", "cn-hongkong")];
        assert_eq!(url(role(), region), "https://sts.cn-hongkong.aliyuncs.com");
        assert_eq!(url(vpc(Some("cn-beijing")), &[]), "https://sts-vpc.cn-beijing.aliyuncs.com");
        // There is none without a region.
        assert_eq!(url(vpc(None), &[]), "https://sts.aliyuncs.com");
        let named = Sts { endpoint: Some("sts.example.com".into()), ..Sts::default() };
        assert_eq!(url(role().at(named), region), "https://sts.example.com");
    }

    #[test]
    fn an_unencrypted_host_of_sts_is_refused_unless_it_is_this_machine() {
        let around = Surroundings::with_lookup(|_| None);
        let url = |endpoint: &str| {
            let sts = Sts { endpoint: Some(endpoint.to_owned()), ..Sts::default() };
            Role::new("arn").at(sts).url(&around)
        };
        assert_eq!(url("http://127.0.0.1:8/").unwrap(), "http://127.0.0.1:8");
        assert_eq!(url("https://sts.example.com").unwrap(), "https://sts.example.com");
        for refused in ["http://sts.example.com/canary", "ftp://127.0.0.1", "http://"] {
            let error = url(refused).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{refused}");
            assert!(!format!("{error:?}").contains("canary"));
        }
    }

    #[test]
    fn a_region_that_would_lead_elsewhere_is_refused() {
        let role = Role::new("arn").sts_region("evil.example/");
        let around = Surroundings::with_lookup(|_| None);
        assert_eq!(role.url(&around).unwrap_err().kind(), ErrorKind::Config);
    }
}
