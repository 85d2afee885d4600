//! Kills the shop, and compares what it acknowledged with what the database has.

use std::collections::HashSet;
use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::shop;

/// What came of it.
pub(crate) struct Audit {
    pub(crate) kills: u32,
    pub(crate) acknowledged: usize,
    pub(crate) missing: usize,
    /// Orders of which the shop was killed before it could say so.
    pub(crate) unsaid: usize,
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "killed {} times; {} orders acknowledged, {} of them missing; {} more delivered that \
             nobody was told of",
            self.kills, self.acknowledged, self.missing, self.unsaid
        )
    }
}

/// Runs `program` as the shop and kills it so many times.
pub(crate) fn run(program: &Path, kills: u32) -> Result<Audit> {
    let folder = tempfile::tempdir()?;
    let mut acknowledged = HashSet::new();
    for _ in 0..kills {
        let pause = Duration::from_millis(fastrand::u64(300..1_000));
        acknowledged.extend(until_killed(program, folder.path(), pause)?);
    }
    let status = Command::new(program)
        .arg("finish")
        .arg(folder.path())
        .status()?;
    ensure!(status.success(), "the queue could not be delivered");
    let delivered = delivered(folder.path())?;
    Ok(Audit {
        kills,
        acknowledged: acknowledged.len(),
        missing: acknowledged.difference(&delivered).count(),
        unsaid: delivered.difference(&acknowledged).count(),
    })
}

/// Lets the shop take orders for some time after its first, kills it with SIGKILL, and answers
/// the orders that it has acknowledged.
fn until_killed(program: &Path, folder: &Path, pause: Duration) -> Result<Vec<String>> {
    let mut shop = Command::new(program)
        .arg("take")
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()?;
    let out = shop.stdout.take().context("the shop says nothing")?;
    let mut lines = BufReader::new(out).lines();
    let first = lines.next().context("the shop took no order")??;
    let reader = thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>());
    thread::sleep(pause);
    shop.kill()?;
    shop.wait()?;
    let mut said = reader.join().unwrap_or_default();
    said.push(first);
    // The last line may have been cut off.
    said.retain(|id| id.len() == 16);
    Ok(said)
}

fn delivered(folder: &Path) -> Result<HashSet<String>> {
    let db = shop::open(folder)?;
    let mut orders = db.prepare("SELECT id FROM orders")?;
    let ids = orders.query_map([], |row| row.get(0))?;
    Ok(ids.collect::<rusqlite::Result<_>>()?)
}
