//! What the first released format of queues held, as its build left it: a local queue's file and the
//! commands that make a Redis hold the same. It must be read whole by every later build.
//!
//! Taken in this order: two writes of `c1`, a delete of `c2`, a write of `c3` that the origin
//! refused, and one that follows it.

use std::sync::Arc;

use larder_core::{Key, Timestamp, Value};

use super::contract::subject::text;
use super::{Change, Fingerprint, Letters, Queue, Row};

pub(crate) const FILE: &[u8] = include_bytes!("kept/queue.db");
pub(crate) const REDIS: &[u8] = include_bytes!("kept/redis.resp");

/// When it was taken.
const NOW: Timestamp = Timestamp(4_000_000_000_000);

fn row(id: &str) -> Row {
    Row {
        origin: "shop".into(),
        tenant: "acme".into(),
        resource: "cart".into(),
        id: id.into(),
    }
}

fn change(id: &str, operation: &str, body: Option<&str>) -> Change {
    Change {
        operation: operation.into(),
        request: None,
        row: row(id),
        attributes: vec![("query.lang".into(), "de".into())],
        key: Key::new("acme", "cart", id),
        value: body.map(|body| Value::json(body.to_owned())),
        sealed: None,
        stale: "{\"tags\":[\"cart\"]}".into(),
    }
}

async fn texts(queue: &dyn Queue, id: &str) -> Vec<String> {
    let pending = queue.pending(&row(id)).await.expect("it is read");
    pending.iter().map(|queued| text(queued)).collect()
}

async fn head(queue: &dyn Queue, id: &str) -> Vec<String> {
    let partition = row(id).partition();
    let claim = queue
        .claim(&partition, 1_000, NOW)
        .await
        .expect("it answers");
    let claim = claim.expect("nobody has it");
    let head = queue.head(&claim, 9, NOW).await.expect("it is read");
    queue.let_go(&claim).await.expect("it is let go");
    head.iter().map(|queued| text(queued)).collect()
}

/// Reads all of it: changes in their order, dead letters, and the operations that were taken.
pub(crate) async fn is_whole(queue: Arc<dyn Queue>) {
    let queue = &*queue;
    let depth = queue.depth().await.expect("it is read");
    assert_eq!((depth.waiting, depth.dead, depth.parked), (4, 1, 1));
    let first = queue.pending(&row("c1")).await.expect("it is read");
    let expected = change("c1", "a-1", Some("{\"price\":5}"));
    assert_eq!((first[0].at, &first[0].change), (NOW, &expected));
    assert_eq!(texts(queue, "c1").await, ["{\"price\":5}", "{\"stock\":3}"]);
    assert_eq!(head(queue, "c1").await, ["{\"price\":5}", "{\"stock\":3}"]);
    assert_eq!(head(queue, "c2").await, ["deleted"]);
    assert!(head(queue, "c3").await.is_empty(), "it is parked");
    let letters = queue.letters(None, 9).await.expect("they are read");
    assert_eq!(letters.len(), 2, "and what follows it is met");
    assert_eq!(&*letters[0].why, "refused");
    assert_eq!(queue.retry(&Letters::All).await, Ok(2));
    assert_eq!(head(queue, "c3").await, ["{\"n\":1}", "{\"n\":2}"]);
    // They were kept without the request, so whatever repeats them is answered as it was.
    let mut again = change("c1", "a-2", Some("{\"stock\":3}"));
    again.request = Some(Fingerprint([0; 16]));
    let enqueued = queue.enqueue(again, NOW).await.expect("it is known");
    assert_eq!(
        (enqueued.repeated, enqueued.sequence),
        (true, first[1].sequence)
    );
    let newer = queue.enqueue(change("c1", "b-1", None), NOW).await;
    let newer = newer.expect("it is taken").sequence;
    assert!(newer > first[1].sequence, "numbers go on");
}
