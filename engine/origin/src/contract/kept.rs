//! What an origin keeps beside values: versions, sequences and marks of what was deleted.

use super::batches::{apply, holds};
use super::subject::{put, remove};
use super::{Keeps, Subject};
use crate::Written;

async fn one(subject: &Subject, id: &str, version: Option<u32>, sequence: u64) -> Written {
    match apply(subject, &[(id, version, sequence)]).await.pop() {
        Some(Ok(written)) => written,
        other => panic!("{id} at {sequence}: {other:?}"),
    }
}

/// Each write answers a larger version than the one before, queued or not, and over a delete where
/// that only marks the row. Origins without versions answer none.
pub(super) async fn versions_grow_with_every_write(subject: &Subject) {
    let (
        id,
        Keeps {
            version, deleted, ..
        },
    ) = ("versions", subject.keeps);
    let value = |version| (subject.value)(id, version);
    let mut seen = Vec::new();
    seen.push(put(subject.origin(), id, &value(1)).await.version);
    seen.push(put(subject.origin(), id, &value(2)).await.version);
    seen.push(one(subject, id, Some(3), 30).await.version);
    let gone = remove(subject.origin(), id).await.version;
    if deleted {
        seen.push(gone);
        seen.push(put(subject.origin(), id, &value(4)).await.version);
        seen.push(one(subject, id, None, 40).await.version);
        seen.push(one(subject, id, Some(5), 50).await.version);
    } else {
        assert_eq!(gone, None, "there is no row that could have one");
    }
    if version {
        assert!(seen.is_sorted_by(|one, next| one < next), "{seen:?}");
        assert!(seen.iter().all(Option::is_some), "{seen:?}");
    } else {
        assert!(seen.iter().all(Option::is_none), "{seen:?}");
    }
}

/// A queued write whose sequence is not above the row's is answered as done, without value and
/// version, and changes nothing. Origins without sequences take it.
pub(super) async fn older_writes_are_not_taken(subject: &Subject) {
    let id = "older";
    one(subject, id, Some(2), 20).await;
    for sequence in [20, 10] {
        for value in [Some(1), None] {
            let written = one(subject, id, value, sequence).await;
            if subject.keeps.sequence {
                assert_eq!((written.value, written.version), (None, None), "{sequence}");
                holds(subject, id, Some(2), "after an older write").await;
            } else {
                holds(subject, id, value, "as there are no sequences").await;
            }
        }
    }
    one(subject, id, Some(3), 21).await;
    holds(subject, id, Some(3), "after a newer write").await;
}

/// A direct write waits until nothing of its row is queued, so every later queued write comes
/// after it, whatever the clocks say; what comes late was queued before.
pub(super) async fn a_direct_write_changes_no_place(subject: &Subject) {
    for (id, queued) in [("direct", true), ("direct-first", false)] {
        if queued {
            one(subject, id, Some(1), 10).await;
        }
        put(subject.origin(), id, &(subject.value)(id, 2)).await;
        if subject.keeps.sequence && queued {
            one(subject, id, Some(1), 10).await;
            holds(subject, id, Some(2), "after a replay").await;
        }
        one(subject, id, Some(3), 11).await;
        holds(subject, id, Some(3), "after a newer write").await;
    }
}

/// What comes late does not bring it back, what comes later does.
pub(super) async fn what_was_deleted_keeps_its_place(subject: &Subject) {
    for (id, queued) in [("buried", true), ("buried-directly", false)] {
        one(subject, id, Some(1), 10).await;
        match queued {
            true => drop(one(subject, id, None, 20).await),
            false => drop(remove(subject.origin(), id).await),
        }
        if subject.keeps.sequence && subject.keeps.deleted {
            one(subject, id, Some(1), 10).await;
            holds(subject, id, None, "after a replay").await;
            let again = one(subject, id, None, 20).await;
            assert_eq!(again.existed, Some(false), "{id} is gone");
        }
        one(subject, id, Some(2), 30).await;
        holds(subject, id, Some(2), "written again").await;
    }
}

/// Of a write and a delete only the delete may have been handed over, when the write comes late.
pub(super) async fn a_delete_of_nothing_takes_its_place(subject: &Subject) {
    let id = "never-there";
    let written = one(subject, id, None, 20).await;
    assert_ne!(written.existed, Some(true));
    holds(subject, id, None, "after a delete").await;
    if subject.keeps.sequence && subject.keeps.deleted {
        one(subject, id, Some(1), 10).await;
        holds(subject, id, None, "after a late write").await;
    }
    let written = one(subject, id, Some(2), 30).await;
    assert_ne!(written.existed, Some(true));
    holds(subject, id, Some(2), "after a later write").await;
}
