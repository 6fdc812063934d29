//! What the blocks of a checkpoint held in another life.

use crate::explore::sizes;
use crate::meaning::plan;
use crate::origin::{PARTS, Version};
use crate::process::{Checkpoint, DESTINATION, ELSEWHERE, Machine, Settings, WORK};
use crate::schedule::Plan;
use ossget_core::{HEADER_LEN, Header, PartIndex, SLOT_LEN, SlotCodec};
use ossget_testkit::file_system::{Disk, Stale, Target};
use std::sync::Arc;

/// The checkpoint of an older, finished session of the same object, page by page: what un-synced
/// pages of a new one may come back as.
pub(crate) fn older_session(machine: &Machine, settings: &Settings) -> Arc<Stale> {
    let first = Disk::new(sizes()).with_file(DESTINATION, &machine.objects.old);
    let settings = Settings { omissions: Vec::new(), ..settings.clone() };
    let ended = machine.run(&first, &settings, (Version::A, Plan::default()), None);
    let recorded = ended
        .history
        .iter()
        .rev()
        .find(|(step, _)| step.target == Target::Checkpoint && step.is_sync());
    let disk = &recorded.expect("every run records").1;
    let dir = match settings.checkpoint {
        Checkpoint::Beside => WORK,
        Checkpoint::Elsewhere => ELSEWHERE,
    };
    let names = disk.names(dir);
    let name = names.keys().find(|name| name.ends_with(".ossget")).expect("it is there then");
    let bytes = disk.read(format!("{dir}/{name}")).expect("it is there then");
    Arc::new(move |at, _| Some(bytes.chunks(HEADER_LEN).nth(at)?.to_vec()))
}

/// As [`older_session`], but as if slots were not keyed with their session: the old slots pass for
/// those of the new one.
pub(crate) fn unkeyed(machine: &Machine, older: Arc<Stale>) -> Arc<Stale> {
    let objects = Arc::clone(&machine.objects);
    Arc::new(move |at, seen| {
        let Some(header) = (at == 2).then(|| Header::decode(seen)).and_then(Result::ok) else {
            return older(at, seen);
        };
        let codec = SlotCodec::new(header.session, &plan());
        let mut page = vec![0; PARTS * SLOT_LEN];
        for part in 0..PARTS {
            let index = PartIndex::new(u32::try_from(part).unwrap());
            let slot = codec.encode(index, objects.crc64(Version::A, part));
            page[part * SLOT_LEN..][..SLOT_LEN].copy_from_slice(&slot);
        }
        Some(page)
    })
}
