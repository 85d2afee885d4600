//! The origin under test, with the steps that clauses are made of.

use futures_util::future::BoxFuture;
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
pub struct Subject {
    /// Which.
    pub origin: Box<dyn Origin>,
    /// What it keeps beside values.
    pub keeps: Keeps,
    /// The value to write for an id: a different one for each id and each version.
    pub value: fn(&str, u32) -> Value,
    /// A value that it refuses under every id.
    pub poison: Value,
    /// A field of its values that `query.field` may name; none where that means nothing to it.
    pub field: Option<&'static str>,
    /// Changes the table that holds the values, whose key column is `id`; none where there is none.
    pub alter: Option<Altering>,
}

/// Has others change a table.
pub type Altering = Box<dyn Fn(Alter) -> BoxFuture<'static, ()> + Send + Sync>;

/// What others do to a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alter {
    /// The key column gets another name.
    RenameKey,
    /// It has its name back.
    RenameBack,
    /// A column is added that may be null.
    AddColumn,
}

impl Alter {
    /// The SQL that does it to `table`.
    #[must_use]
    pub fn sql(self, table: &str) -> String {
        let what = match self {
            Self::RenameKey => "RENAME COLUMN id TO renamed",
            Self::RenameBack => "RENAME COLUMN renamed TO id",
            Self::AddColumn => "ADD COLUMN added int",
        };
        format!("ALTER TABLE {table} {what}")
    }
}

impl Subject {
    pub(super) fn origin(&self) -> &dyn Origin {
        &*self.origin
    }
}

pub(super) fn wanted(id: &str) -> Wanted<'_> {
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

pub(super) async fn load(origin: &dyn Origin, id: &str) -> Option<Value> {
    match origin.load(wanted(id)).await {
        Ok(fetched) => fetched.value,
        Err(error) => panic!("loading `{id}`: {error}"),
    }
}

pub(super) async fn write(origin: &dyn Origin, id: &str, value: &Value) -> Option<bool> {
    put(origin, id, value).await.existed
}

pub(super) async fn put(origin: &dyn Origin, id: &str, value: &Value) -> Written {
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

pub(super) async fn delete(origin: &dyn Origin, id: &str) -> Option<bool> {
    remove(origin, id).await.existed
}

pub(super) async fn remove(origin: &dyn Origin, id: &str) -> Written {
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
pub(super) fn same(loaded: Option<&Value>, written: &Value) -> bool {
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
