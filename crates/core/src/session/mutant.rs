//! Deliberately broken variants of the protocol.

/// A deliberately broken variant of the protocol. The simulation turns each on and must see the
/// harm; a simulation that does not would prove nothing about the real one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Slots are recorded first and the data synced afterwards.
    RecordBeforeSync,
    /// What is recorded is everything stored when the sync returns, not when it began.
    LiveSet,
}
