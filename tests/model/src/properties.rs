//! What must hold in every state, and what must happen in some, lest the model be empty.

use stateright::Property;

use crate::model::Larder;
use crate::scope::{FirstLevel, Scope};
use crate::state::{Link, Load, NODES, Read, State};
use crate::write::WriteStep;

/// On the node that invalidated, nothing older after its reply.
pub const OWN: &str = "own node: nothing older after the reply";
/// On any other node, nothing older after the push or the noticed cut.
pub const OTHER: &str = "other node: nothing older after the push";
/// From the shared store, nothing older after the invalidation.
pub const STORE: &str = "store: nothing older after the invalidation";
/// A lease is taken from nobody but by time, an invalidation or a write.
pub const LEASE: &str = "lease: ended by nobody else's load";

/// All that must hold in every state.
pub const ALWAYS: [&str; 4] = [OWN, OTHER, STORE, LEASE];

/// The properties of a run in `scope`.
pub(crate) fn all(scope: Scope) -> Vec<Property<Larder>> {
    let mut all = vec![
        Property::always(OWN, own),
        Property::always(OTHER, other),
        Property::always(STORE, store),
        Property::always(LEASE, lease),
        Property::sometimes("a stored fill will be served", served),
        Property::sometimes("a fill will be refused", refused),
    ];
    if scope.first_level != FirstLevel::None {
        all.push(Property::sometimes("a hit in the first level", hit));
        all.push(Property::sometimes("the last value is a hit", last_hit));
    }
    if scope.first_level == FirstLevel::Cut {
        all.push(Property::sometimes("a cut is noticed", noticed));
    }
    if scope.ways.iter().any(|way| way.fills()) {
        all.push(Property::sometimes("a write will fill", write_fills));
    }
    all
}

fn own(model: &Larder, state: &State) -> bool {
    nothing_older(model, state, state.promise.replied)
}

fn other(model: &Larder, state: &State) -> bool {
    nothing_older(model, state, state.promise.told)
}

/// Whether a read that begins now and hits the first level of a node is answered nothing older
/// than `than`.
fn nothing_older(model: &Larder, state: &State, than: [u8; NODES]) -> bool {
    let mut nodes = state.nodes.iter().zip(than);
    nodes.all(|(node, than)| model.hit(node).is_none_or(|entry| entry.value >= than))
}

fn store(_: &Larder, state: &State) -> bool {
    !state.promise.stale_read
}

fn lease(_: &Larder, state: &State) -> bool {
    let rightful = state.promise.lease;
    rightful.is_none() || rightful == state.store.lease
}

fn hit(model: &Larder, state: &State) -> bool {
    state.nodes.iter().any(|node| model.hit(node).is_some())
}

fn last_hit(model: &Larder, state: &State) -> bool {
    let mut hits = state.nodes.iter().filter_map(|node| model.hit(node));
    hits.any(|entry| usize::from(entry.value) == model.scope.writes)
}

fn served(_: &Larder, state: &State) -> bool {
    let valid =
        |read: &Read| matches!(read, Read::Entry { entry, .. } if entry.version == state.store.tag);
    let mut nodes = state.nodes.iter();
    nodes.any(|node| node.reads.iter().any(valid))
}

fn refused(_: &Larder, state: &State) -> bool {
    let late = |(at, load): (usize, &Load)| {
        matches!(load, Load::Fetched { .. }) && state.store.lease != Some(at as u8)
    };
    state.loads.iter().enumerate().any(late)
}

fn noticed(_: &Larder, state: &State) -> bool {
    state.nodes.iter().any(|node| node.link == Link::Down)
}

fn write_fills(_: &Larder, state: &State) -> bool {
    let mut writes = state.writes.iter().zip(&state.store.claims);
    writes.any(|(write, claim)| write.next() == Some(WriteStep::Fill) && *claim == Some(true))
}
