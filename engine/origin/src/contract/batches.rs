//! Many writes that are handed over together.

use larder_core::Value;

use super::Subject;
use super::subject::{load, put, queued, same};
use crate::{Change, Origin, OriginError, Written};

/// What is asked of one row: its id, the version of its value (none deletes) and its sequence.
pub(super) type Ask<'a> = (&'a str, Option<u32>, u64);

/// Hands a batch over.
pub(super) async fn apply(
    subject: &Subject,
    asks: &[Ask<'_>],
) -> Vec<Result<Written, OriginError>> {
    let values: Vec<Option<Value>> = asks
        .iter()
        .map(|(id, version, _)| version.map(|version| (subject.value)(id, version)))
        .collect();
    let changes: Vec<Change<'_>> = asks
        .iter()
        .zip(&values)
        .map(|((id, _, sequence), value)| queued(id, value.as_ref(), *sequence))
        .collect();
    let answers = subject.origin.apply(&changes).await;
    assert_eq!(answers.len(), changes.len());
    answers
}

/// Whether a load answers this version of the value; none where there should be nothing.
pub(super) async fn holds(subject: &Subject, id: &str, version: Option<u32>, when: &str) {
    let loaded = load(subject.origin(), id).await;
    match version {
        Some(version) => {
            let value = (subject.value)(id, version);
            assert!(same(loaded.as_ref(), &value), "{id} {when}: {loaded:?}");
        }
        None => assert_eq!(loaded, None, "{id} {when}"),
    }
}

/// Writes and deletes at once, and newer ones after them; what they answer is that of their rows.
/// None at all is no error.
pub(super) async fn many_are_answered_in_their_places(subject: &Subject) {
    assert!(subject.origin.apply(&[]).await.is_empty());
    let ids: Vec<String> = (0..20).map(|n| format!("batch-{n}")).collect();
    for version in [1, 2] {
        let asks: Vec<Ask<'_>> = ids
            .iter()
            .enumerate()
            .map(|(n, id)| {
                let value = (version == 1 || n % 2 == 0).then_some(version);
                (id.as_str(), value, u64::from(version))
            })
            .collect();
        let answers = apply(subject, &asks).await;
        for ((id, value, _), answer) in asks.iter().zip(answers) {
            let written = taken(id, answer);
            assert_ne!(written.existed, Some(version == 1), "{id}");
            holds(subject, id, *value, "after its batch").await;
            if written.value.is_some() {
                assert_eq!(written.value, load(subject.origin(), id).await, "{id}");
            }
        }
    }
}

fn taken(id: &str, answer: Result<Written, OriginError>) -> Written {
    match answer {
        Ok(written) => written,
        Err(error) => panic!("{id}: {error}"),
    }
}

/// A batch whose end nobody knows is handed over again. Where sequences are kept, it takes effect
/// once.
pub(super) async fn the_same_batch_twice_does_no_harm(subject: &Subject) {
    let asks = [("twice-put", Some(2), 8), ("twice-gone", None, 8)];
    apply(
        subject,
        &[("twice-put", Some(1), 7), ("twice-gone", Some(1), 7)],
    )
    .await;
    for _ in 0..2 {
        for ((id, ..), answer) in asks.iter().zip(apply(subject, &asks).await) {
            taken(id, answer);
        }
        holds(subject, "twice-put", Some(2), "replayed").await;
        holds(subject, "twice-gone", None, "replayed").await;
    }
    let next = put_next(
        subject.origin(),
        "twice-put",
        &(subject.value)("twice-put", 3),
    )
    .await;
    if subject.keeps.version && subject.keeps.sequence {
        assert_eq!(next, Some(4), "one for each of three writes before");
    }
}

async fn put_next(origin: &dyn Origin, id: &str, value: &Value) -> Option<u64> {
    put(origin, id, value)
        .await
        .version
        .map(|version| version + 1)
}
