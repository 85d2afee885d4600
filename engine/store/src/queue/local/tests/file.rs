//! The file, in whatever state it is found.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;

use super::{Folder, NOW, open, row, spoil, text, waiting};
use crate::queue::contract::subject::change;
use crate::queue::{Letters, Queue, QueueError};
use crate::{LocalQueue, LocalQueueConfig, QueueOpenError};

fn refused(dir: &Path) -> QueueOpenError {
    match LocalQueue::open(LocalQueueConfig::new(dir)) {
        Ok(_) => panic!("it is opened"),
        Err(error) => error,
    }
}

fn raw(dir: &Path) -> Connection {
    Connection::open(dir.join("queue.db")).unwrap()
}

#[tokio::test]
async fn a_folder_is_for_one_process_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("made/when/missing");
    let queue = open(&inner);
    let path = inner.clone();
    assert_eq!(refused(&inner), QueueOpenError::InUse { path });
    queue.enqueue(change(&row("1"), "v"), NOW).await.unwrap();
    drop(queue);
    assert_eq!(waiting(&open(&inner)).await.len(), 1);
}

#[test]
fn what_cannot_be_a_queue_is_refused_with_words() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = refused(&file);
    assert!(matches!(error, QueueOpenError::Folder { .. }), "{error}");

    std::fs::write(dir.path().join("queue.db"), [b'x'; 4_096]).unwrap();
    let error = refused(dir.path());
    assert!(matches!(error, QueueOpenError::Foreign { .. }), "{error}");
    std::fs::remove_file(dir.path().join("queue.db")).unwrap();

    drop(open(dir.path()));
    raw(dir.path())
        .execute_batch("PRAGMA user_version = 99")
        .unwrap();
    let error = refused(dir.path());
    assert!(
        matches!(error, QueueOpenError::Newer { found: 99, .. }),
        "{error}"
    );
    let mut config = LocalQueueConfig::new(dir.path());
    config.limit = 0;
    let error = LocalQueue::open(config).map(drop).unwrap_err();
    assert_eq!(error.to_string(), "`write_behind.limit` must be at least 1");
}

#[tokio::test]
async fn what_cannot_be_read_is_a_dead_letter_and_parks_its_row() {
    let dir = tempfile::tempdir().unwrap();
    let (ill, well) = (row("1"), row("2"));
    let queue = open(dir.path());
    let first = queue.enqueue(change(&ill, "1"), NOW).await.unwrap();
    queue.enqueue(change(&well, "a"), NOW).await.unwrap();
    let unnamed = queue.enqueue(change(&row("3"), "?"), NOW).await.unwrap();
    drop(queue);
    spoil(dir.path(), first.sequence);
    let db = raw(dir.path());
    let damage = "UPDATE change SET record = x'00' WHERE sequence = ?";
    db.execute(damage, [unnamed.sequence as i64]).unwrap();
    drop(db);

    let queue = open(dir.path());
    let corrupt = queue.unflushed(&ill).await.unwrap_err();
    let place = format!("queue.db, row {} of table change", first.sequence);
    assert!(matches!(&corrupt, QueueError::Corrupt { .. }), "{corrupt}");
    assert!(corrupt.to_string().contains(&place), "{corrupt}");
    let later = queue.enqueue(change(&ill, "2"), NOW).await.unwrap();
    assert!(later.sequence > unnamed.sequence);
    assert_eq!(
        queue.unflushed(&ill).await.unwrap().map(|one| text(&one)),
        Some("2".into())
    );
    let texts: Vec<_> = waiting(&queue).await.iter().map(|one| text(one)).collect();
    assert_eq!(texts, ["a"], "the other rows flow");

    let letters = queue.letters(None, 9).await.unwrap();
    let known: Vec<_> = letters
        .iter()
        .map(|one| (one.id.sequence, one.readable))
        .collect();
    let all = [
        (first.sequence, false),
        (unnamed.sequence, false),
        (later.sequence, true),
    ];
    assert_eq!(known, all, "what comes after it follows it");
    assert_eq!(letters[0].queued.change.row, ill);
    assert_eq!(*letters[0].why, *corrupt.to_string());
    for letter in &letters {
        assert_eq!(
            queue.letter(&letter.id).await.as_ref(),
            Ok(&Some(letter.clone()))
        );
    }
    let unread = Letters::One(letters[0].id.clone());
    assert_eq!(queue.retry(&unread).await, Err(corrupt));
    let depth = queue.depth().await.unwrap();
    assert_eq!((depth.waiting, depth.dead, depth.parked), (1, 3, 1));

    assert_eq!(queue.forget(&unread).await.unwrap().len(), 1);
    assert_eq!(queue.retry(&Letters::All).await, Ok(1), "its row is open");
    let unnamed = letters[1].id.to_string().parse().unwrap();
    let forgotten = queue.forget(&Letters::One(unnamed)).await.unwrap();
    assert_eq!(forgotten.len(), 1, "though nobody knows its row");
    let texts: Vec<_> = waiting(&queue).await.iter().map(|one| text(one)).collect();
    assert_eq!(texts, ["a", "2"]);
    drop(queue);
    let queue = open(dir.path());
    assert!(queue.letters(None, 9).await.unwrap().is_empty());
    assert_eq!(waiting(&queue).await.len(), 2);
}

