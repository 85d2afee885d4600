//! What is killed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use anyhow::Result;
use fastrand::Rng;
use larder_origin::testing::Postgres;
use larder_store::testing::Server;
use tokio::time::sleep;

use crate::engine::Engine;

/// A process, or many that belong together, that `kill -9` ends and that starts again from what it
/// has on disk.
pub enum Victim {
    /// `larder serve`.
    Engine(Engine),
    /// `redis-server`.
    Redis(Server),
    /// PostgreSQL with all its processes.
    Postgres(Postgres),
}

/// How the killing goes.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// How many kills there are in all.
    pub kills: u32,
    /// How long a victim lives between two of its kills, at least and at most.
    pub lives: (Duration, Duration),
    /// How long it stays down, at most.
    pub down: Duration,
}

impl Victim {
    /// The name in reports.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Engine(_) => "engine",
            Self::Redis(_) => "redis",
            Self::Postgres(_) => "postgres",
        }
    }

    async fn kill(&mut self) -> Result<()> {
        match self {
            Self::Engine(engine) => engine.kill().await?,
            Self::Redis(server) => server.kill(),
            Self::Postgres(postgres) => postgres.kill(),
        }
        Ok(())
    }

    async fn start(&mut self) -> Result<()> {
        match self {
            Self::Engine(engine) => engine.start().await?,
            Self::Redis(server) => server.restart().await,
            Self::Postgres(postgres) => postgres.restart().await,
        }
        Ok(())
    }
}

/// Kills each of them at random moments, independently of the others, so that now and then several
/// are down at once; answers them, all of them up, and how often each kind was killed.
///
/// # Errors
/// Where one does not start again.
pub async fn kill_all(
    victims: Vec<Victim>,
    schedule: Schedule,
    mut random: Rng,
) -> Result<(Vec<Victim>, BTreeMap<&'static str, u32>)> {
    let left = Arc::new(AtomicI64::new(schedule.kills.into()));
    let failed = Arc::new(AtomicBool::new(false));
    let killing: Vec<_> = victims
        .into_iter()
        .map(|victim| {
            let (left, failed, random) = (Arc::clone(&left), Arc::clone(&failed), random.fork());
            tokio::spawn(async move {
                let done = kill_one(victim, schedule, random, &left, &failed).await;
                // The others need not be killed any more.
                failed.fetch_or(done.is_err(), Ordering::Relaxed);
                done
            })
        })
        .collect();
    let (mut victims, mut kills) = (Vec::new(), BTreeMap::new());
    for one in killing {
        let (victim, times) = one.await??;
        *kills.entry(victim.as_str()).or_default() += times;
        victims.push(victim);
    }
    Ok((victims, kills))
}

async fn kill_one(
    mut victim: Victim,
    schedule: Schedule,
    mut random: Rng,
    left: &AtomicI64,
    failed: &AtomicBool,
) -> Result<(Victim, u32)> {
    let mut times = 0;
    let between = |random: &mut Rng, least: Duration, most: Duration| {
        let most = most.as_millis() as u64;
        Duration::from_millis(random.u64(least.as_millis() as u64..=most))
    };
    loop {
        let (least, most) = schedule.lives;
        sleep(between(&mut random, least, most)).await;
        if failed.load(Ordering::Relaxed) || left.fetch_sub(1, Ordering::Relaxed) <= 0 {
            return Ok((victim, times));
        }
        victim.kill().await?;
        times += 1;
        sleep(between(&mut random, Duration::ZERO, schedule.down)).await;
        victim.start().await?;
    }
}
