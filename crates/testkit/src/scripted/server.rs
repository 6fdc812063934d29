//! The server as tests hold it.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio_rustls::TlsAcceptor;

use super::connection::{Connection, Exchange, Log, Stream};
use super::script::Script;
use super::tls::{Authority, Certificate};
use crate::content::Content;
use crate::fault::{On, Rules};

/// A server for one object, under any key, that plays scripts.
///
/// It runs on a thread of its own until it is dropped, so that blocking tests can use it too.
#[derive(Debug)]
pub struct ScriptedServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    scheme: &'static str,
    outage: watch::Sender<Outage>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// What a scripted server is to be.
pub struct ScriptedServerBuilder {
    content: Content,
    tls: io::Result<Option<TlsAcceptor>>,
    listener: Option<StdListener>,
}

/// What all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) content: Content,
    pub(super) scripts: Rules<Script>,
    pub(super) log: Log,
    requests: AtomicU64,
    connections: AtomicU64,
    /// Connections that can carry requests.
    live: AtomicU64,
}

/// Whether the network lets anything through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outage {
    None,
    Total,
}

impl ScriptedServer {
    /// Starts a server of this object in plain text on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// When no port can be bound or no thread started.
    pub fn start(content: Content) -> io::Result<Self> {
        Self::builder(content).start()
    }

    /// Begins to describe a server.
    pub fn builder(content: Content) -> ScriptedServerBuilder {
        ScriptedServerBuilder { content, tls: Ok(None), listener: None }
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The endpoint: clients use path style with it.
    pub fn endpoint(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// The object.
    pub fn content(&self) -> &Content {
        &self.shared.content
    }

    /// Plays `script` for the requests that match. Of several scripts for one request the one that
    /// was added first is played, but all count the request.
    pub fn script(&self, on: On, script: Script) {
        self.shared.scripts.add(on, script);
    }

    /// Answers rightly from now on.
    pub fn clear_scripts(&self) {
        self.shared.scripts.clear();
    }

    /// The requests so far, in the order of their arrival.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.shared.log.exchanges()
    }

    /// Forgets the requests so far.
    pub fn clear_exchanges(&self) {
        self.shared.log.clear();
    }

    /// Connections so far, those that never made a request included.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Resets all connections, and every new one at once, until [`restore`](Self::restore).
    /// Returns when they have been reset.
    pub fn cut_off(&self) {
        self.outage.send_replace(Outage::Total);
        while self.shared.live.load(Ordering::SeqCst) > 0 {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    /// Ends what [`cut_off`](Self::cut_off) began.
    pub fn restore(&self) {
        self.outage.send_replace(Outage::None);
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Its panics have been printed; a second one here would abort the test.
            let _ = thread.join();
        }
    }
}

impl ScriptedServerBuilder {
    /// Speaks TLS with such a certificate of this authority.
    #[must_use]
    pub fn tls(mut self, authority: &Authority, certificate: Certificate) -> Self {
        self.tls = authority.acceptor(certificate).map(Some);
        self
    }

    /// Accepts from this listener.
    #[must_use]
    pub fn listener(mut self, listener: StdListener) -> Self {
        self.listener = Some(listener);
        self
    }

    /// Starts the server; it accepts connections when this returns.
    ///
    /// # Errors
    ///
    /// When no port can be bound, no thread started or no certificate made.
    pub fn start(self) -> io::Result<ScriptedServer> {
        let tls = self.tls?;
        let listener = match self.listener {
            Some(listener) => listener,
            None => StdListener::bind(("127.0.0.1", 0))?,
        };
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            content: self.content,
            scripts: Rules::default(),
            log: Log::new(),
            requests: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            live: AtomicU64::new(0),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let (outage, watched) = watch::channel(Outage::None);
        let scheme = if tls.is_some() { "https" } else { "http" };
        let serving = shared.clone();
        let thread = std::thread::Builder::new().name("scripted".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept_all(listener, tls, serving, watched) => {}
                    _ = stopped => {}
                }
            });
        })?;
        let (stop, thread) = (Some(stop), Some(thread));
        Ok(ScriptedServer { shared, address, scheme, outage, stop, thread })
    }
}

impl fmt::Debug for ScriptedServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedServerBuilder")
            .field("content", &self.content)
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn serial(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }
}

async fn accept_all(
    listener: StdListener,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    outage: watch::Receiver<Outage>,
) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    while let Ok((stream, _)) = listener.accept().await {
        let number = shared.connections.fetch_add(1, Ordering::SeqCst);
        let _ = stream.set_nodelay(true);
        let (tls, shared, mut outage) = (tls.clone(), shared.clone(), outage.clone());
        tokio::spawn(async move {
            if *outage.borrow() == Outage::Total {
                let _ = stream.set_zero_linger();
                return;
            }
            // A client that refuses the certificate ends the handshake.
            let Ok(stream) = secure(stream, tls).await else { return };
            shared.live.fetch_add(1, Ordering::SeqCst);
            let mut connection = Connection::new(stream, number, shared.clone());
            // An error is a client that left.
            tokio::select! {
                _ = connection.serve() => drop(connection),
                _ = outage.wait_for(|outage| *outage == Outage::Total) => connection.reset(),
            }
            shared.live.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

async fn secure(stream: TcpStream, tls: Option<TlsAcceptor>) -> io::Result<Stream> {
    Ok(match tls {
        Some(tls) => Stream::Tls(Box::new(tls.accept(stream).await?)),
        None => Stream::Plain(stream),
    })
}
