//! One download after the other, from its start to its end.

use crate::rig::{BUCKET, KEY, Rig, assert_is, eventually};
use ossget::{
    Client, Completion, Credentials, Download, DownloadEvent, Durability, Error, ErrorKind,
    Integrity, Object, OnChange, PartSize, Resume, ResumeVerify, StaticCredentials,
};
use ossget_testkit::{Close, Content, Fault, On};
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn errors_in_full(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

#[tokio::test]
async fn an_object_arrives_whole_verified_and_without_litter() {
    for size in [0, 1, 102_399, 102_400, 102_401, 1_024_000, 3_000_001] {
        let rig = Rig::new(size).await;
        let done = rig.download().await.unwrap();
        assert_is(&rig.path(), &rig.content);
        assert_eq!(rig.files(), ["object.bin"]);
        assert_eq!(done.completion, Completion::Published);
        assert_eq!(done.integrity, Integrity::Verified);
        assert_eq!((done.bytes, done.fetched_bytes, done.resumed_bytes), (size, size, 0));
        assert_eq!(done.crc64, rig.content.crc64());
        assert_eq!(done.requests, rig.gets().len() as u64);
    }
}

#[tokio::test]
async fn a_finished_download_is_recognised_without_a_single_get() {
    let rig = Rig::new(1_000_000).await;
    rig.download().await.unwrap();
    rig.sim.clear_requests();
    let done = rig.download().await.unwrap();
    assert_eq!(done.completion, Completion::AlreadyThere);
    assert_eq!(rig.gets(), []);
    assert_eq!(rig.files(), ["object.bin"]);
}

#[tokio::test]
async fn cut_and_failing_requests_cost_only_the_rest_of_their_range() {
    let rig = Rig::new(2_000_000).await;
    rig.sim.fault(On::get().nth(1), Fault::CutAfter { bytes: 150_000, how: Close::Fin });
    rig.sim.fault(On::get().nth(2), Fault::CutAfter { bytes: 50_000, how: Close::Rst });
    rig.sim.fault(On::get().nth(3), Fault::status(503, "ServiceUnavailable"));
    rig.sim.fault(On::get().nth(5), Fault::DropBeforeHead);
    rig.sim.fault(On::get().nth(6), Fault::WrongContentRange);
    rig.sim.fault(On::get().nth(7), Fault::IgnoreRange);
    rig.sim.fault(On::get().nth(8), Fault::ShortRange { bytes: 10 });
    let done = rig.download().await.unwrap();
    assert_is(&rig.path(), &rig.content);
    assert_eq!(done.integrity, Integrity::Verified);
    // On a busy machine so few requests may do that the last of these are not made.
    let made = rig.gets().len();
    let faulty = [1, 2, 3, 5, 6, 7, 8].into_iter().filter(|nth| *nth <= made).count() as u64;
    assert!(
        faulty >= 5 && done.attempts_failed + 1 >= faulty,
        "{} of {faulty}",
        done.attempts_failed
    );
    assert!(done.fetched_bytes <= 2_000_000, "{}", done.fetched_bytes);
}

#[tokio::test]
async fn a_dropped_download_is_resumed_and_only_what_is_missing_is_fetched() {
    let rig = Rig::new(5_000_000).await;
    let second_half = On::get().range_start(|start| start >= 2_500_000).always();
    rig.sim.fault(second_half, Fault::StallBeforeHead);
    {
        let download = rig.download();
        let handle = download.handle();
        let is_recorded = || handle.progress().is_some_and(|progress| progress.recorded() > 0);
        tokio::select! {
            result = download.into_future() => panic!("half of it never comes: {result:?}"),
            () = eventually("something is recorded", is_recorded) => {}
        }
    }
    rig.sim.clear_faults();
    rig.sim.clear_requests();
    let look = || ossget::checkpoint::show(&rig.path(), None).unwrap().unwrap();
    // The committer keeps the lock until a sync under way has ended.
    let is_free = || look().in_use == ossget::checkpoint::Holder::Nobody;
    eventually("nobody holds the lock", is_free).await;
    let summary = look();
    assert!(summary.parts_recorded > 0);
    let done = rig.download().await.unwrap();
    assert_is(&rig.path(), &rig.content);
    assert_eq!(done.resumed_bytes, summary.bytes_recorded);
    assert_eq!(done.resumed_bytes + done.fetched_bytes, 5_000_000);
    assert_eq!(rig.files(), ["object.bin"]);
}

#[tokio::test]
async fn a_cancelled_download_records_all_that_is_stored() {
    let rig = Rig::new(5_000_000).await;
    stop_early(&rig, rig.download()).await;
    let summary = ossget::checkpoint::show(&rig.path(), None).unwrap().unwrap();
    assert!(summary.bytes_recorded >= 500_000, "{}", summary.bytes_recorded);
    let done = rig.download().await.unwrap();
    assert_eq!(done.resumed_bytes, summary.bytes_recorded);
    assert_is(&rig.path(), &rig.content);
}

#[tokio::test]
async fn an_object_replaced_midway_is_downloaded_anew_once() {
    let rig = Rig::new(2_000_000).await;
    let newer = Content::generated(8, 2_100_000);
    rig.sim.fault(On::get().nth(5), Fault::ReplaceObjectNow(newer.clone()));
    let done = rig.download().await.unwrap();
    assert_is(&rig.path(), &newer);
    assert_eq!(done.bytes, 2_100_000);
    assert_eq!(rig.files(), ["object.bin"]);
}

#[tokio::test]
async fn an_object_replaced_midway_stops_the_download_if_so_wished_or_when_it_goes_on() {
    let rig = Rig::new(2_000_000).await;
    rig.sim.fault(On::get().nth(5), Fault::ReplaceObjectNow(Content::generated(8, 2_100_000)));
    let error = rig.download().on_change(OnChange::Fail).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed);
    assert!(!rig.path().exists());

    let rig = Rig::new(2_000_000).await;
    for nth in [3, 12] {
        let content = Content::generated(nth, 2_000_000);
        rig.sim.fault(On::get().nth(nth), Fault::ReplaceObjectNow(content));
    }
    let error = rig.download().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed, "{}", errors_in_full(&error));
}

