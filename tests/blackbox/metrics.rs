//! What Prometheus and its `promtool` want of every metric.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rusqlite::Connection;
use tempfile::TempDir;

use crate::guests::shipped;
use crate::serving::{Place, Serving, client, serve_in};
use crate::shop::Shop;
use crate::workspace::root;

/// Products through the queue to a database with an outbox: most of what there is to count.
async fn serving(shop: &Shop) -> (Serving, TempDir) {
    let outbox = include_str!("../../engine/origin/src/sqlite/outbox.sql");
    let db = Connection::open(&shop.path).unwrap();
    db.execute_batch(outbox).unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("policies")).unwrap();
    let module = dir.path().join("policies/standard.wasm");
    std::fs::write(module, shipped("standard")).unwrap();
    let config = format!(
        "[[policy]]\nname = \"behind\"\nmodule = \"standard\"\n\
         [policy.settings]\nstrategy = \"write_behind\"\n[policy.limits]\ndeadline = \"5s\"\n\
         [[policy]]\nname = \"catalogue\"\nmodule = \"standard\"\n\
         [policy.limits]\ndeadline = \"5s\"\n\
         [[route]]\nresource = \"order\"\npolicy = \"behind\"\norigin = \"shop\"\n\
         [[route]]\nresource = \"*\"\npolicy = \"catalogue\"\norigin = \"shop\"\n\
         [write_behind]\nlevel = \"local\"\ndir = \"queue\"\n\
         [origin.shop]\ntype = \"sqlite\"\npath = {:?}\ntable = \"products\"\nkey = \"id\"\n\
         [origin.shop.outbox]\npoll = \"50ms\"\n",
        shop.path
    );
    std::fs::write(dir.path().join("larder.toml"), config).unwrap();
    (serve_in(dir.path()).await, dir)
}

async fn scrape(serving: &Serving) -> String {
    let answer = client(&serving.admin).get("/metrics").await;
    answer.expect(200).text().to_owned()
}

/// Names with their labels, and values.
type Samples<'a> = Vec<(&'a str, f64)>;

/// The types of the families of a scrape, those that are explained, and its samples.
fn parts(text: &str) -> (BTreeMap<&str, &str>, BTreeSet<&str>, Samples<'_>) {
    let of = |line: &'static str| text.lines().filter_map(move |one| one.strip_prefix(line));
    let types = of("# TYPE ").map(|one| one.split_once(' ').unwrap());
    let helps = of("# HELP ").map(|one| one.split_once(' ').unwrap().0);
    let samples = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let samples = samples.map(|line| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name, value.parse().unwrap())
    });
    (types.collect(), helps.collect(), samples.collect())
}

