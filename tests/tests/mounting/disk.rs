//! The disk with its faults, as the kernel sees it.

use super::fault::{Effect, Fault, Operation, Role};
use super::model::{Found, Inode, Kind, Model, Outcome, Tearing};
use ossget_tests::Rng;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// A disk that can be asked from several threads.
#[derive(Debug)]
pub(crate) struct FaultyDisk {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    model: Model,
    power: Power,
    faults: Vec<Fault>,
    /// What was asked since the faults were set.
    asked: Vec<(Operation, Role)>,
    /// Who holds the lock of which file.
    locks: BTreeMap<Inode, u64>,
    open: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Power {
    On,
    Off,
}

impl FaultyDisk {
    pub(crate) fn new() -> Self {
        let state = State {
            model: Model::new(),
            power: Power::On,
            faults: Vec::new(),
            asked: Vec::new(),
            locks: BTreeMap::new(),
            open: 0,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// From now on this goes wrong, and nothing else.
    pub(crate) fn set_faults(&self, faults: Vec<Fault>) {
        let mut state = self.state();
        state.faults = faults;
        state.asked.clear();
    }

    /// Takes all faults away; they tell how often they came about.
    pub(crate) fn heal(&self) -> Vec<Fault> {
        std::mem::take(&mut self.state().faults)
    }

    /// What was asked since the faults were set.
    pub(crate) fn asked(&self) -> Vec<(Operation, Role)> {
        self.state().asked.clone()
    }

    /// How often this was asked since then.
    pub(crate) fn asked_for(&self, operation: Operation, role: Role) -> usize {
        self.state().asked.iter().filter(|asked| **asked == (operation, role)).count()
    }

    /// Cuts the power: from now on everything fails.
    pub(crate) fn cut_power(&self) {
        self.state().power = Power::Off;
        self.changed.notify_all();
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.state().power == Power::Off
    }

    /// Waits until the power is cut or so much time has passed; whether it is cut.
    pub(crate) fn wait_for_cut(&self, most: Duration) -> bool {
        let on = |state: &mut State| state.power == Power::On;
        let waited = self.changed.wait_timeout_while(self.state(), most, on);
        waited.expect("no thread panics here").0.power == Power::Off
    }

    /// The power is back, and the disk holds what the cut has left. Nobody may use it.
    pub(crate) fn restart(&self, rng: &mut Rng, tearing: Tearing) {
        let mut state = self.state_when_closed();
        state.model.cut(rng, tearing);
        state.power = Power::On;
    }

    /// Makes all durable that is there.
    pub(crate) fn settle(&self) {
        self.state().model.settle();
    }

    /// Removes all that is there. Nobody may use it.
    pub(crate) fn wipe(&self) {
        self.state_when_closed().model.wipe();
    }

    /// Bytes that can be read and that a power cut would lose.
    pub(crate) fn bytes_at_risk(&self) -> usize {
        self.state().model.bytes_at_risk()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics here")
    }

    /// Files are closed a little after the end of the process that had them open.
    fn state_when_closed(&self) -> MutexGuard<'_, State> {
        let in_use = |state: &mut State| state.open > 0;
        let waited = self.changed.wait_timeout_while(self.state(), Duration::from_secs(10), in_use);
        let (state, timeout) = waited.expect("no thread panics here");
        assert!(!timeout.timed_out(), "{} files are still open", state.open);
        state
    }

    /// Lets an operation on a name happen, or not.
    fn named(&self, operation: Operation, name: &OsStr) -> Outcome<MutexGuard<'_, State>> {
        let mut state = self.state();
        match self.strike(&mut state, operation, Role::of(name))? {
            None => Ok(state),
            Some(effect) => unreachable!("{effect:?} is for reads, writes and syncs"),
        }
    }

    /// Lets an operation on an inode happen, or not, or otherwise.
    fn on(
        &self,
        operation: Operation,
        inode: Inode,
    ) -> Outcome<(MutexGuard<'_, State>, Option<Effect>)> {
        let mut state = self.state();
        let role = state.model.role(inode);
        let effect = self.strike(&mut state, operation, role)?;
        Ok((state, effect))
    }

    fn strike(
        &self,
        state: &mut State,
        operation: Operation,
        role: Role,
    ) -> Outcome<Option<Effect>> {
        if state.power == Power::Off {
            return Err(libc::EIO);
        }
        state.asked.push((operation, role));
        match state.faults.iter_mut().find_map(|fault| fault.strike(operation, role)) {
            Some(Effect::Fail(number)) => Err(number),
            Some(Effect::Cut) => {
                state.power = Power::Off;
                self.changed.notify_all();
                Err(libc::EIO)
            }
            other => Ok(other),
        }
    }
}

/// What the kernel asks.
impl FaultyDisk {
    pub(crate) fn look_up(&self, parent: Inode, name: &OsStr) -> Outcome<Found> {
        self.named(Operation::LookUp, name)?.model.look_up(parent, name)
    }

