//! Servers over one Redis whose wall clocks differ by hours.

use std::path::Path;
use std::process::Command;

use larder_store::testing::Server as Redis;
use serde_json::json;
use tempfile::TempDir;

use crate::client::Client;
use crate::guests::shipped;
use crate::running::eventually;
use crate::serving::{Serving, client, serve_under};
use crate::shop::Shop;

const SHIFT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/blackbox/redis_clock/shift.c");

/// What sets the wall clock of a process by so many seconds as its variable `SHIFT` says.
fn shift(dir: &Path) -> String {
    let library = dir.join("shift.so");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(SHIFT);
    assert!(cc.status().expect("a C compiler").success());
    library.display().to_string()
}

fn folder(kind: &str, redis: &Redis, shop: &Shop) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("policies")).unwrap();
    let module = dir.path().join("policies/standard.wasm");
    std::fs::write(module, shipped("standard")).unwrap();
    let config = format!(
        "[store]\ntype = \"{kind}\"\nurl = \"{}\"\n\
         [[policy]]\nname = \"catalogue\"\nmodule = \"standard\"\n\
         [policy.limits]\ndeadline = \"5s\"\n\
         [policy.settings]\ndefault_ttl = \"1m\"\n\
         [[route]]\nresource = \"product\"\npolicy = \"catalogue\"\norigin = \"shop\"\n\
         [origin.shop]\ntype = \"sqlite\"\npath = {:?}\ntable = \"products\"\nkey = \"id\"\n",
        redis.url(),
        shop.path
    );
    std::fs::write(dir.path().join("larder.toml"), config).unwrap();
    dir
}

/// For how many seconds clients are told that the answer is fresh, where it was one of the cache.
async fn fresh_for(client: &Client) -> Option<u64> {
    let answer = client.get("/v1/entries/product/1").await;
    let status = answer.expect(200).header("cache-status").to_owned();
    let ttl = status.strip_prefix("Larder; hit; ttl=")?;
    let told = answer.header("cache-control");
    assert!(told.contains(&format!("max-age={ttl},")), "{told} {status}");
    Some(ttl.parse().expect("a number"))
}

#[tokio::test]
async fn nodes_whose_wall_clocks_differ_agree_on_when_an_entry_ends() {
    let (redis, shop) = (Redis::start().await, Shop::new());
    for (kind, off) in [("redis", "-7200"), ("tiered", "7200")] {
        redis.ask(&["FLUSHALL"]).await.unwrap();
        let dirs = [(); 2].map(|()| folder(kind, &redis, &shop));
        let library = shift(dirs[1].path());
        let shifted = [("LD_PRELOAD", &*library), ("SHIFT", off)];
        let log = dirs[1].path().join("log");
        let nodes: [Serving; 2] = [
            serve_under(dirs[0].path(), &[], &dirs[0].path().join("log")).await,
            serve_under(dirs[1].path(), &shifted, &log).await,
        ];
        let nodes = nodes.each_ref().map(|node| client(&node.data));
        for (writer, reader) in [(0, 1), (1, 0)] {
            fresh_for(&nodes[writer]).await;
            // What was stale is loaded anew behind an answer.
            let reads = async || fresh_for(&nodes[reader]).await;
            let fresh = eventually("the entry is there", reads).await;
            assert!((30..=60).contains(&fresh), "{kind} {off} {writer}: {fresh}");
            let tag = json!({"tags": ["product"], "mode": "expire"});
            nodes[writer]
                .post_json("/v1/invalidate", &tag)
                .await
                .expect(200);
            let fresh = fresh_for(&nodes[reader]).await;
            assert_eq!(fresh, None, "{kind} {off} {writer}");
            let purge = json!({"tags": ["product"]});
            nodes[writer]
                .post_json("/v1/invalidate", &purge)
                .await
                .expect(200);
        }
        eventually("the node says that its clock is off", async || {
            let said = std::fs::read_to_string(&log).unwrap();
            said.contains("set it with NTP").then_some(())
        })
        .await;
    }
}
