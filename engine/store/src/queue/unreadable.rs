//! What a queue holds and cannot read.

use std::sync::Arc;

use larder_core::{Key, Timestamp};

use super::{Change, DeadLetter, LetterId, Queued, Row};

impl DeadLetter {
    /// The letter of something that is no change, or none that this build knows. In the place of
    /// the change is one that says no more than what is known of its row.
    pub(crate) fn unreadable(
        id: LetterId,
        row: Option<Row>,
        died: Timestamp,
        why: Arc<str>,
    ) -> Self {
        let row = row.unwrap_or_else(|| Row {
            origin: Arc::clone(&id.partition.origin),
            tenant: "".into(),
            resource: "".into(),
            id: "".into(),
        });
        let change = Change {
            request: None,
            operation: "".into(),
            key: Key::new(&row.tenant, &row.resource, &row.id),
            row,
            attributes: Vec::new(),
            value: None,
            sealed: None,
            stale: "[]".into(),
        };
        let queued = Queued {
            sequence: id.sequence,
            // Numbers are roughly microseconds.
            at: Timestamp(id.sequence / 1_000),
            change,
        };
        Self {
            id,
            queued: Arc::new(queued),
            died,
            why,
            readable: false,
        }
    }
}
