//! An object is read, and something goes wrong.

use super::{cut, never_wrong, object, other, read, right};
use crate::rig::Rig;
use crate::trial::{Finding, Trial};
use ossget_testkit::{Fault, On};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::new("a byte that is damaged on the way is no success", |rig| Box::pin(damaged(rig))),
        Trial::new("a body that breaks off goes on at the missing byte", |rig| {
            Box::pin(broken_off(rig))
        }),
        Trial::new("a body that goes on is of one content", |rig| Box::pin(replaced(rig))),
        Trial::new("a request that is throttled once is made again", |rig| {
            Box::pin(throttled(rig))
        }),
    ]
}

async fn damaged(rig: &Rig) -> Finding {
    let (path, content) = object(rig).await;
    rig.sim.fault(On::get().nth(1), Fault::FlipByte { at: 5_000 });
    never_wrong(read(rig, &path).await, &content.window(0..content.size()))
}

async fn broken_off(rig: &Rig) -> Finding {
    let (path, content) = object(rig).await;
    rig.sim.fault(On::get().nth(1), cut());
    let found = right(read(rig, &path).await, &content.window(0..content.size()));
    let sent: u64 = rig.sim.requests().iter().map(|request| request.sent).sum();
    match found {
        Finding::Yes(_) => {
            let seen = format!("{sent} bytes sent for {}", content.size());
            Finding::same(sent, content.size(), seen)
        }
        other => other,
    }
}

/// Where the rest is of another object, there is nothing right to give.
async fn replaced(rig: &Rig) -> Finding {
    let (path, content) = object(rig).await;
    rig.sim.fault(On::get().nth(1), cut());
    rig.sim.fault(On::get().nth(2), Fault::ReplaceObjectNow(other()));
    never_wrong(read(rig, &path).await, &content.window(0..content.size()))
}

async fn throttled(rig: &Rig) -> Finding {
    let (path, content) = object(rig).await;
    rig.sim.fault(On::get().nth(1), Fault::status(503, "ServiceUnavailable"));
    right(read(rig, &path).await, &content.window(0..content.size()))
}
