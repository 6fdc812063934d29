//! Who may call, and how a request proves it.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use ossget_sign::{Credentials, Request, SignError, v1, v4};

use crate::call::Call;
use crate::claim::{Claim, SignatureForm, Time};
use crate::clock;
use crate::refusal::Refusal;

/// Access to the bucket without a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anonymous {
    /// Every request must be signed.
    Refused,
    /// Objects may be read and listed by anyone, as with the ACL `public-read`.
    MayRead,
}

/// Signatures of version 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum V1 {
    /// As good as others, as in buckets of old.
    Accepted,
    /// No longer: new accounts since March 2025, new buckets since September 2025.
    Refused,
}

/// The accounts the simulator knows, and the rules a signature must keep.
pub(crate) struct Accounts {
    region: String,
    anonymous: Anonymous,
    v1: V1,
    known: Mutex<Vec<Account>>,
}

struct Account {
    credentials: Credentials,
    token: Option<String>,
    validity: Validity,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Validity {
    Current,
    Until(Instant),
    Expired,
}

impl Accounts {
    pub(crate) fn new(region: String, anonymous: Anonymous, v1: V1) -> Self {
        Self { region, anonymous, v1, known: Mutex::default() }
    }

    /// Adds an account, in place of one with the same access key id.
    pub(crate) fn add(&self, credentials: Credentials, token: Option<String>) {
        self.insert(Account { credentials, token, validity: Validity::Current });
    }

    /// Adds an account whose security token expires then, in place of one with the same id.
    pub(crate) fn add_until(&self, credentials: Credentials, token: String, end: Instant) {
        self.insert(Account { credentials, token: Some(token), validity: Validity::Until(end) });
    }

    fn insert(&self, account: Account) {
        let mut known = self.lock();
        let id = account.credentials.access_key_id().to_owned();
        known.retain(|account| account.credentials.access_key_id() != id);
        known.push(account);
    }

    /// Makes every security token known so far an expired one.
    pub(crate) fn expire_tokens(&self) {
        self.lock().iter_mut().for_each(|account| account.validity = Validity::Expired);
    }

    /// Decides whether a request may go on.
    pub(crate) fn check(&self, call: &Call, now: Timestamp) -> Result<SignatureForm, Refusal> {
        let Some(claim) = Claim::read(call)? else {
            let reads = [http::Method::GET, http::Method::HEAD].contains(&call.method);
            return if reads && self.anonymous == Anonymous::MayRead {
                Ok(SignatureForm::None)
            } else {
                Err(access_denied("You have no right to access this object because of bucket acl."))
            };
        };
        let is_v1 = [SignatureForm::V1Header, SignatureForm::V1Query].contains(&claim.form);
        if is_v1 && self.v1 == V1::Refused {
            // The status and the class are documented (EC 0002-00000080), the code and the text are not.
            let denied = access_denied("The V1 signature is no longer supported.");
            return Err(denied.class("0002-00000080"));
        }
        let credentials = self.known_as(&claim)?;
        check_time(&claim, now)?;
        let (signature, signed) = self.expected(call, &claim, &credentials)?;
        if signature != claim.signature {
            return Err(mismatch(&claim, &signed));
        }
        Ok(claim.form)
    }

    fn known_as(&self, claim: &Claim) -> Result<Credentials, Refusal> {
        let known = self.lock();
        let account =
            known.iter().find(|known| known.credentials.access_key_id() == claim.access_key_id);
        let Some(account) = account else {
            let message = "The OSS Access Key Id you provided does not exist in our records.";
            return Err(Refusal::forbidden("InvalidAccessKeyId", message)
                .child("OSSAccessKeyId", &claim.access_key_id));
        };
        if account.token != claim.token {
            let message = "The security token you provided is invalid.";
            return Err(Refusal::forbidden("InvalidSecurityToken", message));
        }
        let has_expired = match account.validity {
            Validity::Current => false,
            Validity::Until(end) => end <= Instant::now(),
            Validity::Expired => true,
        };
        if has_expired && account.token.is_some() {
            let message = "The security token you provided has expired.";
            return Err(Refusal::forbidden("SecurityTokenExpired", message));
        }
        Ok(account.credentials.clone())
    }

    /// The right signature and what it signs.
    fn expected(
        &self,
        call: &Call,
        claim: &Claim,
        credentials: &Credentials,
    ) -> Result<(String, String), Refusal> {
        let request = Request {
            method: &call.method,
            bucket: call.bucket.as_deref(),
            key: call.key.as_deref(),
            query: &call.query,
            headers: &call.headers,
        };
        let Some(scope) = &claim.scope else {
            let signed = v1::string_to_sign(&request, &claim.date).map_err(unsignable)?;
            return Ok((v1::signature(credentials.secret(), &signed), signed));
        };
        scope.check(&self.region, &claim.date)?;
        let canonical =
            v4::canonical_request(&request, &claim.additional_headers).map_err(unsignable)?;
        let scope = v4::Scope { date: &scope.date, region: &scope.region, product: &scope.product };
        let signed = v4::string_to_sign(&claim.date, &scope, &canonical);
        Ok((v4::signature(credentials.secret(), &scope, &signed), signed))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Account>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts")
            .field("region", &self.region)
            .field("anonymous", &self.anonymous)
            .field("v1", &self.v1)
            .finish_non_exhaustive()
    }
}

fn check_time(claim: &Claim, now: Timestamp) -> Result<(), Refusal> {
    let denied = |expires: Timestamp| {
        access_denied("Request has expired.")
            .child("Expires", clock::iso_date(expires))
            .child("ServerTime", clock::iso_date(now))
    };
    match claim.time {
        Time::Signed(at) if (now.duration_since(at)).abs() > TOLERANCE => Err(skewed(at, now)),
        Time::Window { until, .. } | Time::Until(until) if until <= now => Err(denied(until)),
        Time::Window { from, .. } if from.duration_since(now) > TOLERANCE => Err(skewed(from, now)),
        _ => Ok(()),
    }
}

fn skewed(at: Timestamp, now: Timestamp) -> Refusal {
    let message = "The difference between the request time and the current time is too large.";
    Refusal::forbidden("RequestTimeTooSkewed", message)
        .child("MaxAllowedSkewMilliseconds", "900000")
        .child("RequestTime", clock::iso_date(at))
        .child("ServerTime", clock::iso_date(now))
}

fn mismatch(claim: &Claim, signed: &str) -> Refusal {
    let message = "The request signature we calculated does not match the signature you provided. \
                   Check your key and signing method.";
    let bytes: Vec<String> = signed.bytes().map(|byte| format!("{byte:02X}")).collect();
    Refusal::forbidden("SignatureDoesNotMatch", message)
        .child("OSSAccessKeyId", &claim.access_key_id)
        .child("SignatureProvided", &claim.signature)
        .child("StringToSign", signed)
        .child("StringToSignBytes", bytes.join(" "))
}

fn access_denied(message: &str) -> Refusal {
    Refusal::forbidden("AccessDenied", message)
}

fn unsignable(error: SignError) -> Refusal {
    Refusal::bad_request("InvalidArgument", &error.to_string())
}

/// How far a request's time may be from the service's.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(15);
