//! A whole run: load and kills together, then the healing, then the judgement.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use fastrand::Rng;
use futures_util::{StreamExt as _, stream};
use larder_origin::testing::{Durability, Postgres};
use larder_store::testing::Server;
use tokio::time::{sleep, timeout};

use crate::ask::Ask;
use crate::audit::{End, audit};
use crate::engine::{Engine, Settings};
use crate::ledger::Ledger;
use crate::load::{Field, Load};
use crate::table;
use crate::verdict::{Damage, Verdict};
use crate::victim::{Killed, Schedule, Victim, kill_all};

/// How long everything may take to settle once nothing is killed any more: the last answers, and
/// the queue to its end.
const SETTLE: Duration = Duration::from_secs(120);

/// Of the keys that were written once, at most so many are read through each engine at the end.
const READ_ONCE: usize = 5_000;

/// Where acknowledged writes wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// In a file of the one engine.
    Local,
    /// In Redis, which writes each command to disk before it answers it; two engines.
    RedisAlways,
    /// In Redis, which writes to disk once a second; two engines.
    RedisEverysec,
}

/// What is run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Where acknowledged writes wait.
    pub level: Level,
    /// What clients do.
    pub load: Load,
    /// What is killed when.
    pub schedule: Schedule,
    /// Replays the choices of clients and killers; the timing is never the same.
    pub seed: u64,
}

/// What came of it.
#[derive(Debug)]
pub struct Report {
    /// What was wrong in the end.
    pub verdict: Verdict,
    /// How many writes were acknowledged.
    pub acknowledged: usize,
    /// How often each kind was killed.
    pub kills: BTreeMap<&'static str, Killed>,
    /// Changes that the origin had refused for good; there must be none.
    pub dead: u64,
    unknown: usize,
    effects: usize,
    read: usize,
    ledger: Ledger,
    took: Duration,
    settled: Duration,
    seed: u64,
}

impl Level {
    /// The name in reports and arguments.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::RedisAlways => "redis-always",
            Self::RedisEverysec => "redis-everysec",
        }
    }

    /// What this level does not promise when Redis is killed. Whatever follows from a lost write
    /// is among it: older values are read, and places in the queue are given twice.
    #[must_use]
    pub const fn may_break(self) -> &'static [Damage] {
        match self {
            Self::Local | Self::RedisAlways => &[],
            Self::RedisEverysec => &[Damage::Lost, Damage::Inverted, Damage::Unread],
        }
    }

    const fn fsync(self) -> Option<&'static str> {
        match self {
            Self::Local => None,
            Self::RedisAlways => Some("always"),
            Self::RedisEverysec => Some("everysec"),
        }
    }
}

/// Runs the plan on servers of its own.
///
/// # Errors
/// Where something does not start or does not settle, which is a failure as well.
pub async fn run(plan: &Plan) -> Result<Report> {
    let mut random = Rng::with_seed(plan.seed);
    let postgres = Postgres::with(Durability::Full).await;
    let url = postgres.url();
    table::create(&url).await?;
    let (mut victims, asks) = victims(plan.level, postgres, &url).await?;
    for victim in &mut victims {
        if let Victim::Engine(engine) = victim {
            engine.start().await?;
        }
    }
    let begun = Instant::now();
    let field = Field::new(plan.load, asks.clone());
    let killers = random.fork();
    let killing = async {
        let killed = kill_all(victims, plan.schedule, Arc::clone(&field), killers).await;
        field.stop();
        killed
    };
    let work = tokio::spawn({
        let (field, random) = (Arc::clone(&field), random.fork());
        async move { field.work(random).await }
    });
    let (victims, kills) = killing.await?;
    let healed = Instant::now();
    let ledger = timeout(SETTLE, work)
        .await
        .with_context(|| format!("writes are not answered {SETTLE:?} after all was healed"))???;
    let dead = empty(&asks[0]).await?;
    let settled = healed.elapsed();
    let (end, read) = end(&url, &ledger, &asks, &mut random).await?;
    drop(victims);
    Ok(Report {
        verdict: audit(&ledger, &end),
        acknowledged: ledger.acknowledged(),
        unknown: ledger.writes.len() - ledger.acknowledged(),
        effects: end.effects.len(),
        kills,
        dead,
        read,
        ledger,
        took: begun.elapsed(),
        settled,
        seed: plan.seed,
    })
}

