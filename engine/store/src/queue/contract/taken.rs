//! Durable before the answer, and once.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use larder_core::{Head, Key, Value};

use super::subject::{NOW, Subject, change, done, row};
use crate::queue::{Change, Fingerprint, QueueError};

/// How long an operation is known, in milliseconds.
const KNOWN_MS: u64 = 600_000;

/// Changes that have everything, nothing, and what is awkward to store.
fn awkward() -> Vec<Change> {
    let bare = change(&row("bare"), "");
    let mut deleting = change(&row("gone"), "");
    deleting.value = None;
    let mut full = change(&row("a/b\u{0}ü \u{1f9ca}"), "");
    full.attributes = vec![
        ("query.page".into(), "2".into()),
        ("query.page".into(), String::new()),
    ];
    full.key = Key::new("acme", "product", &"x".repeat(2_000));
    full.value = Some(Value {
        bytes: (0..=255).collect::<Vec<u8>>().into(),
        content_type: Some("image/png".into()),
        head: Head::new(200, [("content-encoding", Bytes::from_static(b"gzip"))])
            .ok()
            .flatten(),
    });
    full.sealed = Some("key-2026".into());
    full.stale = r#"[{"tag":"product"}]"#.into();
    let mut nameless = change(&row(""), "{}");
    nameless.row.tenant = "".into();
    nameless.sealed = Some("".into());
    nameless.stale = "".into();
    vec![bare, deleting, full, nameless]
}

pub(super) async fn what_was_taken_comes_back_whole_after_a_crash(on: Subject) {
    let all = awkward();
    let mut numbers = Vec::new();
    for change in &all {
        numbers.push(on.enqueue(change.clone(), NOW).await.sequence);
    }
    let on = on.crash().await;
    for (change, sequence) in all.iter().zip(numbers) {
        let queued = done(on.queue().unflushed(&change.row).await);
        let queued = queued.map(Arc::unwrap_or_clone);
        let whole = queued.as_ref().is_some_and(|queued| {
            queued.sequence == sequence
                && queued.at == NOW
                && queued.change == *change
                // Keys are equal by their storage form alone.
                && queued.change.key.logical() == change.key.logical()
        });
        assert!(whole, "{queued:?} is not {change:?}");
        let claim = on.claim(&change.row.partition()).await;
        let head = on.queued(&claim, usize::MAX).await;
        assert!(
            head.iter().any(|one| Some(&**one) == queued.as_ref()),
            "{head:?}"
        );
        done(on.queue().let_go(&claim).await);
    }
}

pub(super) async fn an_operation_is_taken_once(on: Subject) {
    let once = change(&row("1"), "first");
    let claim = on.claim(&once.row.partition()).await;
    let first = on.enqueue(once.clone(), NOW).await;
    assert!(!first.repeated);

    // Whatever the repetition says: it is the same write.
    let mut again = once.clone();
    again.value = Some(Value::new("another"));
    let late = NOW.plus(KNOWN_MS - 1);
    let repeated = on.enqueue(again.clone(), late).await;
    assert!(repeated.repeated && repeated.sequence == first.sequence);
    assert_eq!(on.head(&claim).await, ["first"]);

    on.flushed(&claim, &[first.sequence]).await;
    let repeated = on.enqueue(again.clone(), late).await;
    assert!(repeated.repeated && repeated.sequence == first.sequence);
    assert_eq!(on.seen(&once.row).await, None);

    let on = on.crash().await;
    let repeated = on.enqueue(again, late).await;
    assert!(repeated.repeated && repeated.sequence == first.sequence);
    assert_eq!(on.depth().await.waiting, 0);
}

pub(super) async fn an_operation_that_is_repeated_at_the_same_time_is_taken_once(on: Subject) {
    let once = change(&row("1"), "v");
    let all = join_all((0..8).map(|_| on.enqueue(once.clone(), NOW))).await;
    let taken: Vec<_> = all.iter().filter(|one| !one.repeated).collect();
    assert_eq!(taken.len(), 1, "{all:?}");
    assert!(all.iter().all(|one| one.sequence == taken[0].sequence));
    assert_eq!(on.depth().await.waiting, 1);
}

pub(super) async fn an_operation_of_another_row_is_another(on: Subject) {
    let base = row("1");
    let mut rows = vec![base.clone(), base.clone(), base.clone(), base.clone(), base];
    rows[1].id = "2".into();
    rows[2].resource = "order".into();
    rows[3].tenant = "other".into();
    rows[4].origin = "stock".into();
    for row in &rows {
        let mut one = change(row, &row.id);
        one.operation = "the same".into();
        assert!(!on.enqueue(one, NOW).await.repeated, "{row:?}");
        assert_eq!(on.seen(row).await.as_deref(), Some(&*row.id));
    }
    assert_eq!(on.depth().await.waiting, rows.len() as u64);
}

/// Whatever the row: another request under the same name of the same tenant is refused, before and
/// after the first is flushed, and after a crash.
pub(super) async fn a_name_belongs_to_one_request(on: Subject) {
    let request = |byte: u8| {
        let mut request = Fingerprint::default();
        request.0[15] = byte;
        request
    };
    let named = |id: &str, byte: Option<u8>| {
        let mut one = change(&row(id), "v");
        one.operation = "named".into();
        one.request = byte.map(request);
        one
    };
    let first = on.enqueue(named("1", Some(1)), NOW).await;
    let refused = async |on: &Subject| {
        for id in ["1", "2"] {
            let refused = on.queue().enqueue(named(id, Some(2)), NOW).await;
            assert_eq!(refused, Err(QueueError::Reused), "{id}");
        }
        let repeated = on.enqueue(named("1", Some(1)), NOW).await;
        assert!(repeated.repeated && repeated.sequence == first.sequence);
    };
    refused(&on).await;
    let claim = on.claim(&row("1").partition()).await;
    on.flushed(&claim, &[first.sequence]).await;
    refused(&on).await;
    let on = on.crash().await;
    refused(&on).await;
    assert_eq!(on.depth().await.waiting, 0);

    // Of another tenant it is another name, and what was kept without a request is not compared.
    let mut other = named("1", Some(2));
    other.row.tenant = "other".into();
    assert!(!on.enqueue(other, NOW).await.repeated);
    let mut before = named("1", None);
    before.operation = "before".into();
    let taken = on.enqueue(before.clone(), NOW).await;
    before.request = Some(request(1));
    let repeated = on.enqueue(before, NOW).await;
    assert!(repeated.repeated && repeated.sequence == taken.sequence);
    assert_eq!(on.depth().await.waiting, 2);
}
