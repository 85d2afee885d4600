//! One decision of the policy `standard`, about a read of `product/42` with an attribute: in plain
//! Rust, on Larder, and by peers. `LARDER_BENCH_POLICY` names a module other than that of the
//! sources, `LARDER_BENCH_ROUNDS` the number of rounds.

use anyhow::{Context as _, Result};
use larder::wasm::Isolation;
use larder_peers::host::{self, Larder};
use larder_peers::native::Native;
use larder_peers::question::{self, Subject};
use larder_peers::rego::{Compiled, Interpreted};
use larder_peers::rounds;
use larder_peers::script::Script;
use larder_peers::settings::Settings;

/// Where Larder's warm instance is among the subjects.
const WARM: usize = 1;

fn main() -> Result<()> {
    let rounds = std::env::var("LARDER_BENCH_ROUNDS").ok();
    let rounds = rounds.map_or(Ok(51), |text| text.parse());
    let rounds = rounds.context("LARDER_BENCH_ROUNDS is not a whole number")?;
    let (module, settings) = (host::module()?, Settings::same());
    let mut subjects: Vec<Box<dyn Subject>> = vec![
        Box::new(Native(settings.clone())),
        Box::new(Larder::start(&module, Isolation::Reuse)?),
        Box::new(Larder::start(&module, Isolation::Fresh)?),
        Box::new(Compiled::start(&settings)?),
        Box::new(Interpreted::start(&settings)?),
        Box::new(Script::start(&settings)?),
    ];
    question::check(&mut subjects)?;
    let all = rounds::measure(&mut subjects, &question::timed(), rounds)?;
    let warm = all.get(WARM).copied().unwrap_or_default();
    println!("one decision, median of {rounds} rounds; all subjects decide alike");
    println!("{:<26}{:>16}{:>12}", "name", "ns per decision", "ratio");
    for (subject, ns) in subjects.iter().zip(&all) {
        println!("{:<26}{ns:>16.0}{:>12.2}", subject.name(), ns / warm);
    }
    Ok(())
}