#[tokio::test]
async fn wrong_bytes_never_reach_the_destination() {
    let rig = Rig::new(1_000_000).await;
    fs::write(rig.path(), "old").unwrap();
    rig.sim.fault(On::get().always(), Fault::FlipByte { at: 300_000 });
    let error = rig.download().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity);
    assert_eq!(fs::read(rig.path()).unwrap(), b"old");
    assert_eq!(rig.files(), ["object.bin"], "nothing poisoned is kept");
    rig.sim.clear_faults();
    rig.download().await.unwrap();
    assert_is(&rig.path(), &rig.content);
}

#[tokio::test]
async fn a_missing_object_and_wrong_credentials_say_what_to_do() {
    let rig = Rig::new(10).await;
    let missing = Object::new(BUCKET, "nothing").unwrap();
    let error = rig.client.download(missing, rig.path()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.service_code(), Some("NoSuchKey"));
    assert!(error.request_id().is_some());
    assert!(!error.is_resumable());

    let wrong = StaticCredentials::new(Credentials::new("id", "wrong").unwrap());
    let client = Client::builder(rig.sim.endpoint(), wrong).region("cn-hangzhou").build().unwrap();
    let object = Object::new(BUCKET, KEY).unwrap();
    let error = client.download(object, rig.path()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert_eq!(error.service_code(), Some("SignatureDoesNotMatch"));
    assert_eq!(rig.files(), [] as [&str; 0]);
}

#[tokio::test]
async fn two_downloads_to_one_destination_exclude_each_other() {
    let rig = Rig::new(1_000_000).await;
    rig.sim.throttle(1_000_000);
    let (first, second) = tokio::join!(rig.download().into_future(), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        rig.download().await
    });
    first.unwrap();
    assert_eq!(second.unwrap_err().kind(), ErrorKind::Locked);
    assert_is(&rig.path(), &rig.content);
}

#[tokio::test]
async fn observers_hear_of_the_start_of_progress_and_of_retries() {
    let rig = Rig::new(1_000_000).await;
    rig.sim.fault(On::get().nth(2), Fault::status(500, "InternalError"));
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ears = Arc::clone(&heard);
    rig.download().on_event(move |event| ears.lock().unwrap().push(event.clone())).await.unwrap();
    let heard = heard.lock().unwrap();
    let started = heard.iter().filter(|e| matches!(e, DownloadEvent::Started { .. })).count();
    assert_eq!(started, 1);
    let last = heard.iter().rev().find_map(|event| match event {
        DownloadEvent::Progress(progress) => Some((progress.bytes(), progress.total())),
        _ => None,
    });
    assert_eq!(last, Some((1_000_000, Some(1_000_000))));
    assert!(heard.iter().any(|event| matches!(event, DownloadEvent::Retry { .. })));
}

/// Downloads until about a fifth is stored, then cancels.
async fn stop_early(rig: &Rig, download: Download) {
    rig.sim.throttle(2_000_000);
    let handle = download.handle();
    let stop = async {
        while handle.progress().is_none_or(|progress| progress.bytes() < 1_000_000) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        handle.cancel();
    };
    let (result, ()) = tokio::join!(download.into_future(), stop);
    let error = result.expect_err("it is cancelled before the end");
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    rig.sim.unthrottle();
}

#[tokio::test]
async fn the_latest_progress_is_told_though_nothing_happens_after_it() {
    let rig = Rig::new(5_000_000).await;
    stop_early(&rig, rig.download()).await;
    rig.sim.fault(On::get().always(), Fault::StallBeforeHead);
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let download = rig.download().on_progress(move |progress| {
        let _nobody_listens_at_the_end = tell.send(progress);
    });
    let handle = download.handle();
    let kept_is_checked =
        async { while told.recv().await.is_some_and(|it| it.kept() == 0 || it.unchecked() > 0) {} };
    let stop = async {
        let in_time = tokio::time::timeout(Duration::from_secs(10), kept_is_checked).await;
        handle.cancel();
        in_time
    };
    let (ended, in_time) = tokio::join!(download.into_future(), stop);
    in_time.expect("the next thing to happen is the read timeout, after twice that time");
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Cancelled);
}

