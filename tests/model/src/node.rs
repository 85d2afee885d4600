//! One node's first level: what goes in, what takes it out, and when it is served.

use crate::model::Larder;
use crate::mutant::Mutant;
use crate::state::{Changed, Entry, Link, Node, Read, State};

impl Larder {
    /// What a read that begins now is answered from the first level.
    pub(crate) fn hit(&self, node: &Node) -> Option<Entry> {
        let entry = node.entry.filter(|_| node.link != Link::Down)?;
        let valid = node.tag == Some(entry.version) || self.has(Mutant::CopyHitWithoutVersion);
        valid.then_some(entry)
    }

    /// A read of the shared store begins: notes the generations, and the store answers the entry.
    /// One step, because a generation that is bumped between the two only keeps the read from
    /// inserting.
    pub(crate) fn read_entry(&self, state: &mut State, at: usize, read: usize) {
        let Some(entry) = state.store.entry else {
            return;
        };
        let node = &mut state.nodes[at];
        let keep = node.link != Link::Down || self.has(Mutant::InsertFromBeforeReconnect);
        let old = entry.value < state.promise.settled;
        node.reads[read] = Read::Entry { entry, old, keep };
    }

    /// The store answers the tag's version, and the node its caller.
    pub(crate) fn read_version(&self, state: &mut State, at: usize, read: usize) {
        let version = state.store.tag;
        let node = &mut state.nodes[at];
        let Read::Entry { entry, old, keep } = node.reads[read] else {
            return;
        };
        let keep = keep || (self.has(Mutant::GenerationsNotedLate) && node.link != Link::Down);
        let valid = entry.version == version || self.has(Mutant::StoreHitWithoutVersion);
        state.promise.stale_read |= valid && old;
        let entry = Some(entry);
        node.reads[read] = if valid && keep {
            Read::Answered { entry, version }
        } else {
            Read::Idle
        };
    }

    /// A read of another key with the same tag brings the tag's version.
    pub(crate) fn read_tag(state: &mut State, at: usize, read: usize) {
        let version = state.store.tag;
        let entry = None;
        state.nodes[at].reads[read] = Read::Answered { entry, version };
    }

    /// A read inserts what it was answered. That the generations are unchanged was seen to by
    /// [`Larder::bump_generations`].
    pub(crate) fn insert(node: &mut Node, read: usize) {
        if let Read::Answered { entry, version } = node.reads[read] {
            node.entry = entry.or(node.entry);
            node.tag = Some(version);
            node.reads[read] = Read::Idle;
        }
    }

    /// The oldest push arrives.
    pub(crate) fn deliver(&self, state: &mut State, at: usize) {
        let node = &mut state.nodes[at];
        if node.pushes.is_empty() {
            return;
        }
        let push = node.pushes.remove(0);
        forget(node, push.what);
        if !self.has(Mutant::PushKeepsGenerations) {
            self.bump_generations(node, push.what);
        }
        state.promise.tell(at, push.value);
    }

    /// The node has the store's answer to its own invalidation, and is about to reply.
    pub(crate) fn clear_own(&self, node: &mut Node, what: Changed) {
        if self.has(Mutant::OwnWriteKeepsCopy) {
            return;
        }
        forget(node, what);
        if !self.has(Mutant::OwnWriteKeepsGenerations) {
            self.bump_generations(node, what);
        }
    }

    /// The link is cut: pushes under way are lost, and so are those to come.
    pub(crate) fn cut(node: &mut Node) {
        node.link = Link::Cut;
        node.pushes.clear();
    }

    /// The node notices: a new epoch of all generations, and no first level until the link is
    /// back.
    pub(crate) fn notice(&self, state: &mut State, at: usize) {
        let node = &mut state.nodes[at];
        node.link = Link::Down;
        if !self.has(Mutant::CutKeepsCopies) {
            forget(node, Changed::Both);
        }
        if !self.has(Mutant::CutKeepsEpoch) {
            self.bump_generations(node, Changed::Both);
        }
        state.promise.tell_all(at);
    }

    /// The link is back, and the first level in use.
    pub(crate) fn reconnect(state: &mut State, at: usize) {
        state.nodes[at].link = Link::Up;
        state.promise.tell_all(at);
    }

    /// Reads that noted a generation before it was bumped go on and insert nothing.
    fn bump_generations(&self, node: &mut Node, what: Changed) {
        if self.has(Mutant::InsertUnchecked) {
            return;
        }
        for read in &mut node.reads {
            match read {
                Read::Entry { keep, .. } => *keep = false,
                Read::Answered { entry, .. } if what.tag() || entry.is_some() => *read = Read::Idle,
                Read::Answered { .. } | Read::Idle => {}
            }
        }
    }
}

fn forget(node: &mut Node, what: Changed) {
    if what.key() {
        node.entry = None;
    }
    if what.tag() {
        node.tag = None;
    }
}
