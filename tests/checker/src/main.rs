//! Runs the checker as long as it is told to.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use clap::{Parser, ValueEnum};
use larder_checker::failovers::Failovers;
use larder_checker::faults::Faults;
use larder_checker::ground::{Ground, Kind};
use larder_checker::network::Scope;
use larder_checker::run::{Plan, run};
use larder_checker::subject::{Larder, Naive, Subject, TTL};
use larder_checker::truth::Truth;

/// How long entries are kept where masters are replaced, unless told: short, so that a run sees
/// the end of what a failover lost.
const TTL_OF_FAILOVERS: Duration = Duration::from_secs(5);

/// Checks the promise under load, on servers that it starts itself. Ends with 1 if it is broken.
#[derive(Debug, Parser)]
struct Args {
    /// Reads, writes and invalidations in all
    #[arg(long, default_value_t = 1_000_000)]
    operations: u64,
    /// Nodes over the one store
    #[arg(long, default_value_t = 2)]
    engines: usize,
    /// Clients at once
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// Keys
    #[arg(long, default_value_t = 100)]
    keys: usize,
    /// How many of a thousand operations change something; few let copies grow old
    #[arg(long, default_value_t = 200)]
    changes: u16,
    /// The longest that half a load or a write takes, in microseconds
    #[arg(long, default_value_t = 2_000)]
    pause_us: u64,
    /// What is checked
    #[arg(long, default_value = "tiered")]
    subject: What,
    /// What the engines share
    #[arg(long, default_value = "single")]
    servers: Shared,
    /// What goes wrong while it runs; `all` if nothing is named
    #[arg(long, num_args = 0..=1, default_missing_value = "all")]
    faults: Option<Wrong>,
    /// Ends after so many faults, however many operations that takes
    #[arg(long, requires = "faults")]
    times: Option<u64>,
    /// How long entries are kept, in seconds: at most 15 with failovers, whose default is 5, and
    /// 60 without
    #[arg(long)]
    ttl: Option<u64>,
    /// Replays the choices of a run
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum What {
    /// Larder in memory; its engines share it
    Memory,
    /// Larder on Redis
    Redis,
    /// Larder in memory in front of Redis
    Tiered,
    /// Cache-aside on one Redis as it is commonly written
    Naive,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Shared {
    /// One Redis
    Single,
    /// A Cluster of three masters and three replicas
    Cluster,
    /// A master and its replica under three sentinels
    Sentinel,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Wrong {
    /// The network is cut, swallows and delays; a master of a Cluster pauses
    All,
    /// The same, but only for the connections that tell of changes
    Tracking,
    /// Masters are killed and replaced
    Failover,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let failover = args.faults == Some(Wrong::Failover);
    let ttl = args.ttl.map(Duration::from_secs);
    ensure!(
        !failover || ttl.is_none_or(|ttl| ttl <= Duration::from_secs(15)),
        "what was settled is remembered for 20 s: give --ttl at most 15 with failovers"
    );
    let plan = Plan {
        operations: match args.times {
            Some(_) => u64::MAX,
            None => args.operations,
        },
        engines: args.engines.max(1),
        clients: args.clients.max(1),
        keys: args.keys.max(1),
        changes: args.changes,
        seed: args.seed.unwrap_or_else(|| fastrand::u64(..)),
        ttl: ttl.unwrap_or(if failover { TTL_OF_FAILOVERS } else { TTL }),
    };
    let truth = Arc::new(Truth::new(plan.keys, plan.engines, args.pause_us));
    let ground = ground(args.servers, failover).await?;
    let (subject, faults) = set_up(&args, &plan, &ground, &truth).await?;
    let report = run(&plan, subject, truth, faults).await;
    #[allow(clippy::print_stdout, reason = "what the command is for")]
    {
        println!("{args:?}\n{report}");
    }
    let broken = report.violations() > 0 && args.subject != What::Naive;
    Ok(ExitCode::from(u8::from(broken)))
}

async fn ground(servers: Shared, failover: bool) -> Result<Ground> {
    Ok(match (servers, failover) {
        (Shared::Single, false) => Ground::single().await?,
        (Shared::Single, true) => bail!("one Redis has no replica: name cluster or sentinel"),
        (Shared::Cluster, false) => Ground::cluster().await?,
        (Shared::Cluster, true) => Ground::failing_cluster().await,
        (Shared::Sentinel, _) => Ground::sentinels().await,
    })
}

type SetUp = (Arc<dyn Subject>, Option<Box<dyn Faults>>);

async fn set_up(args: &Args, plan: &Plan, ground: &Ground, truth: &Arc<Truth>) -> Result<SetUp> {
    let kind = match args.subject {
        What::Memory => Kind::Memory,
        What::Redis => Kind::Redis,
        What::Tiered => Kind::Tiered,
        What::Naive => {
            let Some(url) = &ground.redis.url else {
                bail!("plain cache-aside knows one Redis only: leave --servers out");
            };
            let naive = Naive::new(url, Arc::clone(truth)).await?;
            let faults = network(args, ground)?;
            return Ok((Arc::new(naive), faults));
        }
    };
    let stores = ground.stores(kind, plan.engines).await?;
    let subject: Arc<dyn Subject> = Arc::new(Larder::new(stores.clone(), truth, plan.ttl)?);
    let faults = match args.faults {
        Some(Wrong::Failover) => Some(Box::new(Failovers {
            servers: Arc::clone(&ground.servers),
            stores,
            subject: Arc::clone(&subject),
            times: args.times.unwrap_or(u64::MAX),
        }) as Box<dyn Faults>),
        _ => network(args, ground)?,
    };
    Ok((subject, faults))
}

fn network(args: &Args, ground: &Ground) -> Result<Option<Box<dyn Faults>>> {
    let scope = match args.faults {
        None => return Ok(None),
        Some(Wrong::All) => Scope::All,
        Some(Wrong::Tracking) => Scope::Tracking,
        Some(Wrong::Failover) => bail!("plain cache-aside knows no failover"),
    };
    ensure!(
        args.servers != Shared::Sentinel,
        "there is no network to break in front of sentinels: name --faults failover"
    );
    Ok(Some(Box::new(ground.network(scope, args.times))))
}
