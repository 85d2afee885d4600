//! What of a batch is handed over now.

use std::collections::HashMap;
use std::sync::Arc;

use larder_store::queue::{Queued, Row};

/// How the changes of a row may be handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum May {
    /// The last of them stands for all.
    Together,
    /// One after the other: the origin refused the last one, and may take those before.
    Singly,
    /// Not now.
    Wait,
}

/// Changes of one row of which the last stands for all; oldest first, never empty.
pub(super) type Run = Vec<Arc<Queued>>;

/// The changes of a batch by row, in the order in which their rows come first, and whether
/// anything that may be handed over had to be left for a later batch. Changes stand for each other
/// only where they ask the same of the origin under the same key.
pub(super) fn coalesce(batch: Vec<Arc<Queued>>, may: impl Fn(&Row) -> May) -> (Vec<Run>, bool) {
    let mut runs: Vec<(May, bool, Run)> = Vec::new();
    let mut by_row: HashMap<Row, usize> = HashMap::new();
    let mut left = false;
    for queued in batch {
        let row = &queued.change.row;
        let Some(&at) = by_row.get(row) else {
            let may = may(row);
            by_row.insert(row.clone(), runs.len());
            runs.push((may, false, vec![queued]));
            continue;
        };
        let (may, closed, run) = &mut runs[at];
        let joins =
            !*closed && *may == May::Together && run.last().is_some_and(|last| same(last, &queued));
        if joins {
            run.push(queued);
        } else {
            *closed = true;
            left |= *may != May::Wait;
        }
    }
    let runs = runs.into_iter();
    let runs = runs.filter(|(may, ..)| *may != May::Wait);
    (runs.map(|(.., run)| run).collect(), left)
}

fn same(one: &Queued, other: &Queued) -> bool {
    one.change.attributes == other.change.attributes && one.change.key == other.change.key
}

#[cfg(test)]
mod tests {
    use larder_core::{Key, Timestamp};
    use larder_store::queue::Change;

    use super::*;

    /// `a` is a change of the row `a`, `a/x` one with other attributes.
    fn queued(sequence: u64, text: &str) -> Arc<Queued> {
        let (id, attribute) = text.split_once('/').unwrap_or((text, ""));
        Arc::new(Queued {
            sequence,
            at: Timestamp(0),
            change: Change {
                operation: "o".into(),
                row: Row {
                    origin: "shop".into(),
                    tenant: "".into(),
                    resource: "product".into(),
                    id: id.into(),
                },
                attributes: vec![("query.lang".into(), attribute.into())],
                key: Key::new("", "product", id),
                value: None,
                sealed: None,
                stale: "".into(),
            },
        })
    }

    #[test]
    fn what_is_handed_over() {
        let may = |row: &Row| match &*row.id {
            "s" => May::Singly,
            "w" => May::Wait,
            _ => May::Together,
        };
        for (batch, expected, left) in [
            ("", "", false),
            ("a b c", "0|1|2", false),
            ("a b a c a", "0 2 4|1|3", false),
            ("s a s s", "0|1", true),
            ("s", "0", false),
            ("w a w", "1", false),
            ("w w", "", false),
            // Other attributes ask something else of the origin: later, and nothing overtakes.
            ("a a/x a", "0", true),
            ("a/x a/x b", "0 1|2", false),
        ] {
            let changes = batch.split_whitespace().enumerate();
            let changes = changes.map(|(i, text)| queued(i as u64, text)).collect();
            let (runs, was_left) = coalesce(changes, may);
            let runs: Vec<String> = runs
                .iter()
                .map(|run| {
                    let numbers = run.iter().map(|queued| queued.sequence.to_string());
                    numbers.collect::<Vec<_>>().join(" ")
                })
                .collect();
            assert_eq!(
                (runs.join("|").as_str(), was_left),
                (expected, left),
                "{batch}"
            );
        }
    }
}
