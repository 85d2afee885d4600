//! Orders that must not be lost: a shop takes orders faster than its database does, and is killed
//! in the middle of it, again and again.
//!
//! ```sh
//! cargo run -p larder-example-orders
//! ```
//!
//! The shop is this program a second time. It writes each order through an engine whose policy
//! chooses write-behind, and says which orders it has acknowledged. The first one kills it with
//! SIGKILL, starts it again, and at the end compares what was acknowledged with what the database
//! has. An order that was being delivered when the shop was killed is delivered again; the column
//! `sequence` keeps it from being taken again, and `version` counts that.

mod audit;
mod policy;
mod shop;

use std::path::Path;

use anyhow::{Result, bail};

/// How often the shop is killed.
const KILLS: u32 = 5;

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            let audit = audit::run(&std::env::current_exe()?, KILLS)?;
            println!("{audit}");
            if audit.missing > 0 {
                bail!("{} acknowledged orders are missing", audit.missing);
            }
            if audit.repeated > 0 {
                bail!("{} orders were taken twice", audit.repeated);
            }
            Ok(())
        }
        ["take", folder] => shop::take_orders(Path::new(folder)).await,
        ["finish", folder] => shop::finish(Path::new(folder)).await,
        _ => bail!("usage: larder-example-orders"),
    }
}
