//! What clients did and what they were told: the log that the end is judged by.

/// One write or delete, as its client knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// What was written.
    pub key: String,
    /// Larger than the number of every write of this key that was begun before.
    pub number: u64,
    /// Whether it deletes.
    pub deletes: bool,
    /// When it was first sent, in nanoseconds since the run began.
    pub begun: u64,
    /// What became of it.
    pub fate: Fate,
}

/// What a client knows of its write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was acknowledged.
    Acknowledged {
        /// When, in nanoseconds since the run began.
        at: u64,
        /// Its place in the queue; none where it went straight to the origin.
        sequence: Option<u64>,
    },
    /// It was never answered, and given up: it may take effect or not.
    Unknown,
}

/// A read on the node that had just acknowledged a write of the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// What was read.
    pub key: String,
    /// The number of the write that was acknowledged before the read began.
    pub floor: u64,
    /// The number that was answered; none: there was no such thing.
    pub saw: Option<u64>,
}

/// What one client, or all of them, did.
#[derive(Debug, Default)]
pub struct Ledger {
    /// All writes.
    pub writes: Vec<Write>,
    /// Reads that did not answer the very write that was acknowledged before.
    pub looks: Vec<Look>,
    /// How many such reads were answered in all.
    pub reads: u64,
    /// Requests that were sent again.
    pub repeats: u64,
    /// Acknowledgements that said that the operation had been taken before.
    pub repeated: u64,
    /// The largest number of requests that one write took.
    pub attempts_max: u64,
    /// Refusals by the code of the answer, and how many.
    pub refusals: std::collections::BTreeMap<String, u64>,
}

impl Ledger {
    /// Takes over what another client did.
    pub fn add(&mut self, other: Self) {
        self.writes.extend(other.writes);
        self.looks.extend(other.looks);
        self.reads += other.reads;
        self.repeats += other.repeats;
        self.repeated += other.repeated;
        self.attempts_max = self.attempts_max.max(other.attempts_max);
        for (code, count) in other.refusals {
            *self.refusals.entry(code).or_default() += count;
        }
    }

    /// How many writes were acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        self.writes.iter().filter(|write| write.is_known()).count()
    }
}

impl Write {
    /// Its place in the queue, where its client was told one.
    #[must_use]
    pub const fn sequence(&self) -> Option<u64> {
        match self.fate {
            Fate::Acknowledged { sequence, .. } => sequence,
            Fate::Unknown => None,
        }
    }

    /// Whether it was acknowledged.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        matches!(self.fate, Fate::Acknowledged { .. })
    }
}
