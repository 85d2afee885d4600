//! What the model remembers: the origin, the shared store, and everybody who is under way.

use crate::promise::Promise;

/// The nodes that a state has room for.
pub const NODES: usize = 2;
/// The loads under way at once that a state has room for.
pub const LOADS: usize = 3;
/// The writes that a state has room for.
pub const WRITES: usize = 3;
/// The reads under way at once on one node that a state has room for.
pub const READS: usize = 2;

/// Everything at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    /// The origin's value: the number of writes that it has committed.
    pub origin: u8,
    /// What the nodes share.
    pub store: Shared,
    /// Loads under way, on any node: what a load does depends on the store alone.
    pub loads: [Load; LOADS],
    /// Writes, in the order in which they began.
    pub writes: [Write; WRITES],
    /// The nodes whose first level is looked at.
    pub nodes: [Node; NODES],
    /// What callers were promised so far. No step reads it; the properties do.
    pub promise: Promise,
}

/// A value and the version of the tag that it was loaded under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entry {
    /// The origin's value at the time of the load.
    pub value: u8,
    /// The tag's version that was read for it.
    pub version: u8,
}

/// The shared store: one key and one tag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Shared {
    /// The entry of the key.
    pub entry: Option<Entry>,
    /// The present version of the tag.
    pub tag: u8,
    /// The load that holds the lease; its place in [`State::loads`] is the token.
    pub lease: Option<u8>,
    /// The claims of writes, by place in [`State::writes`]: none, or whether it may still fill.
    pub claims: [Option<bool>; WRITES],
}

/// A load. One that dies is one whose place is free again while its lease lasts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Load {
    /// The place is free.
    #[default]
    Idle,
    /// The tag's version was read.
    Versioned {
        /// It.
        version: u8,
    },
    /// The lease was granted; whether it still holds, only the store knows.
    Leased {
        /// The tag's version as read before.
        version: u8,
    },
    /// The origin answered.
    Fetched {
        /// What would be stored.
        entry: Entry,
    },
}

/// How a write makes the cache follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// Commit, then invalidate the key.
    Key,
    /// Commit, then bump the tag.
    Tag,
    /// Claim the key, commit, then fill with the new value.
    Through,
    /// As `Through`, and bump the tag of the entry in between.
    ThroughTag,
}

/// A write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Write {
    /// Not begun.
    #[default]
    Idle,
    /// Claimed the key, not committed.
    Begun(Terms),
    /// Committed at the origin; the cache does not know yet.
    Committed(Terms, u8),
    /// Bumped the tag. The new value may be stored if nobody else bumped it in between.
    Bumped(Terms, u8, bool),
    /// Its fill was refused: the key must be invalidated instead.
    Refused(Terms, u8),
    /// The store has followed, its answer is on the way to the node.
    Settled(Terms, u8),
    /// The caller has the reply.
    Done,
}

/// What a write knows from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Terms {
    /// The node that writes. One beyond the nodes looked at is "elsewhere".
    pub node: u8,
    /// How.
    pub way: Way,
    /// The tag's version that the new value is stored under.
    pub under: u8,
}

/// One node: its first level, its reads, and its link to the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Node {
    /// The copy of the key's entry.
    pub entry: Option<Entry>,
    /// The copy of the tag's version.
    pub tag: Option<u8>,
    /// Reads of the shared store under way.
    pub reads: [Read; READS],
    /// Invalidation pushes on their way here, oldest first.
    pub pushes: Vec<Push>,
    /// The connection that the pushes come on.
    pub link: Link,
}

/// A read of the shared store by a node. A hit in the first level is over in one step and needs
/// no state. Generations are kept as what they are compared for: whether one was bumped since
/// the read noted it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Read {
    /// The place is free.
    #[default]
    Idle,
    /// Noted the generations, then read the entry. The tag's version is read next.
    Entry {
        /// As the store had it.
        entry: Entry,
        /// Whether it is older than what a read that begins here was promised.
        old: bool,
        /// Whether it may go into the first level: the generations are still those noted, and
        /// the link was up then.
        keep: bool,
    },
    /// Answered with a valid entry, which goes into the first level next; none is a read of
    /// another key with the same tag, which brings the tag's version alone.
    Answered {
        /// The entry.
        entry: Option<Entry>,
        /// The tag's version as the store had it.
        version: u8,
    },
}

/// The connection that pushes come on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Link {
    /// Pushes arrive.
    #[default]
    Up,
    /// Pushes are lost and the node does not know.
    Cut,
    /// The node knows, and does without its first level.
    Down,
}

/// The word that something changed in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Push {
    /// What changed.
    pub what: Changed,
    /// The write that it completes; 0 where it completes none.
    pub value: u8,
}

/// What an invalidation or a push is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Changed {
    /// The entry.
    Key,
    /// The tag's version.
    Tag,
    /// Both.
    Both,
}

impl Way {
    /// Whether it claims the key and fills it.
    #[must_use]
    pub const fn fills(self) -> bool {
        matches!(self, Self::Through | Self::ThroughTag)
    }

    /// What it makes stale.
    #[must_use]
    pub const fn changes(self) -> Changed {
        match self {
            Self::Key | Self::Through => Changed::Key,
            Self::Tag => Changed::Tag,
            Self::ThroughTag => Changed::Both,
        }
    }
}

impl Terms {
    /// The same for a write that stores nothing any more.
    pub(crate) const fn without_version(self) -> Self {
        Self { under: 0, ..self }
    }
}

impl Changed {
    /// Whether the entry changed.
    #[must_use]
    pub const fn key(self) -> bool {
        matches!(self, Self::Key | Self::Both)
    }

    /// Whether the tag's version changed.
    #[must_use]
    pub const fn tag(self) -> bool {
        matches!(self, Self::Tag | Self::Both)
    }
}
