//! The role of an ECS instance, by the instance's metadata.

use super::exchange::{Patience, Question, Reply, ask, never_arrived};
use super::{CredentialsSource, Issued, Surroundings, issued};
use crate::error::printable;
use crate::{Error, ErrorKind};
use async_trait::async_trait;
use http::Method;
use ossget_sign::encode_path;
use ossget_transport::Transport;
use serde_json::Value;
use std::time::Duration;

/// The role of the ECS instance that this program runs on.
///
/// Asked in the hardened mode, with a token that a `PUT` gives; where the instance answers that
/// with a refusal, in the normal mode, unless `ALIBABA_CLOUD_IMDSV1_DISABLED` is `true`. With
/// `ALIBABA_CLOUD_ECS_METADATA_DISABLED=true` it is not asked at all. No proxy is ever used, and
/// no answer is waited for longer than a second.
#[derive(Clone, Debug)]
pub struct EcsRole {
    role: Option<String>,
    surroundings: Surroundings,
}

impl EcsRole {
    /// The role that the instance names.
    #[must_use]
    pub const fn new(surroundings: Surroundings) -> Self {
        Self { role: None, surroundings }
    }

    /// This role, without asking for its name.
    #[must_use]
    pub fn role(mut self, name: impl Into<String>) -> Self {
        self.role = Some(name.into());
        self
    }

    /// The token of the hardened mode; `None` where the instance has only the normal one.
    async fn token(&self, transport: &dyn Transport) -> Result<Option<String>, Error> {
        let mut question = Question::new(Method::PUT, self.url(TOKEN_PATH));
        question.headers.push((TOKEN_TTL_HEADER, TOKEN_TTL.to_owned()));
        let normal_mode = |error: Error| match self.surroundings.says_yes(NORMAL_MODE_DISABLED) {
            true => Err(error.with_hint(format!(
                "switch the hardened mode of the instance's metadata on, or unset \
                     {NORMAL_MODE_DISABLED}"
            ))),
            false => Ok(None),
        };
        let reply = match ask(transport, &question, PATIENCE, SERVICE).await {
            Ok(reply) => reply,
            // Where nothing is, the next request would only wait once more.
            Err(error) if never_arrived(&error) => return Err(error),
            Err(error) => return normal_mode(error),
        };
        let text = String::from_utf8_lossy(&reply.body).trim().to_owned();
        let is_token = text.chars().all(|character| character.is_ascii_graphic());
        match reply.status.is_success() && is_token && !text.is_empty() {
            true => Ok(Some(text)),
            false => normal_mode(reply.refusal(SERVICE)),
        }
    }

    async fn get(
        &self,
        transport: &dyn Transport,
        path: &str,
        token: Option<&str>,
    ) -> Result<Reply, Error> {
        let mut question = Question::get(self.url(path));
        question.headers.extend(token.map(|token| (TOKEN_HEADER, token.to_owned())));
        ask(transport, &question, PATIENCE, SERVICE).await
    }

    /// The name of the instance's role.
    async fn found(&self, transport: &dyn Transport, token: Option<&str>) -> Result<String, Error> {
        let reply = self.get(transport, ROLE_PATH, token).await?;
        if reply.status == http::StatusCode::NOT_FOUND {
            return Err(Error::new(ErrorKind::Credentials, "the ECS instance has no RAM role")
                .with_hint("attach a RAM role to the instance"));
        }
        if !reply.status.is_success() {
            return Err(reply.refusal(SERVICE));
        }
        let name = String::from_utf8_lossy(&reply.body).trim().to_owned();
        let is_name = |character: char| character.is_ascii_graphic() && character != '/';
        match !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(is_name) {
            true => Ok(name),
            false => {
                let message = format!("what {SERVICE} answers is no name of a role");
                Err(Error::new(ErrorKind::Credentials, message))
            }
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.surroundings.metadata())
    }
}

#[async_trait]
impl CredentialsSource for EcsRole {
    async fn issue(&self) -> Result<Issued, Error> {
        if self.surroundings.says_yes(DISABLED) {
            let message = format!("{DISABLED} forbids to ask for the role of the ECS instance");
            return Err(Error::new(ErrorKind::Credentials, message));
        }
        let transport = self.surroundings.reaching_directly()?;
        let token = self.token(&*transport).await?;
        let role = match &self.role {
            Some(role) => role.clone(),
            None => self.found(&*transport, token.as_deref()).await?,
        };
        let path = format!("{ROLE_PATH}{}", encode_path(&role));
        let reply = self.get(&*transport, &path, token.as_deref()).await?;
        if reply.status == http::StatusCode::NOT_FOUND {
            let role = printable(&*role, LONGEST_NAME);
            let message = format!("the ECS instance has no RAM role `{role}`");
            return Err(Error::new(ErrorKind::Credentials, message)
                .with_hint("leave the name of the role out, or write it as the instance has it"));
        }
        success(&reply, SERVICE)
    }

    fn describe(&self) -> String {
        match &self.role {
            Some(role) => {
                format!("RAM role {} of the ECS instance", printable(&**role, LONGEST_NAME))
            }
            None => "RAM role of the ECS instance".to_owned(),
        }
    }
}

/// Reads an answer in the form of the metadata: a `Code`, if there is one, must be `Success`.
pub(super) fn success(reply: &Reply, service: &str) -> Result<Issued, Error> {
    let object = reply.object(service)?;
    let code = object.get("Code").and_then(Value::as_str);
    if code.is_some_and(|code| !code.eq_ignore_ascii_case("Success")) {
        return Err(reply.refusal(service));
    }
    issued::read(&object, &format!("the answer of {service}"), reply.now())
}

const SERVICE: &str = "the metadata service of ECS";
pub(super) const DISABLED: &str = "ALIBABA_CLOUD_ECS_METADATA_DISABLED";
const NORMAL_MODE_DISABLED: &str = "ALIBABA_CLOUD_IMDSV1_DISABLED";

const TOKEN_PATH: &str = "/latest/api/token";
const ROLE_PATH: &str = "/latest/meta-data/ram/security-credentials/";
const TOKEN_HEADER: &str = "X-aliyun-ecs-metadata-token";
const TOKEN_TTL_HEADER: &str = "X-aliyun-ecs-metadata-token-ttl-seconds";
/// The most that there is.
const TOKEN_TTL: &str = "21600";

/// It is the next thing to this machine, or not there. As Alibaba Cloud's credentials libraries.
const PATIENCE: Patience =
    Patience { connect: Duration::from_secs(1), answer: Duration::from_secs(1) };
const LONGEST_NAME: usize = 128;
