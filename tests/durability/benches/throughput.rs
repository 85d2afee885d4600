//! Acknowledged writes a second from 64 clients on one PostgreSQL that syncs every commit: first
//! under write-through, then under write-behind at level `local`, in one run; and whether the
//! flusher keeps up. `LARDER_BENCH_SECONDS` is how long each lasts, `LARDER_BENCH_CLIENTS` how
//! many clients there are; `-- --rounds 5` does it five times and prints the median of the ratios.

#![allow(clippy::print_stdout, reason = "what a bench is for")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use futures_util::future::BoxFuture;
use larder::origin::{
    Change, Fetched, Origin, OriginError, PostgresConfig, PostgresOrigin, PutMeaning, Wanted,
    Written,
};
use larder::store::queue::{LocalQueue, LocalQueueConfig};
use larder::store::{MemoryConfig, MemoryStore};
use larder::wasm::{Host, HostConfig, PolicyConfig};
use larder::{Engine, QueueTuning, Request, Route, Value};
use larder_durability::{load::body, policy, table};
use larder_origin::testing::{Durability, Postgres};
use serde_json::json;
use tokio::time::sleep;
use tokio_postgres::Client;

/// Rows that are written at random: so many that few of a batch are of one row.
const ROWS: u64 = 20_000;

/// How it is run; the rest is in the environment.
#[derive(Debug, Parser)]
struct Args {
    /// How often all of it is done, each time with an empty table and an empty queue
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// What cargo gives to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

/// Who writes, and for how long each time.
#[derive(Clone, Copy)]
struct Load {
    clients: u64,
    lasts: Duration,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let setting = |name: &str, default: u64| {
        let text = std::env::var(name).ok();
        text.map_or(Ok(default), |text| text.parse())
            .with_context(|| format!("{name} is not a whole number"))
    };
    let seconds = setting("LARDER_BENCH_SECONDS", 10)?;
    let clients = setting("LARDER_BENCH_CLIENTS", 64)?;
    let load = Load {
        clients,
        lasts: Duration::from_secs(seconds),
    };

    let postgres = Postgres::with(Durability::Full).await;
    table::create(&postgres.url()).await?;
    // What the trigger notes is not part of what is measured.
    let client = table::connect(&postgres.url()).await?;
    client.batch_execute("DROP TRIGGER note ON things").await?;
    println!("{clients} clients, {seconds} s each, {ROWS} rows, fsync and synchronous_commit on");
    let mut ratios = Vec::new();
    for number in 1..=args.rounds {
        println!("round {number} of {}", args.rounds);
        client.batch_execute("TRUNCATE things").await?;
        ratios.push(round(&postgres.url(), &client, load).await?);
    }
    let each: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.1}")).collect();
    println!(
        "ratios {}, median {:.1}",
        each.join(", "),
        median(&mut ratios)
    );
    Ok(())
}

/// Of an even number, the mean of the two in the middle.
fn median(ratios: &mut [f64]) -> f64 {
    ratios.sort_unstable_by(f64::total_cmp);
    let middle = ratios.len() / 2;
    match ratios {
        [] => f64::NAN,
        _ if ratios.len() % 2 == 1 => ratios[middle],
        _ => f64::midpoint(ratios[middle - 1], ratios[middle]),
    }
}

/// Both strategies once; answers how many times as many writes write-behind acknowledged.
async fn round(url: &str, client: &Client, load: Load) -> Result<f64> {
    let dir = tempfile::tempdir()?;
    let batches = Arc::new(Batches::default());
    let engine = engine(url, dir.path(), &batches).await?;
    let through = write(&engine, "through", load).await?;
    println!("write-through           {:>10.0}/s", rate(through, load));
    let sampler = tokio::spawn(sample(engine.clone(), Instant::now()));
    let behind = write(&engine, "behind", load).await?;
    println!("write-behind, local     {:>10.0}/s", rate(behind, load));
    let ratio = behind as f64 / through.max(1) as f64;
    println!("ratio                   {ratio:>10.1}");
    let ended = Instant::now();
    let left = waiting(&engine).await?;
    while waiting(&engine).await? > 0 {
        if ended.elapsed() > Duration::from_secs(120) {
            bail!("the queue is not empty two minutes after the last write");
        }
        sleep(Duration::from_millis(5)).await;
    }
    let drained = ended.elapsed();
    sampler.abort();
    println!("left at the end         {left:>10}  flushed in {drained:?}");
    println!("{batches}");
    let written = client
        .query_one("SELECT count(*) FROM things WHERE id LIKE 'behind%'", &[])
        .await?;
    println!("rows in PostgreSQL      {:>10}", written.get::<_, i64>(0));
    Ok(ratio)
}

fn rate(writes: u64, load: Load) -> f64 {
    writes as f64 / load.lasts.as_secs_f64()
}

async fn waiting(engine: &Engine) -> Result<u64> {
    let queue = engine.queue().context("the engine has a queue")?;
    Ok(queue.depth().await?.waiting)
}

/// Prints how many changes wait, twice a second.
async fn sample(engine: Engine, begun: Instant) {
    loop {
        sleep(Duration::from_millis(500)).await;
        if let Ok(waiting) = waiting(&engine).await {
            let at = begun.elapsed().as_secs_f64();
            println!("  after {at:>5.1} s wait     {waiting:>10}");
        }
    }
}

