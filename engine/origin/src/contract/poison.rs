//! Writes that an origin will never take, beside others and alone.

use larder_core::Value;

use super::Subject;
use super::batches::{Ask, apply, holds};
use super::subject::{load, put, queued, same, wanted, write};
use crate::{Change, OriginError, Written};

type Answers = Vec<Result<Written, OriginError>>;

/// Hands over poison under each of these ids.
async fn apply_poison(subject: &Subject, ids: &[String], sequence: u64) -> Answers {
    let change = |id| queued(id, Some(&subject.poison), sequence);
    let changes: Vec<Change<'_>> = ids.iter().map(|id| change(id.as_str())).collect();
    subject.origin.apply(&changes).await
}

fn is_refused(answer: &Result<Written, OriginError>) -> bool {
    matches!(answer, Err(error) if error.as_str() == "rejected" && error.is_permanent())
}

/// Those that the origin will never take are answered so, in their places, and leave nothing
/// behind; the others go through, before and after.
pub(super) async fn a_poison_row_is_refused_alone(subject: &Subject) {
    let poisoned = [0, 13, 31, 49];
    let ids: Vec<String> = (0..50).map(|n| format!("poison-{n}")).collect();
    let value = |n: usize, id: &str| match poisoned.contains(&n) {
        true => subject.poison.clone(),
        false => (subject.value)(id, 1),
    };
    let values = ids.iter().enumerate().map(|(n, id)| value(n, id));
    let values: Vec<Value> = values.collect();
    let rows = ids.iter().zip(&values);
    let changes: Vec<Change<'_>> = rows.map(|(id, value)| queued(id, Some(value), 7)).collect();
    let answers = subject.origin.apply(&changes).await;
    assert_eq!(answers.len(), ids.len());
    for (n, (id, answer)) in ids.iter().zip(answers).enumerate() {
        let poison = poisoned.contains(&n);
        assert_eq!(is_refused(&answer), poison, "{id}: {answer:?}");
        assert_eq!(answer.is_err(), poison, "{id}: {answer:?}");
        holds(subject, id, (!poison).then_some(1), "beside poison").await;
    }
}

/// That all of a batch is refused is no failure of the origin, which takes the next one.
pub(super) async fn a_batch_of_poison_is_refused_row_by_row(subject: &Subject) {
    let ids: Vec<String> = (0..9).map(|n| format!("all-poison-{n}")).collect();
    for (id, answer) in ids.iter().zip(apply_poison(subject, &ids, 7).await) {
        assert!(is_refused(&answer), "{id}: {answer:?}");
        holds(subject, id, None, "refused").await;
    }
    let asks: Vec<Ask<'_>> = ids.iter().map(|id| (id.as_str(), Some(1), 8)).collect();
    for (id, answer) in ids.iter().zip(apply(subject, &asks).await) {
        assert!(answer.is_ok(), "{id}: {answer:?}");
        holds(subject, id, Some(1), "after poison").await;
    }
}

/// A row stays as it was when a write of it is refused, directly or queued, and what comes next is
/// taken: the refused one has no place among its writes.
pub(super) async fn a_refused_write_leaves_the_row_as_it_was(subject: &Subject) {
    let id = "poisoned-later".to_owned();
    let row = id.as_str();
    write(subject.origin(), row, &(subject.value)(row, 1)).await;
    let direct = subject.origin.write(wanted(row), &subject.poison).await;
    assert!(is_refused(&direct), "{direct:?}");
    holds(subject, row, Some(1), "refused directly").await;
    let answers = apply_poison(subject, std::slice::from_ref(&id), 8).await;
    assert!(answers.iter().all(is_refused), "{answers:?}");
    holds(subject, row, Some(1), "refused from the queue").await;
    let answers = apply(subject, &[(row, Some(2), 8)]).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    holds(subject, row, Some(2), "mended").await;
}

/// What an origin tells of a row from a write of it is what a load brings once it is written.
pub(super) async fn what_is_told_of_a_write_is_what_a_load_brings(subject: &Subject) {
    let id = "told";
    for version in [1, 2] {
        let value = (subject.value)(id, version);
        let told = subject.origin.whole(wanted(id), &value);
        let fields = subject.origin.as_read(&value);
        put(subject.origin(), id, &value).await;
        let loaded = load(subject.origin(), id).await;
        if let Some(told) = told {
            assert!(same(loaded.as_ref(), &told), "{loaded:?}, not {told:?}");
        }
        if let Some(fields) = fields {
            assert!(same(loaded.as_ref(), &fields), "{loaded:?}, not {fields:?}");
        }
    }
}