    pub(crate) fn examine(&self, inode: Inode) -> Outcome<Found> {
        self.on(Operation::Examine, inode)?.0.model.found(inode)
    }

    pub(crate) fn names(&self, inode: Inode) -> Outcome<Vec<(OsString, Inode, Kind)>> {
        self.on(Operation::List, inode)?.0.model.names(inode)
    }

    pub(crate) fn make_directory(&self, parent: Inode, name: &OsStr) -> Outcome<Found> {
        let mut state = self.named(Operation::Create, name)?;
        state.model.create(parent, name, Kind::Directory, 0o755)
    }

    /// Makes a file and opens it, or opens the one that is there.
    pub(crate) fn create(
        &self,
        parent: Inode,
        name: &OsStr,
        mode: u32,
        new: New,
    ) -> Outcome<Found> {
        let mut state = self.named(Operation::Create, name)?;
        let found = match state.model.create(parent, name, Kind::File, mode) {
            Err(libc::EEXIST) if new == New::OrOld => state.model.look_up(parent, name)?,
            made => made?,
        };
        state.open += 1;
        Ok(found)
    }

    pub(crate) fn open(&self, inode: Inode) -> Outcome<()> {
        let mut state = self.state();
        if state.power == Power::Off {
            return Err(libc::EIO);
        }
        state.model.found(inode)?;
        state.open += 1;
        Ok(())
    }

    /// Closes an open file, and gives up the lock that its opener held.
    pub(crate) fn close(&self, inode: Inode, owner: Option<u64>) {
        let mut state = self.state();
        if owner.is_some() && state.locks.get(&inode).copied() == owner {
            state.locks.remove(&inode);
        }
        state.open = state.open.saturating_sub(1);
        self.changed.notify_all();
    }

    pub(crate) fn remove(&self, parent: Inode, name: &OsStr) -> Outcome<()> {
        self.named(Operation::Remove, name)?.model.remove(parent, name)
    }

    pub(crate) fn rename(&self, parent: Inode, from: &OsStr, to: &OsStr, new: New) -> Outcome<()> {
        let mut state = self.named(Operation::Rename, from)?;
        if new == New::Only && state.model.look_up(parent, to).is_ok() {
            return Err(libc::EEXIST);
        }
        state.model.rename(parent, from, to)
    }

    pub(crate) fn read(&self, inode: Inode, offset: u64, len: usize) -> Outcome<Vec<u8>> {
        let (state, _) = self.on(Operation::Read, inode)?;
        Ok(state.model.read(inode, offset, len)?.to_vec())
    }

    /// Writes; how much.
    pub(crate) fn write(&self, inode: Inode, offset: u64, bytes: &[u8]) -> Outcome<usize> {
        let (mut state, effect) = self.on(Operation::Write, inode)?;
        let most = match effect {
            Some(Effect::Short(most)) => most.min(bytes.len()),
            _ => bytes.len(),
        };
        state.model.write(inode, offset, &bytes[..most])?;
        Ok(most)
    }

    pub(crate) fn reserve(&self, inode: Inode, end: u64) -> Outcome<()> {
        let (mut state, _) = self.on(Operation::Reserve, inode)?;
        if state.model.found(inode)?.len < end {
            state.model.resize(inode, end)?;
        }
        Ok(())
    }

    pub(crate) fn resize(&self, inode: Inode, len: u64) -> Outcome<()> {
        self.on(Operation::Resize, inode)?.0.model.resize(inode, len)
    }

    pub(crate) fn set_mode(&self, inode: Inode, mode: u32) -> Outcome<()> {
        self.on(Operation::SetMode, inode)?.0.model.set_mode(inode, mode)
    }

    /// Makes a file or directory durable; this may take long.
    pub(crate) fn sync(&self, inode: Inode) -> Outcome<()> {
        let (mut state, effect) = self.on(Operation::Sync, inode)?;
        match effect {
            Some(Effect::Lose(pages)) => {
                state.model.fail_sync(inode, pages)?;
                return Err(libc::EIO);
            }
            Some(Effect::Lie) => return Ok(()),
            Some(Effect::Delay(time)) => {
                drop(state);
                thread::sleep(time);
                state = self.state();
                if state.power == Power::Off {
                    return Err(libc::EIO);
                }
            }
            _ => {}
        }
        state.model.sync(inode)
    }

    /// Takes the lock of a file, without waiting.
    pub(crate) fn lock(&self, inode: Inode, owner: u64) -> Outcome<()> {
        let (mut state, _) = self.on(Operation::Lock, inode)?;
        match state.locks.get(&inode) {
            Some(holder) if *holder != owner => Err(libc::EAGAIN),
            _ => {
                state.locks.insert(inode, owner);
                Ok(())
            }
        }
    }

    pub(crate) fn unlock(&self, inode: Inode, owner: u64) {
        let mut state = self.state();
        if state.locks.get(&inode) == Some(&owner) {
            state.locks.remove(&inode);
        }
    }
}

/// Whether something must not be there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum New {
    Only,
    OrOld,
}
