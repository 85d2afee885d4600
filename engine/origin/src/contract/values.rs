//! Values come back as they were written, each under its own id.

use bytes::Bytes;
use futures_util::future::join_all;
use larder_core::{Head, Value};

use super::Subject;
use super::subject::{delete, load, queued, same, write};

/// Ids that break careless addresses, statements and keys.
const AWKWARD: [&str; 14] = [
    "two words",
    "a/b",
    "../secret",
    "x'; DROP TABLE items; --",
    "\"quoted\" `and` [more]",
    "100%",
    "%2F%00",
    "a?b=c&d=e#f",
    "grün/日本/🦀",
    "{id}",
    "semi;colon:colon",
    "back\\slash",
    "+plus",
    "_%",
];

/// Nothing there is `None`, not an error, for loads and deletes.
pub(super) async fn absent_is_none(subject: &Subject) {
    let origin = subject.origin();
    assert_eq!(load(origin, "nothing").await, None);
    assert_ne!(delete(origin, "nothing").await, Some(true));
    assert_eq!(load(origin, "nothing").await, None);
}

/// A write is what the next load answers, the second write too, and an answer that comes with the
/// write is the very answer of the load.
pub(super) async fn a_write_is_loaded(subject: &Subject) {
    let (origin, value) = (subject.origin(), subject.value);
    for version in 1..=3 {
        let written = value("kept", version);
        let existed = write(origin, "kept", &written).await;
        assert_ne!(existed, Some(version == 1), "version {version}");
        let loaded = load(origin, "kept").await;
        assert!(same(loaded.as_ref(), &written), "{loaded:?}");
        assert!(!same(loaded.as_ref(), &value("kept", version + 1)));
    }
}

/// What was deleted is gone, alone, and may come back.
pub(super) async fn a_delete_is_final(subject: &Subject) {
    let (origin, value) = (subject.origin(), subject.value);
    write(origin, "gone", &value("gone", 1)).await;
    write(origin, "stays", &value("stays", 1)).await;
    assert_ne!(delete(origin, "gone").await, Some(false));
    assert_eq!(load(origin, "gone").await, None);
    assert_ne!(delete(origin, "gone").await, Some(true));
    assert!(same(
        load(origin, "stays").await.as_ref(),
        &value("stays", 1)
    ));
    write(origin, "gone", &value("gone", 2)).await;
    assert!(same(load(origin, "gone").await.as_ref(), &value("gone", 2)));
}

/// An id names exactly one thing, whatever characters it has: it is found, its neighbours are
/// not, and deleting it leaves them alone.
pub(super) async fn awkward_ids_name_themselves(subject: &Subject) {
    let (origin, value) = (subject.origin(), subject.value);
    for id in AWKWARD {
        assert_eq!(load(origin, id).await, None, "{id} is not written yet");
        write(origin, id, &value(id, 1)).await;
    }
    for id in AWKWARD {
        let loaded = load(origin, id).await;
        assert!(same(loaded.as_ref(), &value(id, 1)), "{id}: {loaded:?}");
    }
    for (at, id) in AWKWARD.into_iter().enumerate() {
        delete(origin, id).await;
        for (other_at, other) in AWKWARD.into_iter().enumerate() {
            let there = load(origin, other).await.is_some();
            assert_eq!(there, other_at > at, "{other} after deleting {id}");
        }
    }
}

/// What describes a value's bytes comes back with them, written directly or queued, or not at all:
/// the bytes alone would be another value where they are encoded.
pub(super) async fn header_lines_are_kept_where_it_says_so(subject: &Subject) {
    let origin = subject.origin();
    let lines = [
        ("content-encoding", Bytes::from_static(b"x-mine")),
        ("content-language", Bytes::from_static(b"de")),
    ];
    let head = Head::new(200, lines).unwrap_or_else(|error| panic!("{error}"));
    let described = |id| Value {
        head: head.clone(),
        ..(subject.value)(id, 1)
    };
    write(origin, "described", &described("described")).await;
    let later = described("described-later");
    let queued = queued("described-later", Some(&later), 1);
    let answers = origin.apply(&[queued]).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    for id in ["described", "described-later"] {
        let loaded = load(origin, id).await;
        let kept = loaded.and_then(|loaded| loaded.head);
        let line = |name| {
            kept.as_ref()
                .and_then(|head| head.all(name).next().cloned())
        };
        let expected = |text: &'static str| origin.keeps_headers().then(|| Bytes::from(text));
        assert_eq!(line("content-encoding"), expected("x-mine"), "{id}");
        assert_eq!(line("content-language"), expected("de"), "{id}");
    }
}

/// Loads that run at once each get their own value.
pub(super) async fn loads_run_together(subject: &Subject) {
    let (origin, value) = (subject.origin(), subject.value);
    let ids: Vec<String> = (0..8).map(|n| format!("together-{n}")).collect();
    for id in &ids {
        write(origin, id, &value(id, 1)).await;
    }
    let asked: Vec<&String> = ids.iter().cycle().take(64).collect();
    let answers = join_all(asked.iter().map(|id| load(origin, id))).await;
    for (id, answer) in asked.iter().zip(answers) {
        assert!(
            same(answer.as_ref(), &value(id, 1)),
            "{id} answered {answer:?}"
        );
    }
}