/// All that may be killed, the engines not started yet, and a client for each engine.
async fn victims(level: Level, postgres: Postgres, url: &str) -> Result<(Vec<Victim>, Vec<Ask>)> {
    let mut victims = vec![Victim::Postgres(postgres)];
    let mut settings = Settings {
        postgres: url.to_owned(),
        origin: table::KEPT.to_owned(),
        ..Settings::default()
    };
    let engines = match level.fsync() {
        None => {
            settings.write_behind = "level = \"local\"\nlimit = 1000000\n".to_owned();
            1
        }
        Some(fsync) => {
            let redis = Server::with(&["--appendonly", "yes", "--appendfsync", fsync]).await;
            settings.store = format!("[store]\ntype = \"tiered\"\nurl = \"{}\"\n", redis.url());
            settings.write_behind = "level = \"redis\"\nlimit = 1000000\n".to_owned();
            victims.push(Victim::Redis(redis));
            2
        }
    };
    let mut asks = Vec::new();
    for _ in 0..engines {
        let engine = Engine::new(&settings)?;
        asks.push(engine.ask()?);
        victims.push(Victim::Engine(engine));
    }
    Ok((victims, asks))
}

/// Waits until nothing waits to be flushed; answers how many dead letters there are.
///
/// # Errors
/// Where that does not come about.
pub async fn empty(ask: &Ask) -> Result<u64> {
    let begun = Instant::now();
    let mut last = None;
    while begun.elapsed() < SETTLE {
        match ask.depth().await {
            Ok((0, dead)) => return Ok(dead),
            other => last = Some(other),
        }
        sleep(Duration::from_millis(50)).await;
    }
    bail!("the queue is not empty {SETTLE:?} after all was healed: {last:?}")
}

/// How things are in the end, and how many reads of engines are part of it.
async fn end(url: &str, ledger: &Ledger, asks: &[Ask], random: &mut Rng) -> Result<(End, usize)> {
    let client = table::connect(url).await?;
    let keys: HashSet<&str> = ledger.writes.iter().map(|write| &*write.key).collect();
    let (mut once, mut all): (Vec<_>, Vec<_>) =
        keys.into_iter().partition(|key| key.starts_with("once"));
    random.shuffle(&mut once);
    all.extend(once.into_iter().take(READ_ONCE));
    let mut cached = Vec::new();
    for ask in asks {
        let reads = stream::iter(&all).map(|key| async move {
            let number = read(ask, key).await.with_context(|| key.to_string())?;
            anyhow::Ok(((*key).to_owned(), number))
        });
        let mut reads = reads.buffer_unordered(16);
        while let Some(read) = reads.next().await {
            cached.push(read?);
        }
    }
    ensure!(!cached.is_empty(), "no key was written");
    let read = cached.len();
    let end = End {
        effects: table::effects(&client).await?,
        rows: table::rows(&client).await?,
        cached,
    };
    Ok((end, read))
}

/// A read that may need some attempts: breakers close again one probe at a time.
async fn read(ask: &Ask, key: &str) -> Result<Option<u64>> {
    let begun = Instant::now();
    loop {
        match ask.number(key).await {
            Err(_) if begun.elapsed() < SETTLE => sleep(Duration::from_millis(50)).await,
            answer => return answer,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kills: u32 = self.kills.values().map(|killed| killed.times).sum();
        let secs = self.took.as_secs_f64();
        let line = |f: &mut fmt::Formatter<'_>, name: &str, count: u64, more: String| {
            writeln!(f, "{name:<24}{count:>10}  {more}")
        };
        line(f, "kills", kills.into(), String::new())?;
        for (name, killed) in &self.kills {
            let down = format!("(down {:.1} s at most)", killed.down.as_secs_f64());
            line(f, &format!("  {name}"), killed.times.into(), down)?;
        }
        let rate = format!(
            "({:.0}/s over {secs:.0} s)",
            self.acknowledged as f64 / secs
        );
        line(f, "acknowledged", self.acknowledged as u64, rate)?;
        line(f, "given up", self.unknown as u64, String::new())?;
        let repeats = format!("(a write took {} at most)", self.ledger.attempts_max);
        line(f, "sent again", self.ledger.repeats, repeats)?;
        line(f, "taken before", self.ledger.repeated, String::new())?;
        let refusals = format!("{:?}", self.ledger.refusals);
        line(f, "refused", self.ledger.refusals.values().sum(), refusals)?;
        line(f, "effects", self.effects as u64, String::new())?;
        line(f, "own writes read", self.ledger.reads, String::new())?;
        line(f, "compared in the end", self.read as u64, String::new())?;
        line(f, "dead letters", self.dead, String::new())?;
        let settled = format!("{:.1} s after all was healed", self.settled.as_secs_f64());
        writeln!(f, "queue empty {settled}")?;
        write!(f, "{}", self.verdict)?;
        writeln!(f, "seed {}", self.seed)
    }
}