fn sum_of(samples: &[(&str, f64)], beginning: &str) -> Option<f64> {
    let those = samples
        .iter()
        .filter(|(name, _)| name.starts_with(beginning));
    those
        .map(|(_, value)| *value)
        .reduce(|sum, value| sum + value)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_is_explained_and_every_histogram_has_buckets() {
    let shop = Shop::new();
    let (serving, _dir) = serving(&shop).await;
    let data = client(&serving.data);
    for id in 1..=40 {
        data.get(&format!("/v1/entries/product/{id}"))
            .await
            .expect(200);
    }
    data.put("/v1/entries/order/7", r#"{"price": 8}"#)
        .await
        .expect(202);
    data.put("/v1/entries/product/8", r#"{"price": 8}"#)
        .await
        .expect(200);
    data.post(
        "/v1/invalidate",
        r#"{"rows": [{"resource": "product", "id": "8"}]}"#,
    )
    .await
    .expect(200);
    data.get("/v1/entries/product/none/at/all")
        .await
        .expect(404);
    let text = scrape(&serving).await;
    let (types, helps, samples) = parts(&text);
    assert!(types.len() > 25, "{text}");
    for (name, kind) in &types {
        assert!(helps.contains(name), "{name} has no HELP");
        assert_eq!(
            *kind == "counter",
            name.ends_with("_total"),
            "{name} is a {kind}"
        );
        assert_ne!(*kind, "summary", "{name}");
        if *kind == "histogram" {
            let bucket = sum_of(&samples, &format!("{name}_bucket"));
            let counted = sum_of(&samples, &format!("{name}_count"));
            assert!(bucket.is_some() && counted.is_some(), "{name}");
        }
    }
    assert_eq!(
        sum_of(&samples, "larder_load_seconds_count"),
        Some(40.0 + 1.0)
    );
    // Each takes less than a millisecond.
    let took = sum_of(&samples, "larder_load_seconds_sum").unwrap();
    assert!(took > 0.0 && took.fract() != 0.0, "{took}");
}

/// An alert on the rate of a series that comes with its first event misses that one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_be_counted_is_there_before_it_happens() {
    let shop = Shop::new();
    let (serving, _dir) = serving(&shop).await;
    let text = scrape(&serving).await;
    for line in [
        "larder_reads_total{outcome=\"stale_on_error\"} 0",
        "larder_loads_total{result=\"ok\"} 0",
        "larder_decisions_total{policy=\"catalogue\",strategy=\"bypass\"} 0",
        "larder_not_stored_total{reason=\"voided\"} 0",
        "larder_invalidations_total{kind=\"row\"} 0",
        "larder_store_errors_total 0",
        "larder_shed_requests_total 0",
        "larder_queue_enqueued_total{result=\"full\"} 0",
        "larder_queue_flushed_total{origin=\"shop\"} 0",
        "larder_outbox_errors_total{origin=\"shop\",at=\"decide\"} 0",
        "larder_outbox_rows_total{origin=\"shop\",kind=\"row\"} 0",
        "larder_origin_refused_total{origin=\"shop\",by=\"tenant_cap\"} 0",
        "larder_origin_refused_total{origin=\"shop\",by=\"retry_after\"} 0",
        "larder_breaker_changes_total{origin=\"shop\",state=\"open\"} 0",
        "larder_policy_failures_total{policy=\"catalogue\",failure=\"deadline\"} 0",
        "larder_policy_reloads_total{policy=\"catalogue\",result=\"failed\"} 0",
        "larder_loads_total{result=\"origin_unreachable\"} 0",
        "larder_writes_total{operation=\"write\",result=\"ok\"} 0",
        "larder_writes_total{operation=\"delete\",result=\"origin_failed\"} 0",
        "larder_unreadable_entries_total{reason=\"unknown_key\"} 0",
    ] {
        assert!(text.lines().any(|one| one == line), "no `{line}`:\n{text}");
    }
}

/// What docs/errors.md has with a status of 500 and above.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_error_of_the_server_is_counted_from_zero() {
    let shop = Shop::new();
    let (serving, _dir) = serving(&shop).await;
    let text = scrape(&serving).await;
    let reference = std::fs::read_to_string(root().join("docs/errors.md")).unwrap();
    let mut codes = 0;
    for row in reference.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        if cells[2].parse::<u16>().is_ok_and(|status| status >= 500) {
            let line = format!(
                "larder_http_errors_total{{code=\"{}\"}} 0",
                cells[1].trim_matches('`')
            );
            assert!(text.lines().any(|one| one == line), "no `{line}`");
            codes += 1;
        }
    }
    assert!(codes > 30, "{codes}");
}

/// A share of failures is of all, those that the cache had no part in among them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loads_past_the_cache_and_writes_that_were_refused_are_counted() {
    let place = Place::new(
        "[[policy]]\nname = \"past\"\nmodule = \"standard\"\n\
         [policy.settings]\nstrategy = \"bypass\"\n[policy.limits]\ndeadline = \"5s\"\n\
         [[route]]\nresource = \"past\"\npolicy = \"past\"\norigin = \"shop\"\n",
    );
    let serving = serve_in(place.path()).await;
    let data = client(&serving.data);
    data.get("/v1/entries/past/7").await.expect(200);
    data.put("/v1/entries/none/7", r#"{"price": 8}"#)
        .await
        .expect(404);
    let text = scrape(&serving).await;
    for line in [
        "larder_loads_total{result=\"ok\"} 1",
        "larder_load_seconds_count 1",
        "larder_writes_total{operation=\"write\",result=\"no_route\"} 1",
    ] {
        assert!(text.lines().any(|one| one == line), "no `{line}`:\n{text}");
    }
}

fn names_in(dir: &Path, all: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names_in(&path, all);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            for kind in ["counter!(", "gauge!(", "histogram!("] {
                for call in text.split(kind).skip(1) {
                    let literal = call.trim_start().strip_prefix('"');
                    let name = literal.and_then(|rest| rest.split('"').next());
                    all.extend(name.map(ToOwned::to_owned));
                }
            }
        }
    }
}

/// Those that no test provokes are explained too.
#[test]
fn every_metric_of_the_source_is_in_the_table() {
    let mut all = BTreeSet::new();
    for one in [
        "core", "wasm", "store", "origin", "runtime", "server", "cli",
    ] {
        names_in(&root().join("engine").join(one).join("src"), &mut all);
    }
    assert!(all.len() > 30, "{all:?}");
    let table = root().join("engine/server/src/metrics/table.rs");
    let table = std::fs::read_to_string(table).unwrap();
    for name in all {
        assert!(
            table.contains(&format!("\"{name}\"")),
            "`{name}` is not explained"
        );
    }
}
