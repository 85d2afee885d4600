//! Runs the proof as long as it is told to.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use larder_durability::load::Load;
use larder_durability::run::{Level, Plan, run};
use larder_durability::victim::Schedule;

/// Kills the engine, Redis and PostgreSQL under load and looks for acknowledged writes that are
/// lost. Ends with 1 if something is wrong that the level promises.
#[derive(Debug, Parser)]
struct Args {
    /// Where acknowledged writes wait
    #[arg(long, default_value = "local")]
    level: Kind,
    /// Kills in all
    #[arg(long, default_value_t = 100)]
    kills: u32,
    /// Clients at once
    #[arg(long, default_value_t = 32)]
    clients: usize,
    /// Keys that are written again and again
    #[arg(long, default_value_t = 500)]
    keys: usize,
    /// Writers that a key may have at once
    #[arg(long, default_value_t = 1)]
    writers: usize,
    /// Of a hundred writes, how many go to keys that are written only once
    #[arg(long, default_value_t = 30)]
    once_percent: u8,
    /// The longest pause of a client between two writes, in milliseconds
    #[arg(long, default_value_t = 40)]
    pause_ms: u64,
    /// The longest life of a victim between two kills, in milliseconds
    #[arg(long, default_value_t = 2_500)]
    lives_ms: u64,
    /// The longest time that a victim stays down, in milliseconds
    #[arg(long, default_value_t = 500)]
    down_ms: u64,
    /// How many bytes each row is made larger by, so that disks have more to do. Redis with everysec
    /// holds writes back while its disk syncs, and loses them when it is killed then; where the disk
    /// is too fast to show it, tests/durability/slow has one that is not
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    filler: usize,
    /// Replays the choices of a run
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Kind {
    /// A file of the one engine
    Local,
    /// Redis with appendfsync always, two engines
    RedisAlways,
    /// Redis with appendfsync everysec, two engines; what it loses is printed and no failure
    RedisEverysec,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let level = match args.level {
        Kind::Local => Level::Local,
        Kind::RedisAlways => Level::RedisAlways,
        Kind::RedisEverysec => Level::RedisEverysec,
    };
    let plan = Plan {
        level,
        load: Load {
            clients: args.clients.max(1),
            keys: args.keys.max(1),
            writers: args.writers.max(1),
            once_percent: args.once_percent.min(100),
            pause: Duration::from_millis(args.pause_ms),
            filler: args.filler,
        },
        schedule: Schedule {
            kills: args.kills,
            acknowledged: 0,
            lives: (
                Duration::from_millis(100),
                Duration::from_millis(args.lives_ms.max(100)),
            ),
            down: Duration::from_millis(args.down_ms),
        },
        seed: args.seed.unwrap_or_else(|| fastrand::u64(..)),
    };
    let report = run(&plan).await?;
    #[allow(clippy::print_stdout, reason = "what the command is for")]
    {
        println!("{args:?}\n{report}");
    }
    let kept = report.verdict.is_clean_but(level.may_break()) && report.dead == 0;
    Ok(ExitCode::from(u8::from(!kept)))
}