/// A queue that this version stored, for the next ones to open. Other formats get files of their
/// own beside it.
fn stored() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/queue/local/tests/queue-v1.db")
}

#[test]
#[ignore = "writes the file anew; once for each format"]
fn store_a_queue() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let queue = open(dir.path());
        for (id, text) in [("1", "one"), ("2", "dead"), ("2", "follows"), ("1", "two")] {
            let mut change = change(&row(id), text);
            change.operation = text.into();
            queue.enqueue(change, NOW).await.unwrap();
        }
        let claim = queue.claim(&row("2").partition(), 1_000, NOW).await;
        let claim = claim.unwrap().unwrap();
        let head = queue.head(&claim, 9, NOW).await.unwrap();
        let dead = head.iter().find(|one| text(one) == "dead").unwrap();
        queue
            .bury(&claim, dead.sequence, "it is too long", NOW)
            .await
            .unwrap();
    });
    std::fs::copy(dir.path().join("queue.db"), stored()).unwrap();
}

#[tokio::test]
async fn a_stored_queue_from_this_version_opens_in_the_next() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(stored(), dir.path().join("queue.db")).unwrap();
    let queue = open(dir.path());
    let texts: Vec<_> = waiting(&queue).await.iter().map(|one| text(one)).collect();
    assert_eq!(texts, ["one", "two"]);
    let letters = queue.letters(None, 9).await.unwrap();
    let texts: Vec<_> = letters.iter().map(|one| text(&one.queued)).collect();
    assert_eq!(texts, ["dead", "follows"], "the row is parked");
    assert_eq!((&*letters[0].why, letters[0].died), ("it is too long", NOW));
    assert_eq!(letters[0].queued.change.row, row("2"));

    let mut again = change(&row("1"), "again");
    again.operation = "two".into();
    let again = queue.enqueue(again, NOW).await.unwrap();
    assert!(again.repeated, "its operations are known");
    let new = queue
        .enqueue(change(&row("1"), "three"), NOW)
        .await
        .unwrap();
    assert!(new.sequence > letters[1].queued.sequence);
    assert_eq!(queue.retry(&Letters::All).await, Ok(2));
    assert_eq!(waiting(&queue).await.len(), 5);
}

#[tokio::test]
async fn a_queue_of_the_first_format_is_read_whole() {
    let folder = Folder::new();
    let dir = folder.0.path().join("queue");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("queue.db"), crate::queue::kept::FILE).unwrap();
    let queue = LocalQueue::open(LocalQueueConfig::new(&dir)).unwrap();
    crate::queue::kept::is_whole(Arc::new(queue)).await;
}