#[tokio::test]
async fn what_no_sync_covered_is_read_back_even_if_the_user_trusts_the_disk() {
    let rig = Rig::new(5_000_000).await;
    stop_early(&rig, rig.download().durability(Durability::Process)).await;
    let kept = ossget::checkpoint::show(&rig.path(), None).unwrap().unwrap();
    assert!(kept.bytes_recorded > 0);
    // As a power cut may leave it: the slots on the disk, the data not.
    let names = rig.files();
    let partial = names.iter().find(|name| name.ends_with(".part")).unwrap();
    let file = fs::File::options().write(true).open(rig.dir.path().join(partial)).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[0; 5_000_000], 0).unwrap();
    let done = rig.download().resume_verify(ResumeVerify::Bounds).await.unwrap();
    assert_eq!(done.resumed_bytes, 0);
    assert_is(&rig.path(), &rig.content);
}

#[tokio::test]
async fn a_run_without_checkpoint_leaves_an_earlier_one_alone() {
    let rig = Rig::new(5_000_000).await;
    stop_early(&rig, rig.download()).await;
    let kept = ossget::checkpoint::show(&rig.path(), None).unwrap().unwrap();
    let files = rig.files();
    for durability_none in [true, false] {
        let download = match durability_none {
            true => rig.download().durability(Durability::None),
            false => rig.download().resume(Resume::Off),
        };
        stop_early(&rig, download).await;
        assert_eq!(rig.files(), files, "nothing of the other run remains, all of the first does");
    }
    let done = rig.download().await.unwrap();
    assert_eq!(done.resumed_bytes, kept.bytes_recorded);
    assert_eq!(rig.files(), ["object.bin"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_destination_whose_name_is_no_text_is_resumed_like_any_other() {
    use std::os::unix::ffi::OsStrExt as _;
    let rig = Rig::new(5_000_000).await;
    let path = rig.dir.path().join(std::ffi::OsStr::from_bytes(b"\xff\xfe.bin"));
    let download = || {
        let object = Object::new(BUCKET, KEY).unwrap();
        rig.client.download(object, &path).part_size(PartSize::kib(100).unwrap())
    };
    stop_early(&rig, download()).await;
    let done = download().await.unwrap();
    assert!(done.resumed_bytes > 500_000, "{}", done.resumed_bytes);
    assert_is(&path, &rig.content);
    assert_eq!(fs::read_dir(rig.dir.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_shortened_file_is_not_trusted_even_by_the_run_after_next() {
    let rig = Rig::new(5_000_000).await;
    stop_early(&rig, rig.download()).await;
    let kept = ossget::checkpoint::show(&rig.path(), None).unwrap().unwrap();
    let partial = rig.dir.path().join(&kept.partial_name);
    fs::OpenOptions::new().write(true).open(&partial).unwrap().set_len(1000).unwrap();
    // A run that gives the file its length back but ends before it has read anything back.
    rig.sim.fault(On::get().always(), Fault::status(403, "AccessDenied"));
    rig.download().await.unwrap_err();
    rig.sim.clear_faults();
    let done = rig.download().resume_verify(ResumeVerify::Bounds).await.unwrap();
    assert_is(&rig.path(), &rig.content);
    assert_eq!(done.resumed_bytes, 0);
}

#[tokio::test]
async fn a_server_that_cuts_every_body_short_is_outlasted() {
    let rig = Rig::new(3_000_000).await;
    rig.sim.fault(On::get().always(), Fault::CutAfter { bytes: 40_000, how: Close::Fin });
    let done = rig.download().await.unwrap();
    assert_is(&rig.path(), &rig.content);
    assert!(done.attempts_failed > 40, "{}", done.attempts_failed);
    assert_eq!(done.fetched_bytes, 3_000_000);
}

#[tokio::test]
async fn a_file_that_cannot_be_held_here_leaves_nothing_behind() {
    // More than any file system here has room for; the simulator makes the bytes up.
    let rig = Rig::new(1 << 60).await;
    let object = Object::new(BUCKET, KEY).unwrap();
    let error = rig.client.download(object, rig.path()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NoSpace | ErrorKind::Storage), "{error:?}");
    assert_eq!(rig.files(), [] as [&str; 0]);
    assert_eq!(rig.gets(), [(0, 1 << 20)], "which told how large it is");
}

/// Faults: 116.
#[tokio::test]
async fn an_object_larger_than_any_file_is_refused_before_the_first_get() {
    for length in ["9223372036854775808", "18446744073709551615"] {
        let rig = Rig::new(1_000_000).await;
        rig.sim.fault(On::head().always(), Fault::header("content-length", length));
        let error = rig.download().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage, "{}", errors_in_full(&error));
        assert!(!error.is_resumable());
        assert_eq!(rig.gets(), []);
        assert_eq!(rig.files(), [""; 0]);
    }
}
