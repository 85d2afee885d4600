//! How much is explored, and where each mutant is caught.

use larder_model::mutant::Mutant;
use larder_model::properties::{LEASE, OTHER, OWN, STORE};
use larder_model::scope::{FirstLevel, Scope};
use larder_model::state::Way;

const INVALIDATIONS: &[Way] = &[Way::Key, Way::Tag];
const EVERY_WAY: &[Way] = &[Way::Key, Way::Tag, Way::Through, Way::ThroughTag];

const NODE: Scope = Scope::SMALL;
const STORE_ALONE: Scope = Scope {
    first_level: FirstLevel::None,
    ..NODE
};

const EVERY_WRITE: Scope = Scope {
    name: "store alone, every way to write",
    ways: EVERY_WAY,
    ..STORE_ALONE
};
const STORE_INVALIDATED: Scope = Scope {
    name: "store alone, three invalidations",
    ways: INVALIDATIONS,
    writes: 3,
    ..STORE_ALONE
};
const NODE_INVALIDATED: Scope = Scope {
    name: "by key and tag, two reads",
    ways: INVALIDATIONS,
    loads: 1,
    reads: 2,
    ..NODE
};
const LINK_CUT: Scope = Scope {
    name: "by key and tag, links cut",
    first_level: FirstLevel::Cut,
    ways: INVALIDATIONS,
    loads: 1,
    ..NODE
};

/// Explored by every run of the tests.
pub(crate) const USUAL: [Scope; 9] = [
    EVERY_WRITE,
    STORE_INVALIDATED,
    Scope {
        name: "two nodes, by key",
        nodes: 2,
        loads: 1,
        ..NODE
    },
    Scope {
        name: "by key, three writes",
        writes: 3,
        loads: 1,
        ..NODE
    },
    Scope {
        name: "by tag, two loads",
        ways: &[Way::Tag],
        ..NODE
    },
    NODE_INVALIDATED,
    LINK_CUT,
    Scope {
        name: "written through and by key",
        ways: &[Way::Key, Way::Through],
        loads: 1,
        ..NODE
    },
    Scope {
        name: "by tag, nothing forgotten",
        ways: &[Way::Tag],
        loads: 1,
        exact: true,
        ..NODE
    },
];

/// Explored on request: minutes and gigabytes.
pub(crate) const DEEP: [Scope; 6] = [
    Scope {
        name: "store alone, three loads",
        ways: EVERY_WAY,
        loads: 3,
        ..STORE_ALONE
    },
    Scope {
        name: "store alone, three writes",
        ways: EVERY_WAY,
        writes: 3,
        loads: 1,
        ..STORE_ALONE
    },
    Scope {
        name: "two nodes, by tag",
        nodes: 2,
        ways: &[Way::Tag],
        loads: 1,
        ..NODE
    },
    Scope {
        name: "by key and tag, two loads",
        ways: INVALIDATIONS,
        ..NODE
    },
    Scope {
        name: "written through with its tag, and by tag",
        ways: &[Way::Tag, Way::ThroughTag],
        loads: 1,
        ..NODE
    },
    Scope {
        name: "by tag, two loads, nothing forgotten",
        ways: &[Way::Tag],
        exact: true,
        ..NODE
    },
];

/// The promise that a mutant breaks, and one of [`USUAL`] that shows it: with every rule in place
/// the same scope is clean.
pub(crate) const fn caught(mutant: Mutant) -> (&'static str, Scope) {
    match mutant {
        Mutant::VersionsAfterLoad
        | Mutant::InvalidateKeepsLease
        | Mutant::FillWithoutToken
        | Mutant::StoreHitWithoutVersion => (STORE, STORE_INVALIDATED),
        Mutant::EndWithoutToken => (LEASE, STORE_INVALIDATED),
        Mutant::CopyHitWithoutVersion
        | Mutant::InsertUnchecked
        | Mutant::GenerationsNotedLate
        | Mutant::PushKeepsGenerations => (OTHER, NODE_INVALIDATED),
        Mutant::OwnWriteKeepsCopy | Mutant::OwnWriteKeepsGenerations => (OWN, NODE_INVALIDATED),
        Mutant::CutKeepsCopies | Mutant::CutKeepsEpoch | Mutant::InsertFromBeforeReconnect => {
            (OTHER, LINK_CUT)
        }
        Mutant::WriteKeepsLease
        | Mutant::OverlappingWritesFill
        | Mutant::InvalidateKeepsWrites
        | Mutant::RefusedWriteKeepsEntry
        | Mutant::OwnStepUnchecked => (STORE, EVERY_WRITE),
    }
}
