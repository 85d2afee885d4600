//! Where rows are, how they wait, and an engine over both.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use larder::core::Strategy;
use larder::origin::testing::{Database, SqliteFile};
use larder::origin::{
    HttpConfig, HttpOrigin, PostgresConfig, PostgresOrigin, SqliteConfig, SqliteOrigin,
};
use larder::store::queue::Queue;
use larder::store::{MemoryConfig, MemoryStore};
use larder::{Engine, QueueTuning, Request, Route, Value};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::faucet::Faucet;
use crate::kit::{Shelf, policy};

const SQLITE: &str = "CREATE TABLE carts (id TEXT PRIMARY KEY, price REAL, stock INTEGER DEFAULT 7,
    note TEXT, big INTEGER, CHECK (stock < 999));
    CREATE TABLE kept (id TEXT PRIMARY KEY, price REAL, stock INTEGER DEFAULT 7, note TEXT, big INTEGER,
    v INTEGER, s INTEGER NOT NULL DEFAULT 0, gone BOOLEAN, CHECK (stock < 999));
    CREATE TABLE slots (id TEXT PRIMARY KEY, slot INTEGER UNIQUE);
    CREATE TABLE totals (id TEXT PRIMARY KEY, price REAL, stock INTEGER, total REAL AS (price * stock));";
const POSTGRES: &str = "CREATE TABLE carts (id text PRIMARY KEY, price numeric, stock int DEFAULT 7,
    note text, big numeric, CHECK (stock < 999));
    CREATE TABLE kept (id text PRIMARY KEY, price numeric, stock int DEFAULT 7, note text, big numeric,
    v bigint, s bigint NOT NULL DEFAULT 0, gone boolean, CHECK (stock < 999));";

/// An origin, and what has to live as long as it.
pub(super) struct Place {
    pub(super) faucet: Arc<Faucet>,
    _kept: Box<dyn Any + Send>,
}

impl Place {
    pub(super) async fn sqlite(table: &str) -> Self {
        let file = SqliteFile::create(SQLITE);
        let mut config = SqliteConfig::new(file.path(), table, "id");
        if table == "kept" {
            config.version = Some("v".into());
            config.sequence = Some("s".into());
            config.deleted = Some("gone".into());
        }
        let origin = SqliteOrigin::open(config).expect("the table is there");
        Self {
            faucet: Arc::new(Faucet::new(Arc::new(origin))),
            _kept: Box::new(file),
        }
    }

    pub(super) async fn postgres(table: &str) -> Self {
        let database = Database::create().await;
        database.ask(POSTGRES).await.expect("the tables are made");
        let mut config = PostgresConfig::new(database.url(), table, "id");
        config.connections = 4;
        if table == "kept" {
            config.version = Some("v".into());
            config.sequence = Some("s".into());
            config.deleted = Some("gone".into());
        }
        let origin = PostgresOrigin::open(config).await;
        Self {
            faucet: Arc::new(Faucet::new(Arc::new(origin.expect("it is there")))),
            _kept: Box::new(database),
        }
    }

    pub(super) async fn http() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("is bound");
        let service = tokio::spawn(serve(listener));
        let origin = HttpOrigin::new(HttpConfig::new(format!("http://{address}")));
        Self {
            faucet: Arc::new(Faucet::new(Arc::new(origin.expect("it opens")))),
            _kept: Box::new(service),
        }
    }
}

/// An engine whose requests name their strategy.
pub(super) fn engine(place: &Place, queue: Arc<dyn Queue>) -> Engine {
    engine_of(place, queue, &["*"])
}

/// One with a route of its own for each of these resources.
pub(super) fn engine_of(place: &Place, queue: Arc<dyn Queue>, resources: &[&str]) -> Engine {
    let policies = Arc::new(Shelf::default());
    policies.put(policy(Strategy::WriteBehind, |request, decision| {
        let by = request.attributes.iter().find(|(name, _)| name == "by");
        decision.strategy = match by.map(|(_, by)| by.as_str()) {
            Some("bypass") => Strategy::Bypass,
            Some("cache_aside") => Strategy::CacheAside,
            Some("read_through") => Strategy::ReadThrough,
            Some("write_through") => Strategy::WriteThrough,
            _ => Strategy::WriteBehind,
        };
    }));
    let store = Arc::new(MemoryStore::new(MemoryConfig::default()));
    let tuning = QueueTuning {
        batch_age_ms: 1,
        ..QueueTuning::default()
    };
    let route = |resource: &&str| Route::new(*resource, "native").origin("shop");
    let mut routed = Engine::builder(policies, store);
    for route in resources.iter().map(route) {
        routed = routed.route(route);
    }
    routed
        .origin("shop", place.faucet.clone())
        .queue(queue, tuning)
        .build()
        .expect("the parts fit")
}

/// Waits until the queue is empty but for dead letters.
pub(super) async fn flushed(engine: &Engine) {
    let queue = engine.queue().expect("there is one");
    for _ in 0..3_000 {
        if queue.depth().await.expect("it answers").waiting == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    unreachable!("it is not flushed: {:?}", queue.failing("shop"));
}

pub(super) fn request(id: &str, by: &str) -> Request {
    Request::read("cart", id).with("by", by)
}

/// The fields of a value as JSON.
pub(super) fn json(value: Option<&Value>) -> Option<serde_json::Value> {
    value.map(|value| serde_json::from_slice(&value.bytes).expect("is JSON"))
}

/// A service that keeps what is put under its path, and shows it whatever the query.
async fn serve(listener: TcpListener) {
    let values = Arc::new(parking_lot::Mutex::new(HashMap::new()));
    while let Ok((stream, _)) = listener.accept().await {
        let values = Arc::clone(&values);
        tokio::spawn(async move { converse(stream, &values).await });
    }
}

async fn converse(
    stream: TcpStream,
    values: &parking_lot::Mutex<HashMap<String, Vec<u8>>>,
) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        while !head.ends_with("\r\n\r\n") {
            let begin = head.len();
            if stream.read_line(&mut head).await.ok()? == 0 {
                return None;
            }
            let line = head.get(begin..)?.to_ascii_lowercase();
            if let Some(number) = line.strip_prefix("content-length:") {
                length = number.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        let mut words = head.split(' ');
        let (method, address) = (words.next()?, words.next()?);
        let path = address.split('?').next()?.to_owned();
        let answer = match method {
            "PUT" => values
                .lock()
                .insert(path, body)
                .map(|_| Vec::new())
                .or(Some(Vec::new())),
            "DELETE" => values.lock().remove(&path).map(|_| Vec::new()),
            _ => values.lock().get(&path).cloned(),
        };
        let status = if answer.is_some() {
            "200 OK"
        } else {
            "404 Not Found"
        };
        let body = answer.unwrap_or_default();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.ok()?;
        stream.write_all(&body).await.ok()?;
    }
}
