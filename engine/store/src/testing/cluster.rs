//! A Cluster of three masters, with a replica each.

use futures_util::future::join_all;
use larder_servers::{Once, free_port};
use redis::{FromRedisValue, Value};

use super::server::Server;
use super::until;

const MASTERS: usize = 3;
/// Longer than a busy machine keeps a node from answering.
const PATIENT_MS: &str = "30000";

/// Three masters and three replicas that take over from them after about a second.
#[derive(Debug)]
pub struct Cluster {
    /// The masters, then their replicas in the same order.
    pub nodes: Vec<Server>,
}

impl Cluster {
    /// The addresses of the nodes of the one that all tests of the run share. Its replicas take
    /// over only from masters that are silent for long, which none is made to be.
    pub async fn shared() -> Vec<String> {
        static SHARED: Once = Once::new("cluster");
        let start = async || {
            let cluster = Self::start().await;
            for node in &cluster.nodes {
                let patient = ["CONFIG", "SET", "cluster-node-timeout", PATIENT_MS];
                must(node, &patient).await;
            }
            let urls = cluster.urls().join("\n");
            let nodes = cluster.nodes.into_iter().map(Server::leave);
            (urls, nodes.collect())
        };
        let urls = SHARED.get(start).await;
        urls.lines().map(str::to_owned).collect()
    }

    /// Starts one and waits until it is whole.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// As [`Cluster::start`], with more arguments for each node.
    pub async fn with(args: &[&str]) -> Self {
        let fixed = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"];
        let args = [&fixed, args].concat();
        let nodes = (0..MASTERS * 2).map(|_| Server::spawn(free_port(), &args));
        let cluster = Self {
            nodes: nodes.collect(),
        };
        join_all(cluster.nodes.iter().map(Server::answers)).await;
        cluster.meet().await;
        cluster.assign().await;
        cluster.replicate().await;
        until("the Cluster is whole", async || cluster.is_whole().await).await;
        cluster
    }

    /// The addresses of the nodes, as `RedisConfig::cluster` takes them.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Server::url).collect()
    }

    async fn meet(&self) {
        let first = &self.nodes[0];
        for node in &self.nodes[1..] {
            let port = node.port().to_string();
            must(first, &["CLUSTER", "MEET", "127.0.0.1", &port]).await;
        }
        until("all nodes know each other", async || {
            let views = self
                .nodes
                .iter()
                .map(|node| info(node, "cluster_known_nodes"));
            let all = self.nodes.len().to_string();
            join_all(views).await.iter().all(|known| *known == all)
        })
        .await;
    }

    async fn assign(&self) {
        for (n, master) in self.nodes[..MASTERS].iter().enumerate() {
            let first = (16_384 * n / MASTERS).to_string();
            let last = (16_384 * (n + 1) / MASTERS - 1).to_string();
            must(master, &["CLUSTER", "ADDSLOTSRANGE", &first, &last]).await;
            // Nodes that start with the same epoch settle it one after the other otherwise.
            let epoch = (n + 1).to_string();
            let _ = master.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await;
        }
    }

    async fn replicate(&self) {
        for (master, replica) in self.nodes.iter().zip(&self.nodes[MASTERS..]) {
            let id = must(master, &["CLUSTER", "MYID"]).await;
            let id = String::from_redis_value(id).expect("an id");
            until("a replica accepts its master", async || {
                replica.ask(&["CLUSTER", "REPLICATE", &id]).await.is_ok()
            })
            .await;
        }
    }

    /// The nodes that say that they are masters, by their position.
    pub async fn masters(&self) -> Vec<usize> {
        let mut masters = Vec::new();
        for (at, node) in self.nodes.iter().enumerate() {
            if replication(node).await.contains("role:master") {
                masters.push(at);
            }
        }
        masters
    }

    /// Whether every node sees all slots served, and every replica is in step.
    pub async fn is_whole(&self) -> bool {
        let mut in_step = 0;
        for node in &self.nodes {
            if info(node, "cluster_state").await != "ok" {
                return false;
            }
            in_step += usize::from(replication(node).await.contains("master_link_status:up"));
        }
        // Only then does a view contain the replicas.
        let told = text(self.nodes[0].ask(&["CLUSTER", "NODES"]).await);
        in_step == MASTERS && told.matches("slave").count() == MASTERS && !told.contains("fail")
    }
}

async fn replication(node: &Server) -> String {
    text(node.ask(&["INFO", "replication"]).await)
}

async fn must(node: &Server, command: &[&str]) -> Value {
    let reply = node.ask(command).await;
    reply.unwrap_or_else(|error| panic!("{command:?} at {}: {error}", node.address()))
}

async fn info(node: &Server, field: &str) -> String {
    let told = text(node.ask(&["CLUSTER", "INFO"]).await);
    let mut fields = told.lines().filter_map(|line| line.split_once(':'));
    let found = fields.find(|(name, _)| *name == field);
    found.map_or_else(String::new, |(_, value)| value.trim().to_owned())
}

pub(super) fn text(reply: redis::RedisResult<Value>) -> String {
    let text = reply.and_then(|value| Ok(String::from_redis_value(value)?));
    text.unwrap_or_default()
}
