//! Absent, refused and failed are told apart, and what a write answers is what a load brings.

use larder_core::Value;

use super::Subject;
use super::subject::{Alter, load, put, queued, same, wanted};
use crate::{Class, OriginError, Wanted};

/// What it will never take is refused, and the origin works as before.
pub(super) async fn a_refusal_is_no_failure(subject: &Subject) {
    let (origin, id) = (subject.origin(), "refusals");
    for _ in 0..3 {
        let error = match origin.write(wanted(id), &subject.poison).await {
            Err(error) => error,
            Ok(written) => panic!("it took {written:?}"),
        };
        assert_eq!(error.class(), Class::Refused, "{error}");
        assert!(error.is_undone(), "{error}");
        assert_eq!(load(origin, id).await, None);
    }
    put(origin, id, &(subject.value)(id, 1)).await;
}

/// A value can be written as it was loaded, whatever of it the origin makes by itself; directly and
/// from a queue the answer is what a load brings then.
pub(super) async fn a_value_is_written_as_it_was_read(subject: &Subject) {
    let (origin, id) = (subject.origin(), "as-it-was");
    for version in 1..=2 {
        put(origin, id, &(subject.value)(id, version)).await;
        let Some(loaded) = load(origin, id).await else {
            panic!("it was written");
        };
        put(origin, id, &loaded).await;
        let answers = origin
            .apply(&[queued(id, Some(&loaded), u64::from(version))])
            .await;
        for answer in answers {
            match answer {
                Ok(written) if written.value.is_some() => {
                    assert_eq!(
                        written.value,
                        load(origin, id).await,
                        "the answer to a batch"
                    );
                }
                Ok(_) => {}
                Err(error) => panic!("it was read like this: {error}"),
            }
        }
        let loaded = load(origin, id).await;
        assert!(
            same(loaded.as_ref(), &(subject.value)(id, version)),
            "{loaded:?}"
        );
    }
}

/// `query.field` names what is answered of a value that has fields, and what may be written of it.
pub(super) async fn a_field_is_that_field_alone(subject: &Subject) {
    let Some(field) = subject.field else { return };
    let (origin, id) = (subject.origin(), "fields");
    put(origin, id, &(subject.value)(id, 1)).await;
    let name = |name: &str| [("query.field".to_owned(), name.to_owned())];
    let (known, unknown) = (name(field), name("larder has no such field"));
    let one = Wanted {
        attributes: &known,
        ..wanted(id)
    };
    let whole = fields(load(origin, id).await);
    let found = match origin.load(one).await {
        Ok(found) => fields(found.value),
        Err(error) => panic!("{error}"),
    };
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found.get(field), whole.get(field));
    let part = serde_json::Value::Object(fields(Some((subject.value)(id, 2))));
    let part = serde_json::json!({field: part[field]});
    match origin.write(one, &Value::json(part.to_string())).await {
        Ok(written) => assert_eq!(written.value, Some(Value::json(part.to_string()))),
        Err(error) => panic!("{error}"),
    }
    let elsewhere = Wanted {
        attributes: &unknown,
        ..one
    };
    let other = (subject.value)(id, 3);
    refused(&origin.load(elsewhere).await, "a field that is none");
    refused(&origin.write(one, &other).await, "more than the field");
    refused(&origin.delete(one).await, "a delete of a field");
    let answers = origin
        .apply(&[crate::Change {
            wanted: one,
            ..queued(id, None, 1)
        }])
        .await;
    refused(&answers[0], "a queued delete of a field");
    assert_eq!(fields(load(origin, id).await).get(field), part.get(field));
}

fn refused<T: std::fmt::Debug>(answer: &Result<T, OriginError>, what: &str) {
    let class = answer.as_ref().map_err(OriginError::class);
    assert!(matches!(class, Err(Class::Refused)), "{what}: {answer:?}");
}

fn fields(value: Option<Value>) -> serde_json::Map<String, serde_json::Value> {
    let bytes = value.map(|value| value.bytes).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// Where what holds the values no longer fits, every call fails and says why, nothing is
/// acknowledged, and what is queued waits; where it fits again, so do the calls.
pub(super) async fn a_schema_that_no_longer_fits_is_said(subject: &Subject) {
    let Some(alter) = &subject.alter else { return };
    let (origin, id) = (subject.origin(), "schema");
    let value = (subject.value)(id, 1);
    put(origin, id, &value).await;
    assert_eq!(origin.trouble(), None);
    alter(Alter::RenameKey).await;
    for id in [id, "never there"] {
        unfit(origin.load(wanted(id)).await.map(drop), "a load");
        unfit(origin.delete(wanted(id)).await.map(drop), "a delete");
        unfit(origin.write(wanted(id), &value).await.map(drop), "a write");
        for change in [queued(id, Some(&value), 1), queued(id, None, 2)] {
            for answer in origin.apply(&[change]).await {
                unfit(answer.map(drop), "a queued write");
            }
        }
    }
    assert!(origin.trouble().is_some(), "it is known");
    alter(Alter::RenameBack).await;
    assert!(
        same(load(origin, id).await.as_ref(), &value),
        "nothing was changed"
    );
    assert_eq!(origin.trouble(), None);
    alter(Alter::AddColumn).await;
    put(origin, id, &(subject.value)(id, 2)).await;
}

fn unfit(answer: Result<(), OriginError>, what: &str) {
    match answer {
        Err(error @ OriginError::Schema(_)) => {
            assert!(
                error.to_string().contains("`id`"),
                "{what} names the column: {error}"
            );
        }
        other => panic!("{what}: {other:?}"),
    }
}
