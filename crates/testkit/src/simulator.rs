//! The simulator as tests hold it.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ossget_sign::Credentials;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::account::{Accounts, Anonymous, V1};
use crate::call::HostNames;
use crate::clock::Clock;
use crate::content::Content;
use crate::fault::{Fault, FaultScript, On};
use crate::log::{RequestLog, RequestRecord};
use crate::service::{Control, Service};
use crate::store::{Store, Versioning};
use crate::terms::Payer;
use crate::wire::{Wire, WireStream};

/// An OSS service on the loopback interface, for one process or for several.
///
/// It runs on threads of its own until it is dropped, so that blocking tests can use it too.
#[derive(Debug)]
pub struct Simulator {
    service: Arc<Service>,
    address: SocketAddr,
    bucket: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Simulator {
    /// Begins to describe a simulator.
    pub fn builder() -> SimulatorBuilder {
        SimulatorBuilder::default()
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The endpoint, `http://127.0.0.1:PORT`: clients use path style with it.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The endpoint by name, `http://localhost:PORT`, for virtual-hosted requests: `localhost`
    /// and what ends in it is this machine in most resolvers.
    pub fn named_endpoint(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }

    /// The bucket the builder named first.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Stores an object in the first bucket and returns its version id, if versions are kept.
    pub fn put_object(&self, key: &str, content: impl Into<Content>) -> Option<String> {
        self.service.put(&self.bucket, key, content.into())
    }

    /// The same as [`put_object`](Self::put_object), for tests in which the object changes.
    ///
    /// Responses on their way keep sending the old bytes, as the service's do.
    pub fn replace_object(&self, key: &str, content: impl Into<Content>) -> Option<String> {
        self.put_object(key, content)
    }

    /// Stores an object in any bucket, which is made if it does not exist.
    pub fn put_object_in(
        &self,
        bucket: &str,
        key: &str,
        content: impl Into<Content>,
    ) -> Option<String> {
        self.service.store.create_bucket(bucket);
        self.service.put(bucket, key, content.into())
    }

    /// Deletes an object of the first bucket.
    pub fn delete_object(&self, key: &str) {
        self.service.store.delete(&self.bucket, key, None);
    }

    /// The content now stored under a key of the first bucket.
    pub fn object(&self, key: &str) -> Option<Content> {
        let entry = self.service.store.current(&self.bucket, key)?;
        entry.object().map(|object| object.content.clone())
    }

    /// The requests so far, in the order of their arrival.
    ///
    /// A response that is still being sent has `ended == false` and what was sent until now.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.service.log.records()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.service.log.clear();
    }

    /// Adds a fault to the script.
    pub fn fault(&self, on: On, fault: Fault) {
        self.service.script.add(on, fault);
    }

    /// Empties the fault script.
    pub fn clear_faults(&self) {
        self.service.script.clear();
    }

    /// Limits all connections together to a rate.
    pub fn throttle(&self, bytes_per_second: u64) {
        self.service.total_pace.set(Some(bytes_per_second));
    }

    /// Limits connections to a rate each; they share it while they send at the same time only if
    /// [`throttle`](Self::throttle) is set too.
    pub fn throttle_each(&self, bytes_per_second: u64) {
        self.service.each_pace.set(Some(bytes_per_second));
    }

    /// Lifts both limits, for connections made before too.
    pub fn unthrottle(&self) {
        self.service.total_pace.set(None);
        self.service.each_pace.set(None);
    }

    /// Sets the service's clock apart from this machine's, ahead when positive.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.service.clock.set_offset(seconds);
    }

    /// Makes every security token handed out so far an expired one.
    pub fn expire_tokens(&self) {
        self.service.accounts.expire_tokens();
    }

    /// Accepts further credentials, with a security token if that is not empty.
    ///
    /// # Errors
    ///
    /// When no request could carry them.
    pub fn accept_credentials(&self, id: &str, secret: &str, token: &str) -> io::Result<()> {
        accept(&self.service.accounts, id, secret, Some(token))
    }

    /// Accepts further credentials, whose security token expires in so long from now.
    ///
    /// # Errors
    ///
    /// When no request could carry them.
    pub fn accept_temporary(
        &self,
        id: &str,
        secret: &str,
        token: &str,
        lifetime: Duration,
    ) -> io::Result<()> {
        let credentials = checked(id, secret, token)?;
        let end = Instant::now() + lifetime;
        self.service.accounts.add_until(credentials, token.to_owned(), end);
        Ok(())
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Its panics have been printed; a second one here would abort the test.
            let _ = thread.join();
        }
    }
}

/// What a simulator is to be.
#[derive(Debug)]
pub struct SimulatorBuilder {
    listen: SocketAddr,
    buckets: Vec<String>,
    id: String,
    secret: String,
    token: Option<String>,
    region: String,
    anonymous: Anonymous,
    v1: V1,
    versioning: Versioning,
    payer: Payer,
    control: Control,
    data_dir: Option<PathBuf>,
    log_file: Option<PathBuf>,
    hosts: Vec<String>,
}

impl Default for SimulatorBuilder {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            buckets: Vec::new(),
            id: "testid".to_owned(),
            secret: "testsecret".to_owned(),
            token: None,
            region: "cn-hangzhou".to_owned(),
            anonymous: Anonymous::Refused,
            v1: V1::Accepted,
            versioning: Versioning::Off,
            payer: Payer::Owner,
            control: Control::Closed,
            data_dir: None,
            log_file: None,
            hosts: Vec::new(),
        }
    }
}

impl SimulatorBuilder {
    /// Where to listen; a free port on 127.0.0.1 unless told otherwise.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Adds a bucket; `examplebucket` if none is named.
    #[must_use]
    pub fn bucket(mut self, name: impl Into<String>) -> Self {
        self.buckets.push(name.into());
        self
    }

