//! A queue at its ends: a disk that is full, a limit that is reached, a row that is refused.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on ends"
)]

use larder_durability::ask::{Answered, Ask};
use larder_durability::engine::{Engine, Settings};
use larder_durability::load::body;
use larder_durability::run::empty;
use larder_durability::table;
use larder_origin::testing::{Durability, Postgres};

/// How large a file may become on a disk that is about to be full, in bytes.
const FULL: u64 = 2 << 20;

/// PostgreSQL with the table, an engine over it, and a client of that.
struct Place {
    postgres: Postgres,
    engine: Engine,
    ask: Ask,
}

impl Place {
    async fn new(write_behind: &str) -> Self {
        let postgres = Postgres::with(Durability::Full).await;
        table::create(&postgres.url()).await.unwrap();
        let mut engine = Engine::new(&Settings {
            postgres: postgres.url(),
            origin: table::KEPT.to_owned(),
            write_behind: format!("level = \"local\"\n{write_behind}"),
            ..Settings::default()
        })
        .unwrap();
        engine.start().await.unwrap();
        let ask = engine.ask().unwrap();
        Self {
            postgres,
            engine,
            ask,
        }
    }

    /// Writes rows 0 to `count` until one is refused or written through, or all are queued;
    /// answers what was acknowledged, and the first answer that was another one than queued.
    async fn fill(&self, count: u64, filler: usize) -> (Vec<String>, Option<Answered>) {
        let filler = "x".repeat(filler);
        let mut acknowledged = Vec::new();
        for n in 0..count {
            let key = format!("{n}{filler}");
            match self
                .ask
                .write(&key, &format!("fill-{key}"), Some(body(&key, 1)))
                .await
            {
                Answered::Queued { .. } => acknowledged.push(key),
                Answered::Written => return (acknowledged, Some(Answered::Written)),
                other => return (acknowledged, Some(other)),
            }
        }
        (acknowledged, None)
    }

    async fn all_are_there(&self, acknowledged: &[String]) {
        empty(&self.ask).await.unwrap();
        let client = table::connect(&self.postgres.url()).await.unwrap();
        let rows = table::rows(&client).await.unwrap();
        let missing: Vec<_> = acknowledged
            .iter()
            .filter(|key| !rows.contains_key(*key))
            .collect();
        assert!(
            missing.is_empty(),
            "{} are missing: {:?}",
            missing.len(),
            missing.first()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_at_its_limit_refuses_where_that_is_configured() {
    let mut place = Place::new("limit = 20\non_full = \"refuse\"\n").await;
    place.postgres.kill();
    let (acknowledged, end) = place.fill(100, 0).await;
    assert_eq!(acknowledged.len(), 20);
    assert_eq!(end, Some(Answered::Refused(503, "queue_full".to_owned())));
    place.postgres.restart().await;
    place.all_are_there(&acknowledged).await;
    let again = place.ask.write("late", "late", Some(body("late", 1))).await;
    assert!(matches!(again, Answered::Queued { .. }), "{again:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_at_its_limit_is_passed_by_where_that_is_configured() {
    // Nothing is flushed for as long as the rows of the queue are locked.
    let place = Place::new("limit = 20\non_full = \"write_through\"\n").await;
    let client = table::connect(&place.postgres.url()).await.unwrap();
    let (first, end) = place.fill(1, 0).await;
    assert_eq!((first.len(), end), (1, None));
    empty(&place.ask).await.unwrap();
    client
        .batch_execute("BEGIN; LOCK TABLE things IN SHARE MODE")
        .await
        .unwrap();
    let filled = async {
        for n in 0..20 {
            let key = format!("k{n}");
            let answered = place.ask.write(&key, &key, Some(body(&key, 1))).await;
            assert!(matches!(answered, Answered::Queued { .. }), "{answered:?}");
        }
    };
    filled.await;
    let beyond = async {
        let key = "beyond";
        place.ask.write(key, key, Some(body(key, 1))).await
    };
    let unlock = async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        client.batch_execute("COMMIT").await.unwrap();
    };
    let (answered, ()) = tokio::join!(beyond, unlock);
    assert_eq!(answered, Answered::Written);
    let mut all: Vec<String> = (0..20).map(|n| format!("k{n}")).collect();
    all.push("beyond".to_owned());
    place.all_are_there(&all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_drops_nothing_that_was_acknowledged() {
    let mut place = Place::new("on_full = \"refuse\"\n").await;
    // The first write brings the policy into memory.
    let (warm, end) = place.fill(1, 0).await;
    assert_eq!((warm.len(), end), (1, None));
    empty(&place.ask).await.unwrap();
    place.engine.limit_files(FULL).unwrap();
    place.postgres.kill();
    let (acknowledged, end) = place.fill(20_000, 200).await;
    let Some(Answered::Refused(status, code)) = end else {
        panic!("a disk that is full takes no more, but: {end:?}");
    };
    assert_eq!((status, &*code), (503, "queue_full"));
    assert!(
        !acknowledged.is_empty(),
        "{code}: {}",
        place.engine.last_words()
    );
    // What is acknowledged survives the end of the process, too.
    place.engine.kill().await.unwrap();
    place.postgres.restart().await;
    place.engine.start().await.unwrap();
    place.all_are_there(&acknowledged).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_is_refused_parks_alone_until_it_is_retried() {
    let place = Place::new("").await;
    let client = table::connect(&place.postgres.url()).await.unwrap();
    client
        .batch_execute("ALTER TABLE things ADD CONSTRAINT small CHECK (number < 100)")
        .await
        .unwrap();
    let put = async |key: &str, number: u64| {
        let operation = format!("{key}-{number}");
        let answered = place
            .ask
            .write(key, &operation, Some(body(key, number)))
            .await;
        assert!(matches!(answered, Answered::Queued { .. }), "{answered:?}");
    };
    put("poison", 100).await;
    // Together in a batch they would be one write.
    assert_eq!(empty(&place.ask).await.unwrap(), 1);
    put("poison", 7).await;
    for n in 0..50 {
        put(&format!("good{n}"), 1).await;
    }
    assert_eq!(
        empty(&place.ask).await.unwrap(),
        2,
        "both writes of the row wait for somebody"
    );
    let rows = table::rows(&client).await.unwrap();
    assert_eq!(rows.len(), 50, "the others flow: {rows:?}");
    assert!(!rows.contains_key("poison"));
    let read = place.ask.number("poison").await.unwrap_err().to_string();
    assert!(
        read.contains("partly_queued") && read.contains("larder queue retry"),
        "half a row is no answer: {read}"
    );

    let dead = place.engine.larder(&["queue", "dead", "--json"]).unwrap();
    let dead: serde_json::Value = serde_json::from_str(&dead).unwrap();
    let first = dead["letters"][0]["id"].as_str().unwrap();
    let shown = place.engine.larder(&["queue", "show", first]).unwrap();
    assert!(
        shown.contains("small") && shown.contains("poison"),
        "{shown}"
    );

    client
        .batch_execute("ALTER TABLE things DROP CONSTRAINT small")
        .await
        .unwrap();
    place.engine.larder(&["queue", "retry", first]).unwrap();
    assert_eq!(
        empty(&place.ask).await.unwrap(),
        0,
        "with it go the others of its row"
    );
    let rows = table::rows(&client).await.unwrap();
    assert_eq!(rows["poison"], 7);
    let read = place.ask.number("poison").await.unwrap();
    assert_eq!(read, Some(7), "as acknowledged");
    let status = place.engine.larder(&["queue", "status"]).unwrap();
    assert!(status.contains("local"), "{status}");
}
