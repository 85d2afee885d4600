//! The suite that every origin passes. It fails by panicking, as tests do.
#![allow(
    clippy::panic,
    reason = "a suite of tests reports a broken promise by panicking"
)]

mod batches;
mod kept;

use futures_util::future::join_all;
use larder_core::Value;

use crate::{Change, Origin, Wanted, Written};

/// What an origin keeps of a row beside its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keeps {
    /// A number that every write raises, and answers.
    pub version: bool,
    /// The number of the last queued write, by which older ones are not taken.
    pub sequence: bool,
    /// That the row was deleted, so that version and sequence outlive it.
    pub deleted: bool,
}

/// An origin under test. It must hold nothing under the ids that the suite uses.
pub struct Subject<'a> {
    /// Which.
    pub origin: &'a dyn Origin,
    /// What it keeps beside values.
    pub keeps: Keeps,
    /// The value to write for an id: a different one for each id and each version.
    pub value: &'a dyn Fn(&str, u32) -> Value,
    /// A value that it refuses under every id.
    pub poison: Value,
}

/// Ids that break careless addresses, statements and keys.
const AWKWARD: [&str; 14] = [
    "two words",
    "a/b",
    "../secret",
    "x'; DROP TABLE items; --",
    "\"quoted\" `and` [more]",
    "100%",
    "%2F%00",
    "a?b=c&d=e#f",
    "grün/日本/🦀",
    "{id}",
    "semi;colon:colon",
    "back\\slash",
    "+plus",
    "_%",
];

/// Runs every clause.
pub async fn all(subject: &Subject<'_>) {
    let Subject { origin, value, .. } = *subject;
    absent_is_none(origin).await;
    a_write_is_loaded(origin, value).await;
    a_delete_is_final(origin, value).await;
    awkward_ids_name_themselves(origin, value).await;
    loads_run_together(origin, value).await;
    batches::all(subject).await;
    kept::all(subject).await;
}

/// Nothing there is `None`, not an error, for loads and deletes.
async fn absent_is_none(origin: &dyn Origin) {
    assert_eq!(load(origin, "nothing").await, None);
    assert_ne!(delete(origin, "nothing").await, Some(true));
    assert_eq!(load(origin, "nothing").await, None);
}

/// A write is what the next load answers, the second write too, and an answer that comes with the
/// write is the very answer of the load.
async fn a_write_is_loaded(origin: &dyn Origin, value: &dyn Fn(&str, u32) -> Value) {
    for version in 1..=3 {
        let written = value("kept", version);
        let existed = write(origin, "kept", &written).await;
        assert_ne!(existed, Some(version == 1), "version {version}");
        let loaded = load(origin, "kept").await;
        assert!(same(loaded.as_ref(), &written), "{loaded:?}");
        assert!(!same(loaded.as_ref(), &value("kept", version + 1)));
    }
}

/// What was deleted is gone, alone, and may come back.
async fn a_delete_is_final(origin: &dyn Origin, value: &dyn Fn(&str, u32) -> Value) {
    write(origin, "gone", &value("gone", 1)).await;
    write(origin, "stays", &value("stays", 1)).await;
    assert_ne!(delete(origin, "gone").await, Some(false));
    assert_eq!(load(origin, "gone").await, None);
    assert_ne!(delete(origin, "gone").await, Some(true));
    assert!(same(
        load(origin, "stays").await.as_ref(),
        &value("stays", 1)
    ));
    write(origin, "gone", &value("gone", 2)).await;
    assert!(same(load(origin, "gone").await.as_ref(), &value("gone", 2)));
}

/// An id names exactly one thing, whatever characters it has: it is found, its neighbours are
/// not, and deleting it leaves them alone.
async fn awkward_ids_name_themselves(origin: &dyn Origin, value: &dyn Fn(&str, u32) -> Value) {
    for id in AWKWARD {
        assert_eq!(load(origin, id).await, None, "{id} is not written yet");
        write(origin, id, &value(id, 1)).await;
    }
    for id in AWKWARD {
        let loaded = load(origin, id).await;
        assert!(same(loaded.as_ref(), &value(id, 1)), "{id}: {loaded:?}");
    }
    for (at, id) in AWKWARD.into_iter().enumerate() {
        delete(origin, id).await;
        for (other_at, other) in AWKWARD.into_iter().enumerate() {
            let there = load(origin, other).await.is_some();
            assert_eq!(there, other_at > at, "{other} after deleting {id}");
        }
    }
}

/// Loads that run at once each get their own value.
async fn loads_run_together(origin: &dyn Origin, value: &dyn Fn(&str, u32) -> Value) {
    let ids: Vec<String> = (0..8).map(|n| format!("together-{n}")).collect();
    for id in &ids {
        write(origin, id, &value(id, 1)).await;
    }
    let asked: Vec<&String> = ids.iter().cycle().take(64).collect();
    let answers = join_all(asked.iter().map(|id| load(origin, id))).await;
    for (id, answer) in asked.iter().zip(answers) {
        assert!(
            same(answer.as_ref(), &value(id, 1)),
            "{id} answered {answer:?}"
        );
    }
}

fn wanted(id: &str) -> Wanted<'_> {
    Wanted {
        tenant: "acme",
        resource: "items",
        id,
        attributes: &[],
    }
}

/// A write of an id, or its delete without a value, with its place in the queue.
pub(crate) fn queued<'a>(id: &'a str, value: Option<&'a Value>, sequence: u64) -> Change<'a> {
    Change {
        wanted: wanted(id),
        value,
        sequence,
        operation: id,
    }
}

async fn load(origin: &dyn Origin, id: &str) -> Option<Value> {
    match origin.load(wanted(id)).await {
        Ok(fetched) => fetched.value,
        Err(error) => panic!("loading `{id}`: {error}"),
    }
}

async fn write(origin: &dyn Origin, id: &str, value: &Value) -> Option<bool> {
    put(origin, id, value).await.existed
}

async fn put(origin: &dyn Origin, id: &str, value: &Value) -> Written {
    match origin.write(wanted(id), value).await {
        Ok(written) => {
            if written.value.is_some() {
                assert_eq!(
                    written.value,
                    load(origin, id).await,
                    "the answer to a write"
                );
            }
            written
        }
        Err(error) => panic!("writing `{id}`: {error}"),
    }
}

async fn delete(origin: &dyn Origin, id: &str) -> Option<bool> {
    remove(origin, id).await.existed
}

async fn remove(origin: &dyn Origin, id: &str) -> Written {
    match origin.delete(wanted(id)).await {
        Ok(written) => {
            assert_eq!(written.value, None, "a delete leaves no value");
            written
        }
        Err(error) => panic!("deleting `{id}`: {error}"),
    }
}

/// Whether a load answered what was written: the same bytes, or a JSON object with every written
/// field as written, since a table adds its other columns.
fn same(loaded: Option<&Value>, written: &Value) -> bool {
    let Some(loaded) = loaded else { return false };
    let object = |value: &Value| {
        serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&value.bytes).ok()
    };
    if loaded.content_type != written.content_type {
        return false;
    }
    match (object(loaded), object(written)) {
        (Some(loaded), Some(written)) => written
            .iter()
            .all(|(name, value)| loaded.get(name) == Some(value)),
        _ => loaded.bytes == written.bytes,
    }
}