    /// The access key pair that requests must be signed with: `testid` and `testsecret` by default.
    #[must_use]
    pub fn credentials(mut self, id: impl Into<String>, secret: impl Into<String>) -> Self {
        (self.id, self.secret) = (id.into(), secret.into());
        self
    }

    /// The security token that requests must carry besides.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// The region that V4 signatures must name; `cn-hangzhou` by default.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = region.into();
        self
    }

    /// Lets anyone read.
    #[must_use]
    pub fn public_read(mut self) -> Self {
        self.anonymous = Anonymous::MayRead;
        self
    }

    /// Refuses signatures of version 1, as the service does for new accounts and new buckets.
    #[must_use]
    pub fn refuse_v1(mut self) -> Self {
        self.v1 = V1::Refused;
        self
    }

    /// Lets whoever asks pay for the traffic: a request that does not agree to is refused.
    #[must_use]
    pub fn requester_pays(mut self) -> Self {
        self.payer = Payer::Requester;
        self
    }

    /// Keeps what is replaced and deleted.
    #[must_use]
    pub fn versioning(mut self, versioning: Versioning) -> Self {
        self.versioning = versioning;
        self
    }

    /// Lets other processes steer the simulator.
    #[must_use]
    pub fn control(mut self, control: Control) -> Self {
        self.control = control;
        self
    }

    /// Serves the files `dir/BUCKET/KEY` as objects, and stores there what is put.
    #[must_use]
    pub fn data_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(dir.into());
        self
    }

    /// Appends each request to a file, one JSON object a line, when its response has ended.
    #[must_use]
    pub fn log_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.log_file = Some(path.into());
        self
    }

    /// Adds a host name under which the service is addressed without a bucket.
    #[must_use]
    pub fn host_name(mut self, name: impl Into<String>) -> Self {
        self.hosts.push(name.into().to_ascii_lowercase());
        self
    }

    /// Starts the simulator, as [`start_blocking`](Self::start_blocking) does.
    ///
    /// # Panics
    ///
    /// When it cannot be started, which a test cannot repair.
    pub async fn start(self) -> Simulator {
        self.start_blocking().expect("a simulator starts on the loopback interface")
    }

    /// Starts the simulator; it accepts connections when this returns.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound, the log cannot be opened, the credentials could not be
    /// sent, or no thread can be started.
    pub fn start_blocking(mut self) -> io::Result<Simulator> {
        if self.buckets.is_empty() {
            self.buckets.push("examplebucket".to_owned());
        }
        let listener = StdListener::bind(self.listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let bucket = self.buckets[0].clone();
        let service = Arc::new(self.into_service(address)?);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("ossget-sim")
            .enable_all()
            .build()?;
        let listener = {
            let _context = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = service.clone();
        let thread = std::thread::Builder::new().name("ossget-sim".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept_all(listener, serving) => {}
                    _ = stopped => {}
                }
            });
            // Connections that stall for ever must not hold the test up.
            runtime.shutdown_background();
        })?;
        Ok(Simulator { service, address, bucket, stop: Some(stop), thread: Some(thread) })
    }

    fn into_service(self, address: SocketAddr) -> io::Result<Service> {
        let store = Store::new(self.versioning, self.data_dir);
        for name in &self.buckets {
            store.create_bucket(name);
            // Reads the files there are, so that no request has to wait for their sums.
            store.list(name, "");
        }
        let accounts = Accounts::new(self.region.clone(), self.anonymous, self.v1);
        accept(&accounts, &self.id, &self.secret, self.token.as_deref())?;
        let open = |path| File::options().create(true).append(true).open(path);
        let log_file = self.log_file.map(open).transpose()?;
        let mut names = self.hosts;
        names.extend(["localhost".to_owned(), address.ip().to_string()]);
        for suffix in ["", "-internal"] {
            names.push(format!("oss-{}{suffix}.aliyuncs.com", self.region));
        }
        Ok(Service {
            region: self.region,
            names: HostNames(names),
            store,
            accounts,
            clock: Clock::default(),
            script: FaultScript::default(),
            log: Arc::new(RequestLog::new(log_file)),
            total_pace: Arc::default(),
            each_pace: Arc::default(),
            control: self.control,
            payer: self.payer,
            requests: AtomicU64::new(0),
        })
    }
}

fn accept(accounts: &Accounts, id: &str, secret: &str, token: Option<&str>) -> io::Result<()> {
    let token = token.filter(|token| !token.is_empty());
    let credentials = checked(id, secret, token.unwrap_or_default())?;
    accounts.add(credentials, token.map(str::to_owned));
    Ok(())
}

/// Checked for what a header can carry; tokens are compared as text.
fn checked(id: &str, secret: &str, token: &str) -> io::Result<Credentials> {
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
    let credentials = Credentials::new(id, secret).map_err(invalid)?;
    credentials.security_token(token).map_err(invalid)
}

async fn accept_all(listener: TcpListener, service: Arc<Service>) {
    let mut connection = 0;
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, or the peer was faster: nothing to end the service for.
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // Without it the last piece of a throttled body waits for an acknowledgement.
        let _ = stream.set_nodelay(true);
        let wire = Arc::new(Wire::new(service.log.clone()));
        let paces = [service.total_pace.clone(), service.each_pace.own()];
        let stream = WireStream::new(stream, wire.clone(), paces);
        let (service, number) = (service.clone(), connection);
        connection += 1;
        tokio::spawn(async move {
            let answer =
                service_fn(|request| service.clone().answer(wire.clone(), number, request));
            // An error is a client that left or a fault that was asked for.
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                // An idle connection stays open: it is the test that decides when one ends.
                .header_read_timeout(None)
                .auto_date_header(false)
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
    }
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
