//! A bucket of its own in a simulator of its own, and a store that reaches it.

use object_store::ObjectStore;
use object_store::list::PaginatedListStore;
use object_store::multipart::MultipartStore;
use object_store_opendal::OpendalStore;
use opendal::layers::RetryLayer;
use opendal::services::Oss;
use opendal::{HttpTransporter, Operator};
use opendal_http_transport_reqwest::ReqwestTransport;
use ossget::bucket::Bucket;
use ossget::{Client, StaticCredentials};
use ossget_object_store::OssStore;
use ossget_testkit::{Simulator, SimulatorBuilder, Versioning};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Oss,
    Bridge,
}

/// What the bucket is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    /// Like one of before September 2025, without versions.
    Plain,
    /// Like a new one, which takes no signature of version 1.
    New,
    /// It keeps what is replaced.
    Versions,
}

/// A store, and the simulator behind it.
pub(crate) struct Rig {
    pub(crate) sim: Simulator,
    pub(crate) store: Arc<dyn ObjectStore>,
    /// The further traits of object_store, where the store has them.
    pub(crate) multipart: Option<Arc<dyn MultipartStore>>,
    pub(crate) pages: Option<Arc<dyn PaginatedListStore>>,
}

impl Rig {
    pub(crate) async fn new(side: Side, setting: Setting) -> Self {
        let sim = described(setting).start().await;
        match side {
            Side::Oss => {
                let store = Arc::new(OssStore::of(bucket(&sim).patience(PATIENCE)));
                let (multipart, pages) = (Some(store.clone() as _), Some(store.clone() as _));
                Self { sim, store, multipart, pages }
            }
            Side::Bridge => {
                let store = Arc::new(bridge(&sim));
                Self { sim, store, multipart: None, pages: None }
            }
        }
    }

    /// The same bucket as ossget sees it, to look at what a store has made.
    pub(crate) fn bucket(&self) -> Bucket {
        bucket(&self.sim)
    }

    /// How many requests of a method there were.
    pub(crate) fn requests(&self, method: &str) -> usize {
        self.sim.requests().iter().filter(|request| request.method == method).count()
    }
}

fn described(setting: Setting) -> SimulatorBuilder {
    let builder = Simulator::builder().bucket(BUCKET).credentials(ID, SECRET);
    match setting {
        Setting::Plain => builder,
        Setting::New => builder.refuse_v1(),
        Setting::Versions => builder.versioning(Versioning::Enabled),
    }
}

fn bucket(sim: &Simulator) -> Bucket {
    let credentials = StaticCredentials::access_key(ID, SECRET).expect("a header can carry both");
    let client = Client::builder(sim.endpoint(), credentials).region("cn-hangzhou").build();
    client.expect("the endpoint is one").bucket(BUCKET).expect("the name is one")
}

/// Lets opendal find the bucket's host on this machine, whatever the system's resolver knows of it.
pub(crate) fn install_transport() {
    let here = SocketAddr::from(([127, 0, 0, 1], 0));
    let client = reqwest::Client::builder().resolve(&format!("{BUCKET}.localhost"), here).build();
    let client = client.expect("a client without TLS needs nothing");
    HttpTransporter::install_default(ReqwestTransport::new(client));
}

/// As opendal is at its best: with its retries, of which it has none unless asked, and with the bucket
/// in the host's name, as the service wants it.
fn bridge(sim: &Simulator) -> OpendalStore {
    let service = Oss::default()
        .endpoint(&sim.named_endpoint())
        .bucket(BUCKET)
        .access_key_id(ID)
        .access_key_secret(SECRET);
    let operator = Operator::new(service).expect("all it needs is there");
    OpendalStore::new(operator.layer(RetryLayer::new()))
}

pub(crate) const BUCKET: &str = "examplebucket";
const ID: &str = "id";
const SECRET: &str = "secret";
/// About as long as opendal's three retries take: 1, 2 and 4 seconds.
const PATIENCE: Duration = Duration::from_secs(7);