/// Writes as many as can be for so long; answers how many were acknowledged.
async fn write(engine: &Engine, resource: &str, load: Load) -> Result<u64> {
    let until = Instant::now() + load.lasts;
    let done = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..load.clients)
        .map(|_| {
            let (engine, done) = (engine.clone(), Arc::clone(&done));
            let resource = resource.to_owned();
            tokio::spawn(async move {
                while Instant::now() < until {
                    let id = format!("{resource}{}", fastrand::u64(..ROWS));
                    let number = done.fetch_add(1, Ordering::Relaxed);
                    let value = Value::json(body(&id, number));
                    let writing = engine.write(Request::write(&resource, &id), value).await?;
                    if resource == "behind" && writing.queued.is_none() {
                        bail!("a write was not queued");
                    }
                }
                Ok(())
            })
        })
        .collect();
    for client in clients {
        client.await??;
    }
    Ok(done.load(Ordering::Relaxed))
}

async fn engine(url: &str, dir: &std::path::Path, batches: &Arc<Batches>) -> Result<Engine> {
    std::fs::write(dir.join("standard.wasm"), policy("standard"))?;
    let named = |name: &str, strategy: &str| PolicyConfig {
        module: "standard".into(),
        settings: json!({"strategy": strategy, "write_invalidates": "row"}),
        ..PolicyConfig::new(name)
    };
    let policies = Host::start(HostConfig {
        policies: vec![
            named("through", "write_through"),
            named("behind", "write_behind"),
        ],
        watch: false,
        ..HostConfig::new(dir)
    })?;
    let config = PostgresConfig {
        sequence: Some("sequence".to_owned()),
        deleted: Some("gone".to_owned()),
        ..PostgresConfig::new(url, "things", "id")
    };
    let origin = Counted {
        origin: PostgresOrigin::open(config).await?,
        batches: Arc::clone(batches),
    };
    let queue = LocalQueue::open(LocalQueueConfig::new(dir.join("queue")))?;
    let store = Arc::new(MemoryStore::new(MemoryConfig::default()));
    Ok(Engine::builder(policies, store)
        .origin("db", Arc::new(origin))
        .route(Route::new("through", "through").origin("db"))
        .route(Route::new("behind", "behind").origin("db"))
        .queue(Arc::new(queue), QueueTuning::default())
        .build()?)
}

/// Batches by their size, in powers of two.
#[derive(Default)]
struct Batches {
    sizes: [AtomicU64; 12],
    rows: AtomicU64,
    took: AtomicU64,
}

impl std::fmt::Display for Batches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count: u64 = self.sizes.iter().map(|n| n.load(Ordering::Relaxed)).sum();
        let rows = self.rows.load(Ordering::Relaxed);
        let ms = self.took.load(Ordering::Relaxed) as f64 / 1e3 / count.max(1) as f64;
        let mean = rows as f64 / count.max(1) as f64;
        write!(
            f,
            "batches                 {count:>10}  of {mean:.0} rows and {ms:.1} ms on average"
        )?;
        for (power, size) in self.sizes.iter().enumerate() {
            let size = size.load(Ordering::Relaxed);
            if size > 0 {
                write!(
                    f,
                    "\n  below {:>6} rows    {size:>10}",
                    1_u64 << (power + 1)
                )?;
            }
        }
        Ok(())
    }
}

/// An origin whose batches are counted.
struct Counted {
    origin: PostgresOrigin,
    batches: Arc<Batches>,
}

impl Origin for Counted {
    fn load<'a>(&'a self, wanted: Wanted<'a>) -> BoxFuture<'a, Result<Fetched, OriginError>> {
        self.origin.load(wanted)
    }

    fn write<'a>(
        &'a self,
        wanted: Wanted<'a>,
        value: &'a Value,
    ) -> BoxFuture<'a, Result<Written, OriginError>> {
        self.origin.write(wanted, value)
    }

    fn delete<'a>(&'a self, wanted: Wanted<'a>) -> BoxFuture<'a, Result<Written, OriginError>> {
        self.origin.delete(wanted)
    }

    fn apply<'a>(
        &'a self,
        changes: &'a [Change<'a>],
    ) -> BoxFuture<'a, Vec<Result<Written, OriginError>>> {
        Box::pin(async move {
            let begun = Instant::now();
            let answers = self.origin.apply(changes).await;
            let power = changes.len().max(1).ilog2() as usize;
            let sizes = &self.batches.sizes;
            sizes[power.min(sizes.len() - 1)].fetch_add(1, Ordering::Relaxed);
            self.batches
                .rows
                .fetch_add(changes.len() as u64, Ordering::Relaxed);
            let took = begun.elapsed().as_micros() as u64;
            self.batches.took.fetch_add(took, Ordering::Relaxed);
            answers
        })
    }

    fn put_meaning(&self) -> PutMeaning {
        self.origin.put_meaning()
    }

    fn whole(&self, wanted: Wanted<'_>, value: &Value) -> Option<Value> {
        self.origin.whole(wanted, value)
    }

    fn computes(&self) -> bool {
        self.origin.computes()
    }

    fn summary(&self) -> String {
        self.origin.summary()
    }
}
