//! What may happen next.

use crate::model::Larder;
use crate::scope::FirstLevel;
use crate::state::{Link, Load, Node, Read, State, Way, Write};
use crate::write::WriteStep;

/// One atomic step of somebody. Numbers are places in the state's arrays, in the order of the
/// state before the step: loads and reads may change places after each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A load begins and reads the tag's version.
    LoadVersion(usize),
    /// It is granted the lease.
    LoadLease(usize),
    /// The origin answers it.
    LoadOrigin(usize),
    /// It tries to store, and ends.
    LoadFill(usize),
    /// It fails, and gives its lease up.
    LoadGiveUp(usize),
    /// It dies, or was refused the lease; a lease that it holds stays until it runs out.
    LoadDie(usize),
    /// The lease runs out.
    LeaseEnds,
    /// The claim of a write runs out.
    ClaimEnds(usize),
    /// A node begins a write.
    WriteBegin(usize, u8, Way),
    /// It goes on. A write that crashed is one that does not.
    WriteGoOn(usize, WriteStep),
    /// A node begins a read of the store and has the entry.
    ReadEntry(usize, usize),
    /// It has the tag's version, and answers.
    ReadVersion(usize, usize),
    /// A read of another key brings the tag's version.
    ReadTag(usize, usize),
    /// A read inserts into the first level.
    ReadInsert(usize, usize),
    /// A read ends and inserts nothing.
    ReadDrop(usize, usize),
    /// The first level of a node evicts the copy of the entry.
    EvictEntry(usize),
    /// The first level of a node evicts the copy of the tag's version.
    EvictTag(usize),
    /// The oldest push reaches a node.
    Deliver(usize),
    /// The link of a node is cut.
    Cut(usize),
    /// The node notices.
    Notice(usize),
    /// The link is back.
    Reconnect(usize),
}

impl Larder {
    /// All that may happen next in `state`.
    pub(crate) fn possible(&self, state: &State, all: &mut Vec<Action>) {
        self.loads(state, all);
        self.writes(state, all);
        for (at, node) in state.nodes.iter().enumerate().take(self.scope.nodes) {
            self.reads(state, (at, node), all);
            self.link((at, node), all);
        }
    }

    fn loads(&self, state: &State, all: &mut Vec<Action>) {
        // Places are kept in order, the free ones first: one of them stands for all.
        let first = state.loads.len() - self.scope.loads;
        if state.loads[first] == Load::Idle {
            all.push(Action::LoadVersion(first));
        }
        let free = state.store.lease.is_none() && state.store.claims.iter().all(Option::is_none);
        for (at, load) in state.loads.iter().enumerate() {
            match load {
                Load::Idle => continue,
                Load::Versioned { .. } if free => all.push(Action::LoadLease(at)),
                Load::Versioned { .. } => {}
                Load::Leased { .. } => all.extend([Action::LoadOrigin(at), Action::LoadGiveUp(at)]),
                Load::Fetched { .. } => all.push(Action::LoadFill(at)),
            }
            all.push(Action::LoadDie(at));
        }
        if state.store.lease.is_some() {
            all.push(Action::LeaseEnds);
        }
    }

    fn writes(&self, state: &State, all: &mut Vec<Action>) {
        let begun = |at: &usize| state.writes[*at] == Write::Idle;
        if let Some(at) = (0..self.scope.writes).find(begun) {
            // Nodes looked at are alike until the first write tells them apart, and where none has a
            // first level it matters to nobody which one writes.
            let nodes = if at == 0 && self.scope.nodes == 2 {
                1
            } else {
                2
            };
            for node in 0..nodes {
                for way in self.scope.ways {
                    all.push(Action::WriteBegin(at, node, *way));
                }
            }
        }
        for (at, write) in state.writes.iter().enumerate() {
            all.extend(write.next().map(|step| Action::WriteGoOn(at, step)));
            if state.store.claims[at].is_some() {
                all.push(Action::ClaimEnds(at));
            }
        }
    }

    fn reads(&self, state: &State, (at, node): (usize, &Node), all: &mut Vec<Action>) {
        let first = node.reads.len() - self.scope.reads;
        if node.reads[first] == Read::Idle {
            if state.store.entry.is_some() {
                all.push(Action::ReadEntry(at, first));
            }
            if node.link != Link::Down {
                all.push(Action::ReadTag(at, first));
            }
        }
        for (read, stage) in node.reads.iter().enumerate() {
            match stage {
                Read::Idle => continue,
                Read::Entry { .. } => all.push(Action::ReadVersion(at, read)),
                Read::Answered { .. } => all.push(Action::ReadInsert(at, read)),
            }
            all.push(Action::ReadDrop(at, read));
        }
        if node.entry.is_some() {
            all.push(Action::EvictEntry(at));
        }
        if node.tag.is_some() {
            all.push(Action::EvictTag(at));
        }
    }

    fn link(&self, (at, node): (usize, &Node), all: &mut Vec<Action>) {
        if !node.pushes.is_empty() {
            all.push(Action::Deliver(at));
        }
        match node.link {
            Link::Up if self.scope.first_level == FirstLevel::Cut => all.push(Action::Cut(at)),
            Link::Up => {}
            Link::Cut => all.push(Action::Notice(at)),
            Link::Down if self.scope.first_level == FirstLevel::None => {}
            Link::Down => all.push(Action::Reconnect(at)),
        }
    }
}
