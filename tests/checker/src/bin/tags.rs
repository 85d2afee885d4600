//! Times the invalidation of a tag on few and on many entries, in memory and on a Redis that it
//! starts itself. Ends with an error if an entry is not served before, or served after.

use anyhow::Result;
use clap::Parser;
use larder::store::{MemoryConfig, MemoryStore, RedisConfig, RedisStore};
use larder_checker::tags::measure;
use larder_store::testing::Server;

/// Times the invalidation of a tag, by how many entries carry it.
#[derive(Debug, Parser)]
struct Args {
    /// Entries with the first tag
    #[arg(long, default_value_t = 10)]
    few: usize,
    /// Entries with the second; a million take about 1 GB in Redis, and in memory again
    #[arg(long, default_value_t = 1_000_000)]
    many: usize,
}

#[tokio::main]
#[allow(clippy::print_stdout, reason = "what the command is for")]
async fn main() -> Result<()> {
    let args = Args::parse();
    let (few, many) = (args.few.max(1), args.many.max(1));
    // Nothing may be evicted, as it would be missed.
    let memory = MemoryStore::new(MemoryConfig {
        capacity_bytes: 8 << 30,
    });
    println!("memory\n{}", measure(&memory, few, many).await?);
    drop(memory);
    let server = Server::start().await;
    let redis = RedisStore::connect(RedisConfig {
        url: Some(server.url()),
        ..RedisConfig::default()
    });
    println!("redis\n{}", measure(&redis.await?, few, many).await?);
    Ok(())
}
