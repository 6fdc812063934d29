//! A local file compared with an object.

use ossget::{
    Checksum, Client, Credentials, ErrorKind, Integrity, Object, StaticCredentials, Verdict,
};
use ossget_testkit::{Content, Fault, On, Simulator};
use std::fs;
use std::time::Duration;
use tempfile::TempDir;

struct Rig {
    sim: Simulator,
    client: Client,
    dir: TempDir,
    content: Content,
}

impl Rig {
    /// An object, and a file that is the same.
    async fn new() -> Self {
        let sim = Simulator::builder().bucket("bkt").credentials("id", "secret").start().await;
        let content = Content::generated(3, 2_500_000);
        sim.put_object("k", content.clone());
        let pair =
            StaticCredentials::new(Credentials::new("id", "secret").expect("the rig stands"));
        let client = Client::builder(sim.endpoint(), pair)
            .region("cn-hangzhou")
            .build()
            .expect("the rig stands");
        let dir = tempfile::tempdir().expect("the rig stands");
        fs::write(dir.path().join("f"), content.window(0..content.size())).expect("the rig stands");
        Self { sim, client, dir, content }
    }

    fn verification(&self) -> ossget::Verification {
        self.client
            .verify(Object::new("bkt", "k").expect("the rig stands"), self.dir.path().join("f"))
    }

    async fn verdict(&self) -> Verdict {
        self.verification().await.expect("the rig stands").verdict
    }

    fn rewrite(&self, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.dir.path().join("f");
        let mut bytes = fs::read(&path).expect("the rig stands");
        change(&mut bytes);
        fs::write(path, bytes).expect("the rig stands");
    }
}

#[tokio::test]
async fn a_service_that_says_to_come_back_at_once_is_not_asked_without_a_pause() {
    let rig = Rig::new().await;
    let busy = Fault::Status {
        code: 503,
        oss_code: "ServiceUnavailable".into(),
        retry_after: Some("0".into()),
    };
    rig.sim.fault(On::any().always(), busy);
    let verification = rig.verification().retry_max_time(Duration::from_secs(2));
    verification.await.expect_err("the service is busy");
    let asked = rig.sim.requests().len();
    assert!((2..=12).contains(&asked), "{asked} requests in two seconds");
}

#[tokio::test]
async fn a_file_that_is_the_object_is_told_so_at_the_cost_of_one_head() {
    let rig = Rig::new().await;
    let verified = rig.verification().await.unwrap();
    assert_eq!(verified.verdict, Verdict::Same(Integrity::Verified));
    assert_eq!((verified.bytes, verified.object_bytes), (2_500_000, 2_500_000));
    assert_eq!(verified.crc64, Some(rig.content.crc64()));
    let methods: Vec<_> = rig.sim.requests().into_iter().map(|it| it.method).collect();
    assert_eq!(methods, ["HEAD"]);
}

#[tokio::test]
async fn one_bit_or_one_byte_makes_a_difference() {
    let rig = Rig::new().await;
    rig.rewrite(|bytes| bytes[2_499_999] ^= 1);
    assert_eq!(rig.verdict().await, Verdict::CrcDiffers);
    rig.rewrite(|bytes| bytes.truncate(2_499_999));
    assert_eq!(rig.verdict().await, Verdict::LengthDiffers);
    rig.rewrite(|bytes| bytes.extend([0, 0]));
    assert_eq!(rig.verdict().await, Verdict::LengthDiffers);
}

#[tokio::test]
async fn without_a_crc_of_the_service_only_a_digest_of_the_callers_can_tell() {
    let rig = Rig::new().await;
    rig.sim.fault(On::head().always(), Fault::NoCrcHeader);
    assert_eq!(rig.verdict().await, Verdict::Unverifiable);
    let right = Checksum::Crc64(rig.content.crc64());
    let verified = rig.verification().checksum(right).await.unwrap();
    assert_eq!(verified.verdict, Verdict::Same(Integrity::VerifiedByUser));
    let wrong = rig.verification().checksum(Checksum::Md5([1; 16])).await.unwrap();
    assert_eq!(wrong.verdict, Verdict::ChecksumDiffers);
    rig.rewrite(|bytes| bytes.truncate(5));
    assert_eq!(rig.verdict().await, Verdict::LengthDiffers);
}

#[tokio::test]
async fn what_cannot_be_compared_is_an_error_that_says_why() {
    let rig = Rig::new().await;
    let other = |key: &str, file: &str| {
        let object = Object::new("bkt", key).unwrap();
        rig.client.verify(object, rig.dir.path().join(file)).into_future()
    };
    assert_eq!(other("none", "f").await.unwrap_err().kind(), ErrorKind::NotFound);
    rig.sim.clear_requests();
    assert_eq!(other("k", "none").await.unwrap_err().kind(), ErrorKind::Storage);
    assert_eq!(other("k", ".").await.unwrap_err().kind(), ErrorKind::Refused);
    assert!(rig.sim.requests().is_empty(), "what is wrong here needs no request");
}

#[tokio::test]
async fn a_service_that_is_out_of_order_is_asked_again_as_long_as_is_wanted() {
    let rig = Rig::new().await;
    rig.sim.fault(On::head().times(2), Fault::status(500, "InternalError"));
    assert_eq!(rig.verdict().await, Verdict::Same(Integrity::Verified));
    rig.sim.fault(On::head().always(), Fault::status(500, "InternalError"));
    let error = rig.verification().retry_max_time(Duration::from_millis(1)).await.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Unavailable, true));
}
