//! How writes wait and how they are flushed.

/// What becomes of a write that a full queue does not take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFull {
    /// It goes to the origin at once, after whatever its row has in the queue.
    #[default]
    WriteThrough,
    /// It is refused.
    Refuse,
}

impl OnFull {
    /// The name used in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WriteThrough => "write_through",
            Self::Refuse => "refuse",
        }
    }
}

/// How a queue is flushed. How much it holds is a matter of the queue itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueTuning {
    /// What becomes of writes while the queue is full.
    pub on_full: OnFull,
    /// The most changes that are handed to an origin at once. Default: 500.
    pub batch_max: usize,
    /// How long changes are gathered before they are handed over, in milliseconds. A batch that is
    /// full does not wait. Default: 50.
    pub batch_age_ms: u64,
    /// After how many tries a change is given up that the origin fails at while it takes others.
    /// Default: 20.
    pub attempts_max: u32,
    /// How long a node has the right to flush a partition unless it renews it, in milliseconds:
    /// what a node that died was flushing, others flush after that. Default: 10 s.
    pub claim_ttl_ms: u64,
}

impl Default for QueueTuning {
    fn default() -> Self {
        Self {
            on_full: OnFull::default(),
            batch_max: 500,
            batch_age_ms: 50,
            attempts_max: 20,
            claim_ttl_ms: 10_000,
        }
    }
}
