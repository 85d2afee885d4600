//! The table: what each dependency that we name costs, why it is there, and what being without it
//! would.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::graph::Graph;
use crate::timings::Crate;

/// Rows under so many seconds are added up in the last one.
const SMALL: f64 = 1.0;
/// Crates that several dependencies bring have a row of their own from so many seconds on.
const LARGE: f64 = 3.0;

/// Why a dependency is there, and what being without it would cost.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Remark {
    pub(crate) why: String,
    pub(crate) without: String,
}

/// A row: a dependency, and the seconds that would be saved without it.
#[derive(Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) seconds: f64,
    /// The crates that only it brings, the most costly first.
    pub(crate) brings: Vec<String>,
}

/// Returns a row for each foreign dependency of `root` and for each costly crate that several of them
/// bring; the rest of those and our own crates are a row each. The most costly comes first.
pub(crate) fn rows(root: &Crate, graph: &Graph, seconds: &BTreeMap<Crate, f64>) -> Vec<Row> {
    let roots = [root.clone()];
    let all = graph.reach(&roots, None);
    let mut shared: BTreeSet<Crate> = all.iter().cloned().collect();
    let mut rows = Vec::new();
    for one in graph.direct(&all) {
        let without = graph.reach(&roots, Some(&one));
        let gone: BTreeSet<Crate> = all.difference(&without).cloned().collect();
        shared.retain(|other| !gone.contains(other));
        rows.push(row(&one.0, &gone, seconds));
    }
    let (own, shared): (BTreeSet<Crate>, BTreeSet<Crate>) =
        shared.into_iter().partition(|one| graph.is_own(one));
    let took = |one: &Crate| seconds.get(one).copied().unwrap_or_default();
    let (large, small): (BTreeSet<Crate>, BTreeSet<Crate>) =
        shared.into_iter().partition(|one| took(one) >= LARGE);
    for one in large {
        rows.push(row(&one.0, &BTreeSet::from([one.clone()]), seconds));
    }
    rows.push(row("our own crates", &own, seconds));
    rows.push(row("small ones that several bring", &small, seconds));
    rows.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    rows
}

fn row(name: &str, crates: &BTreeSet<Crate>, seconds: &BTreeMap<Crate, f64>) -> Row {
    let took = |one: &Crate| seconds.get(one).copied().unwrap_or_default();
    let mut brings: Vec<&Crate> = crates.iter().filter(|one| took(one) >= SMALL).collect();
    brings.sort_by(|a, b| took(b).total_cmp(&took(a)));
    Row {
        name: name.to_owned(),
        seconds: crates.iter().map(took).sum(),
        brings: brings.into_iter().map(|one| one.0.clone()).collect(),
    }
}

/// Writes the rows as Markdown, those without a remark marked so that somebody writes one.
pub(crate) fn markdown(rows: &[Row], remarks: &BTreeMap<String, Remark>) -> String {
    let missing = Remark {
        why: "**not written yet**".to_owned(),
        without: String::new(),
    };
    let mut text = String::from(
        "| crate | seconds | of these | why it is there | being without it |\n|---|--:|---|---|---|\n",
    );
    let (large, small): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.seconds >= SMALL);
    for row in large {
        let remark = remarks.get(&row.name).unwrap_or(&missing);
        let brings = row.brings.iter().take(6).cloned().collect::<Vec<_>>();
        let _ = writeln!(
            text,
            "| {} | {:.1} | {} | {} | {} |",
            row.name,
            row.seconds,
            brings.join(", "),
            remark.why,
            remark.without
        );
    }
    let rest: f64 = small.iter().map(|row| row.seconds).sum();
    let count = small.len();
    let _ = writeln!(
        text,
        "| {count} others | {rest:.1} | | under a second each | |"
    );
    let total: f64 = rows.iter().map(|row| row.seconds).sum();
    let _ = writeln!(text, "| **all** | **{total:.0}** | | | |");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, seconds: f64) -> Row {
        Row {
            name: name.to_owned(),
            seconds,
            brings: vec![name.to_owned()],
        }
    }

    #[test]
    fn small_rows_are_added_up_and_missing_remarks_seen() {
        let rows = [
            row("big", 10.0),
            row("new", 2.0),
            row("a", 0.5),
            row("b", 0.25),
        ];
        let remark = Remark {
            why: "runs policies".to_owned(),
            without: "no policies".to_owned(),
        };
        let text = markdown(&rows, &BTreeMap::from([("big".to_owned(), remark)]));
        for line in [
            "| big | 10.0 | big | runs policies | no policies |",
            "| new | 2.0 | new | **not written yet** |  |",
            "| 2 others | 0.8 | | under a second each | |",
            "| **all** | **13** | | | |",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }
}
