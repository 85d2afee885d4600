//! Reads how long each crate took out of the report that `cargo build --timings` writes.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// A name and a version.
pub(crate) type Crate = (String, String);

/// A unit of work in cargo's report: a crate, or the build script of one.
#[derive(Deserialize)]
struct Unit {
    name: String,
    version: String,
    /// Seconds from start to end, on the one core of the unit.
    duration: f64,
}

/// Returns the seconds of each crate, with its build scripts, from cargo's HTML report.
///
/// # Errors
/// Where the report is none, or of another form than cargo 1.95 writes.
pub(crate) fn read(report: &str) -> Result<BTreeMap<Crate, f64>> {
    let (_, rest) = report
        .split_once("UNIT_DATA = ")
        .context("the report has no list of units; was it written by `cargo build --timings`?")?;
    let units: Vec<Unit> = serde_json::Deserializer::from_str(rest)
        .into_iter()
        .next()
        .context("the list of units is empty")??;
    let mut seconds = BTreeMap::new();
    for unit in units {
        *seconds.entry((unit.name, unit.version)).or_default() += unit.duration;
    }
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_one_crate_are_added_up() {
        let report = r#"<script>
            const UNIT_DATA = [
              {"i": 0, "name": "a", "version": "1.0.0", "mode": "todo", "duration": 1.5},
              {"i": 1, "name": "a", "version": "1.0.0", "mode": "run-custom-build", "duration": 2.0},
              {"i": 2, "name": "b", "version": "2.0.0", "mode": "todo", "duration": 0.25}
            ];
            const CONCURRENCY_DATA = [];"#;
        let seconds: Vec<_> = read(report).unwrap().into_iter().collect();
        let named = |name: &str, version: &str| (name.to_owned(), version.to_owned());
        assert_eq!(
            seconds,
            [(named("a", "1.0.0"), 3.5), (named("b", "2.0.0"), 0.25)]
        );
    }

    #[test]
    fn what_is_no_report_is_refused() {
        let error = read("<html></html>").unwrap_err().to_string();
        assert!(error.contains("cargo build --timings"), "{error}");
    }
}
