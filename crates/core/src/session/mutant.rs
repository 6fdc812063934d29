//! Deliberately broken variants of the protocol.

/// A deliberately broken variant of the protocol. The simulation turns each on and must see the
/// harm; a simulation that does not would prove nothing about the real one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Slots are recorded first and the data synced afterwards.
    RecordBeforeSync,
    /// What is recorded is everything stored when the sync returns, not when it began.
    LiveSet,
    /// A failed sync is taken for a successful one, as its repetition would be.
    SyncErrorIgnored,
    /// Kept parts count whatever is read back.
    RehashIgnored,
    /// Parts are fetched again while their slots still vouch for what is overwritten.
    VoidSkipped,
    /// A finished part has the CRC of its last piece, not of all.
    PrefixForgotten,
    /// Parts of an object that has changed are kept.
    ChangeIgnored,
    /// Failed ranges are tried again at once.
    NoBackoff,
    /// What the server asks to wait is not waited.
    RetryAfterIgnored,
    /// Silent connections are waited for.
    StallIgnored,
    /// Requests are begun however much is not recorded yet.
    BacklogIgnored,
}
