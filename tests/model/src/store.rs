//! The shared store: each function is one atomic step of it.

use crate::model::Larder;
use crate::mutant::Mutant;
use crate::state::{Changed, Entry, Link, Push, State};

impl Larder {
    /// Grants the lease, unless a load or a write holds the key. An entry that is there does not
    /// keep a load out: that is how refreshes and entries under an old version are replaced.
    pub(crate) fn lease(state: &mut State, load: usize) -> bool {
        let store = &mut state.store;
        if store.lease.is_some() || store.claims.iter().any(Option::is_some) {
            return false;
        }
        store.lease = Some(load as u8);
        state.promise.lease = Some(load as u8);
        true
    }

    /// Stores what a load brought if its lease still holds, and ends the lease.
    pub(crate) fn fill(&self, state: &mut State, load: usize, entry: Entry) {
        if state.store.lease == Some(load as u8) || self.has(Mutant::FillWithoutToken) {
            state.store.entry = Some(entry);
        }
        self.release(state, load);
    }

    /// A load ends its lease, if it is still its own.
    pub(crate) fn release(&self, state: &mut State, load: usize) {
        let (token, store) = (Some(load as u8), &mut state.store);
        if store.lease == token || self.has(Mutant::EndWithoutToken) {
            store.lease = None;
        }
        if state.promise.lease == token {
            state.promise.lease = None;
        }
    }

    /// The lease runs out.
    pub(crate) fn lease_ends(state: &mut State) {
        state.store.lease = None;
        state.promise.lease = None;
    }

    /// A write begins: the entry goes, the lease is void, and of writes that overlap none fills.
    pub(crate) fn claim(&self, state: &mut State, write: usize) {
        let alone = state.store.claims.iter().all(Option::is_none);
        if !self.has(Mutant::WriteKeepsLease) {
            state.store.lease = None;
        }
        state.promise.lease = None;
        let overlapping = self.has(Mutant::OverlappingWritesFill);
        if !overlapping {
            void(&mut state.store.claims);
        }
        state.store.entry = None;
        state.store.claims[write] = Some(alone || overlapping);
    }

    /// A write stores its value if it may, and its claim ends. Answers whether it did.
    pub(crate) fn fill_claimed(&self, state: &mut State, write: usize, entry: Entry) -> bool {
        let stored = state.store.claims[write] == Some(true);
        if stored {
            state.store.entry = Some(entry);
            state.store.claims[write] = None;
            self.push(state, Changed::Key, entry.value);
        }
        stored
    }

    /// Removes the entry, voids the lease and the fills of writes.
    pub(crate) fn invalidate(&self, state: &mut State, value: u8) {
        state.store.entry = None;
        if !self.has(Mutant::InvalidateKeepsLease) {
            state.store.lease = None;
        }
        state.promise.lease = None;
        if !self.has(Mutant::InvalidateKeepsWrites) {
            void(&mut state.store.claims);
        }
        self.push(state, Changed::Key, value);
    }

    /// Gives the tag a new version.
    pub(crate) fn bump(&self, state: &mut State, value: u8) {
        state.store.tag += 1;
        self.push(state, Changed::Tag, value);
    }

    /// Tells every node that something changed. Pushes of changes that complete no write (a load
    /// filled, a write began) are left out: all they do, evictions and reads that insert nothing
    /// do at any moment.
    fn push(&self, state: &mut State, what: Changed, value: u8) {
        for node in state.nodes.iter_mut().take(self.scope.nodes) {
            if node.link == Link::Up {
                node.pushes.push(Push { what, value });
            }
        }
    }
}

fn void(claims: &mut [Option<bool>]) {
    for claim in claims.iter_mut().flatten() {
        *claim = false;
    }
}
