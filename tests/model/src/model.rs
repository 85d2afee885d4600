//! The protocol as a transition system.

use stateright::{Model, Property};

use crate::action::Action;
use crate::mutant::Mutant;
use crate::properties;
use crate::scope::{FirstLevel, Scope};
use crate::state::{Entry, Link, Load, Read, State};

/// Larder's coherence protocol, whole or with one rule left out.
#[derive(Clone, Copy, Debug)]
pub struct Larder {
    /// How much is explored.
    pub scope: Scope,
    /// The rule that is left out.
    pub mutant: Option<Mutant>,
}

impl Larder {
    /// Whether the rule is left out.
    pub(crate) fn has(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn load_fills(&self, state: &mut State, at: usize) {
        let Load::Fetched { mut entry } = state.loads[at] else {
            return;
        };
        if self.has(Mutant::VersionsAfterLoad) {
            entry.version = state.store.tag;
        }
        state.loads[at] = Load::Idle;
        self.fill(state, at, entry);
    }

    fn step(&self, state: &mut State, action: Action) {
        match action {
            Action::LoadVersion(at) => {
                let version = state.store.tag;
                state.loads[at] = Load::Versioned { version };
            }
            Action::LoadLease(at) => {
                if let Load::Versioned { version } = state.loads[at]
                    && Self::lease(state, at)
                {
                    state.loads[at] = Load::Leased { version };
                }
            }
            Action::LoadOrigin(at) => {
                if let Load::Leased { version } = state.loads[at] {
                    let value = state.origin;
                    let entry = Entry { value, version };
                    state.loads[at] = Load::Fetched { entry };
                }
            }
            Action::LoadFill(at) => self.load_fills(state, at),
            Action::LoadGiveUp(at) => {
                state.loads[at] = Load::Idle;
                self.release(state, at);
            }
            Action::LoadDie(at) => state.loads[at] = Load::Idle,
            Action::LeaseEnds => Self::lease_ends(state),
            Action::ClaimEnds(at) => state.store.claims[at] = None,
            Action::WriteBegin(at, node, way) => self.begin_write(state, at, node, way),
            Action::WriteGoOn(at, _) => self.go_on(state, at),
            Action::ReadEntry(at, read) => self.read_entry(state, at, read),
            Action::ReadVersion(at, read) => self.read_version(state, at, read),
            Action::ReadTag(at, read) => Self::read_tag(state, at, read),
            Action::ReadInsert(at, read) => Self::insert(&mut state.nodes[at], read),
            Action::ReadDrop(at, read) => state.nodes[at].reads[read] = Read::Idle,
            Action::EvictEntry(at) => state.nodes[at].entry = None,
            Action::EvictTag(at) => state.nodes[at].tag = None,
            Action::Deliver(at) => self.deliver(state, at),
            Action::Cut(at) => Self::cut(&mut state.nodes[at]),
            Action::Notice(at) => self.notice(state, at),
            Action::Reconnect(at) => Self::reconnect(state, at),
        }
    }
}

impl Model for Larder {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut state = State::default();
        if self.scope.first_level == FirstLevel::None {
            for node in &mut state.nodes {
                node.link = Link::Down;
            }
        }
        vec![state]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.possible(state, actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        self.step(&mut state, action);
        if self.mutant.is_none() && !self.scope.exact {
            state.forget_void();
        }
        state.order();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all(self.scope)
    }
}
