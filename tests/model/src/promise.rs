//! What callers were promised so far: the specification beside the protocol.

use crate::state::NODES;

/// Promises are written by steps and read by properties; the protocol never looks at them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Promise {
    /// The newest write that the shared store has followed. A read of the store that begins now
    /// answers nothing older. The published promise begins with the reply, which comes later, so
    /// this one is the stronger.
    pub settled: u8,
    /// For each node the newest write that it replied to.
    pub replied: [u8; NODES],
    /// For each node the newest write whose push it took, or whose loss it noticed.
    pub told: [u8; NODES],
    /// The lease that was granted and since then neither used, given up by its holder, voided
    /// nor run out.
    pub lease: Option<u8>,
    /// Whether a read of the shared store answered something older than promised.
    pub stale_read: bool,
}

impl Promise {
    /// The store has followed `write`.
    pub fn settle(&mut self, write: u8) {
        self.settled = self.settled.max(write);
    }

    /// `node` replied to the caller of `write`.
    pub fn reply(&mut self, node: usize, write: u8) {
        self.replied[node] = self.replied[node].max(write);
    }

    /// `node` took the push of `write`.
    pub fn tell(&mut self, node: usize, write: u8) {
        self.told[node] = self.told[node].max(write);
    }

    /// `node` knows that it may have missed any push.
    pub fn tell_all(&mut self, node: usize) {
        self.tell(node, self.settled);
    }
}
