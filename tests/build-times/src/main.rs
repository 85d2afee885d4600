//! Prints where the time of a build of `larder` goes, as the table in docs/development.md:
//!
//! ```sh
//! cargo build --bin larder --timings --target-dir "$(mktemp -d)" 2>&1 | tail -n 3
//! cargo run -q -p larder-build-times -- REPORT
//! ```
//!
//! A dependency's seconds are its own and those of the crates that nothing else brings: what a
//! build without it would save. `remarks.toml` beside this crate says why each is there.
//!
//! | file | concept |
//! |---|---|
//! | `timings` | seconds for each crate, from cargo's report |
//! | `graph` | which crate brings which |
//! | `table` | the rows, and how they are written |

mod graph;
mod table;
mod timings;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

use graph::Graph;
use table::Remark;

const REMARKS: &str = include_str!("../remarks.toml");

fn main() -> Result<()> {
    let path = std::env::args().nth(1);
    let path = path.context("name the report that `cargo build --bin larder --timings` wrote")?;
    let report =
        std::fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
    let remarks: BTreeMap<String, Remark> = toml::from_str(REMARKS).context("remarks.toml")?;
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let root = ("larder-cli".to_owned(), version);
    let rows = table::rows(&root, &Graph::ask()?, &timings::read(&report)?);
    print!("{}", table::markdown(&rows, &remarks));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_can_be_read_and_say_something() {
        let remarks: BTreeMap<String, Remark> = toml::from_str(REMARKS).unwrap();
        assert!(remarks.len() > 20);
        for (name, remark) in remarks {
            assert!(
                !remark.why.is_empty() && !remark.without.is_empty(),
                "{name}"
            );
        }
    }
}
