//! What of a batch is handed over now.

use std::collections::HashMap;
use std::sync::Arc;

use larder_origin::PutMeaning;
use larder_store::queue::{Queued, Row};

/// How the changes of a row may be handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum May {
    /// The last of them stands for all, or all of them come together in one.
    Together,
    /// One after the other: the origin refused the last one, and may take those before.
    Singly,
    /// Not now.
    Wait,
}

/// Changes of one row that are handed over as one; oldest first, never empty.
pub(super) type Run = Vec<Arc<Queued>>;

/// The changes of a batch by row, in the order in which their rows come first, and whether
/// anything that may be handed over had to be left for a later batch. Changes are handed over as one
/// only where they ask the same of the origin under the same key. Where a write names some fields of
/// a row it is not handed over with the delete before it: the origin has to see both, or fields from
/// before the delete would be there again.
pub(super) fn coalesce(
    batch: Vec<Arc<Queued>>,
    meaning: PutMeaning,
    may: impl Fn(&Row) -> May,
) -> (Vec<Run>, bool) {
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
        let joined = !*closed
            && *may == May::Together
            && run.last().is_some_and(|last| joins(last, &queued, meaning));
        if joined {
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

fn joins(one: &Queued, next: &Queued, meaning: PutMeaning) -> bool {
    let (one, next) = (&one.change, &next.change);
    let begins_anew = one.value.is_none() && next.value.is_some();
    one.attributes == next.attributes
        && one.key == next.key
        && !(begins_anew && meaning == PutMeaning::Merge)
}

#[cfg(test)]
mod tests {
    use larder_core::{Key, Timestamp, Value};
    use larder_store::queue::Change;

    use super::*;

    /// `a` is a write of the row `a`, `-a` a delete, `a/x` one with other attributes.
    fn queued(sequence: u64, text: &str) -> Arc<Queued> {
        let value = (!text.starts_with('-')).then(|| Value::json("{}"));
        let text = text.trim_start_matches('-');
        let (id, attribute) = text.split_once('/').unwrap_or((text, ""));
        Arc::new(Queued {
            sequence,
            at: Timestamp(0),
            change: Change {
                operation: "o".into(),
                request: None,
                row: Row {
                    origin: "shop".into(),
                    tenant: "".into(),
                    resource: "product".into(),
                    id: id.into(),
                },
                attributes: vec![("query.lang".into(), attribute.into())],
                key: Key::new("", "product", id),
                value,
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
        use PutMeaning::{Merge, Replace};
        let both = [Merge, Replace];
        for (batch, meanings, expected, left) in [
            ("", &both[..], "", false),
            ("a b c", &both, "0|1|2", false),
            ("a b a c a", &both, "0 2 4|1|3", false),
            ("s a s s", &both, "0|1", true),
            ("s", &both, "0", false),
            ("w a w", &both, "1", false),
            ("w w", &both, "", false),
            // Other attributes ask something else of the origin: later, and nothing overtakes.
            ("a a/x a", &both, "0", true),
            ("a/x a/x b", &both, "0 1|2", false),
            // A delete ends what came before. What comes after it begins anew.
            ("a a -a", &both, "0 1 2", false),
            ("a -a -a b", &both, "0 1 2|3", false),
            ("-a a a", &[Replace], "0 1 2", false),
            ("-a a a b", &[Merge], "0|3", true),
            ("a -a a -a", &[Merge], "0 1", true),
        ] {
            for meaning in meanings {
                let changes = batch.split_whitespace().enumerate();
                let changes = changes.map(|(i, text)| queued(i as u64, text)).collect();
                let (runs, was_left) = coalesce(changes, *meaning, may);
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
                    "{batch} {meaning:?}"
                );
            }
        }
    }
}
