//! Kills the shop, and compares what it acknowledged with what the database has.

use std::collections::HashSet;
use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::shop;

/// The length of an order's id.
const ID: usize = 16;

/// What came of it.
pub(crate) struct Audit {
    pub(crate) kills: u32,
    pub(crate) acknowledged: usize,
    pub(crate) missing: usize,
    /// Orders that the database took more than once.
    pub(crate) repeated: u32,
    /// Orders of which the shop was killed before it could say so.
    pub(crate) unsaid: usize,
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "killed {} times; {} orders acknowledged, {} of them missing, {} taken twice; {} more \
             delivered that nobody was told of",
            self.kills, self.acknowledged, self.missing, self.repeated, self.unsaid
        )
    }
}

/// Runs `program` as the shop and kills it so many times.
pub(crate) fn run(program: &Path, kills: u32) -> Result<Audit> {
    let folder = tempfile::tempdir()?;
    let mut acknowledged = HashSet::new();
    for _ in 0..kills {
        let orders = fastrand::usize(200..2_000);
        acknowledged.extend(until_killed(program, folder.path(), orders)?);
    }
    let status = Command::new(program)
        .arg("finish")
        .arg(folder.path())
        .status()?;
    ensure!(status.success(), "the queue could not be delivered");
    let (delivered, repeated) = delivered(folder.path())?;
    Ok(Audit {
        kills,
        acknowledged: acknowledged.len(),
        missing: acknowledged.difference(&delivered).count(),
        repeated,
        unsaid: delivered.difference(&acknowledged).count(),
    })
}

/// Lets the shop take so many orders, kills it with SIGKILL, and answers all that it acknowledged.
fn until_killed(program: &Path, folder: &Path, orders: usize) -> Result<Vec<String>> {
    let mut shop = Command::new(program)
        .arg("take")
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()?;
    let out = shop.stdout.take().context("the shop says nothing")?;
    let mut lines = BufReader::new(out).lines();
    let mut said = lines.by_ref().take(orders).collect::<Result<Vec<_>, _>>()?;
    ensure!(said.len() == orders, "the shop ended by itself");
    shop.kill()?;
    shop.wait()?;
    // What it said before it died is in the pipe; the last line may have been cut off.
    said.extend(lines.map_while(Result::ok).filter(|id| id.len() == ID));
    Ok(said)
}

/// The orders that the database has, and how many of them it took more than once.
fn delivered(folder: &Path) -> Result<(HashSet<String>, u32)> {
    let db = shop::open(folder)?;
    let mut orders = db.prepare("SELECT id FROM orders")?;
    let ids = orders.query_map([], |row| row.get(0))?;
    let repeated = "SELECT count(*) FROM orders WHERE version > 1";
    let repeated = db.query_row(repeated, [], |row| row.get(0))?;
    Ok((ids.collect::<rusqlite::Result<_>>()?, repeated))
}
