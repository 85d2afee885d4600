//! `POST /v1/decide` on Larder's server and on axum handlers with the same logic in Rust: one
//! thread for the server, one for the client. The servers take turns, and a ratio is the median of
//! the ratios of each round, so that what else the machine does falls on both sides.
//! `LARDER_BENCH_ROUNDS` sets the number of rounds, `LARDER_BENCH_POLICY` the module.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use larder_peers::client::Client;
use larder_peers::host;
use larder_peers::rounds::median;
use larder_peers::servers::{self, Running};

const CONNECTIONS: usize = 32;
const SLICE: Duration = Duration::from_millis(250);
const BODY: &str = r#"{"request":{"operation":"read","resource":"product","id":"42","attributes":{"query.field":"price"}}}"#;

struct Subject {
    name: &'static str,
    server: Running,
    client: Client,
    /// Answers per second in each round.
    rates: Vec<f64>,
    /// Microseconds of the server's thread for each answer, in each round.
    costs: Vec<f64>,
}

impl Subject {
    fn new(name: &'static str, server: Running) -> Result<Self> {
        let client = Client::connect(server.address, CONNECTIONS, "/v1/decide", BODY)?;
        Ok(Self {
            name,
            server,
            client,
            rates: Vec::new(),
            costs: Vec::new(),
        })
    }

    fn round(&mut self) -> Result<()> {
        let before = self.server.busy();
        let run = self.client.run(SLICE)?;
        self.rates.push(run.per_second());
        if let (Some(before), Some(after)) = (before, self.server.busy()) {
            let busy = after.saturating_sub(before).as_secs_f64();
            self.costs.push(busy * 1e6 / f64::from(run.answers));
        }
        Ok(())
    }

    /// What is the same in the answers of all servers.
    fn decision(&mut self) -> Result<serde_json::Value> {
        let reply: serde_json::Value = serde_json::from_slice(&self.client.once()?)?;
        let fallback = reply.get("fallback").context("a reply without fallback")?;
        ensure!(fallback.is_null(), "{}: {fallback}", self.name);
        let decision = reply.get("decision").context("a reply without decision")?;
        Ok(decision.clone())
    }
}

fn main() -> Result<()> {
    let rounds = std::env::var("LARDER_BENCH_ROUNDS").ok();
    let rounds: usize = rounds.map_or(Ok(31), |text| text.parse())?;
    let metrics = larder_server::install_metrics()?;
    let module = host::module()?;
    let mut subjects = [
        Subject::new("larder", servers::larder(&module, metrics)?)?,
        Subject::new("axum, same connections", servers::axum_with_timers()?)?,
        Subject::new("axum::serve, no timers", servers::axum_serve()?)?,
    ];
    let [larder, peers @ ..] = &mut subjects;
    let mut expected = larder.decision()?;
    // The guard names the namespace that a policy leaves open.
    expected["namespace"] = "".into();
    for peer in peers {
        let decision = peer.decision()?;
        ensure!(
            decision == expected,
            "{}: {decision} is not {expected}",
            peer.name
        );
    }
    for _ in 0..rounds {
        for subject in &mut subjects {
            subject.round()?;
        }
    }
    print(&subjects, rounds);
    Ok(())
}

fn print(subjects: &[Subject; 3], rounds: usize) {
    println!("POST /v1/decide, {CONNECTIONS} connections, median of {rounds} rounds");
    println!(
        "{:<24}{:>12}{:>16}{:>22}{:>16}",
        "name", "answers/s", "larder's share", "us of server thread", "larder's share"
    );
    let [larder, ..] = subjects;
    for subject in subjects {
        let rate = shares(&larder.rates, &subject.rates);
        let cost = shares(&subject.costs, &larder.costs);
        println!(
            "{:<24}{:>12.0}{rate:>16.3}{:>22.2}{cost:>16.3}",
            subject.name,
            median(&mut subject.rates.clone()),
            median(&mut subject.costs.clone()),
        );
    }
}

/// The median of what `one` is of `other` in each round.
fn shares(one: &[f64], other: &[f64]) -> f64 {
    let shares = one.iter().zip(other).map(|(one, other)| one / other);
    median(&mut shares.collect::<Vec<_>>())
}
