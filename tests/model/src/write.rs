//! Writes: at the origin first, then the cache follows, then the reply.

use crate::model::Larder;
use crate::mutant::Mutant;
use crate::state::{Entry, State, Terms, Way, Write};

/// The next thing that a write does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WriteStep {
    /// The origin commits.
    Commit,
    /// The store removes the entry.
    Invalidate,
    /// The store gives the tag a new version.
    Bump,
    /// The store takes the new value, or refuses it.
    Fill,
    /// The node clears its own first level and replies.
    Reply,
}

impl Write {
    /// What comes next, if anything does.
    #[must_use]
    pub const fn next(&self) -> Option<WriteStep> {
        Some(match self {
            Self::Idle | Self::Done => return None,
            Self::Begun(_) => WriteStep::Commit,
            Self::Committed(terms, _) => match terms.way {
                Way::Key => WriteStep::Invalidate,
                Way::Tag | Way::ThroughTag => WriteStep::Bump,
                Way::Through => WriteStep::Fill,
            },
            Self::Bumped(..) => WriteStep::Fill,
            Self::Refused(..) => WriteStep::Invalidate,
            Self::Settled(..) => WriteStep::Reply,
        })
    }
}

impl Larder {
    /// A write begins: one that fills claims the key, any other commits.
    pub(crate) fn begin_write(&self, state: &mut State, at: usize, node: u8, way: Way) {
        // As for loads, the version is read in the same step.
        let under = if way.fills() { state.store.tag } else { 0 };
        let terms = Terms { node, way, under };
        state.writes[at] = if way.fills() {
            self.claim(state, at);
            Write::Begun(terms)
        } else {
            commit(state, terms)
        };
    }

    /// The next step of a write.
    pub(crate) fn go_on(&self, state: &mut State, at: usize) {
        state.writes[at] = match state.writes[at] {
            Write::Begun(terms) => commit(state, terms),
            Write::Committed(terms, value) => self.follow(state, at, terms, value),
            Write::Bumped(terms, value, alone) => {
                self.write_fills(state, at, (terms, value), alone)
            }
            Write::Refused(terms, value) => {
                if !self.has(Mutant::RefusedWriteKeepsEntry) {
                    self.invalidate(state, value);
                }
                state.store.claims[at] = None;
                settled(state, terms, value)
            }
            Write::Settled(terms, value) => self.reply(state, terms, value),
            done @ (Write::Idle | Write::Done) => done,
        };
    }

    fn follow(&self, state: &mut State, at: usize, terms: Terms, value: u8) -> Write {
        match terms.way {
            Way::Key => {
                self.invalidate(state, value);
                settled(state, terms, value)
            }
            Way::Tag => {
                self.bump(state, value);
                settled(state, terms, value)
            }
            Way::Through => self.write_fills(state, at, (terms, value), true),
            Way::ThroughTag => {
                let alone = state.store.tag == terms.under || self.has(Mutant::OwnStepUnchecked);
                self.bump(state, 0);
                let under = state.store.tag;
                Write::Bumped(Terms { under, ..terms }, value, alone)
            }
        }
    }

    fn write_fills(
        &self,
        state: &mut State,
        at: usize,
        (terms, value): (Terms, u8),
        alone: bool,
    ) -> Write {
        let version = terms.under;
        if alone && self.fill_claimed(state, at, Entry { value, version }) {
            settled(state, terms, value)
        } else {
            Write::Refused(terms.without_version(), value)
        }
    }

    /// Clearing and replying are one step: what is promised from the reply on is checked from the
    /// clearing on.
    fn reply(&self, state: &mut State, terms: Terms, value: u8) -> Write {
        let node = usize::from(terms.node);
        if node < self.scope.nodes {
            self.clear_own(&mut state.nodes[node], terms.way.changes());
            state.promise.reply(node, value);
        }
        Write::Done
    }
}

fn commit(state: &mut State, terms: Terms) -> Write {
    state.origin += 1;
    Write::Committed(terms, state.origin)
}

fn settled(state: &mut State, terms: Terms, value: u8) -> Write {
    state.promise.settle(value);
    Write::Settled(terms.without_version(), value)
}
