//! A disk with no room left.

use std::process::Command;

use futures_util::future::join_all;
use larder_core::Value;

use super::super::disk::{self, Disk};
use super::{FOLDER, NOW, child, open, row, waiting};
use crate::queue::contract::subject::change;
use crate::queue::local::operations::Mark;
use crate::queue::{Queue, QueueError};

#[test]
fn a_full_disk_is_told_as_such_and_nothing_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let (mut disk, _) = Disk::open(dir.path().join("queue.db")).unwrap();
    let put = |disk: &mut Disk, sequence| {
        disk.write(|all| disk::put(all, sequence, &[0; 50_000], &Mark::default()))
    };
    put(&mut disk, 1).unwrap();
    disk.pragma("max_page_count = 20");
    let refused = put(&mut disk, 2).unwrap_err();
    assert!(matches!(&refused, QueueError::Full(why) if why.contains("make room")));
    disk.pragma("max_page_count = 2000");
    put(&mut disk, 3).unwrap();
    drop(disk);
    let (_, contents) = Disk::open(dir.path().join("queue.db")).unwrap();
    let numbers: Vec<_> = contents.changes.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [1, 3]);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn writes_that_the_disk_refuses_are_refused_and_others_kept() {
    let dir = tempfile::tempdir().unwrap();
    let test = child("full::fills_what_it_is_given", dir.path());
    let mut limited = Command::new("sh");
    let script = "ulimit -S -f 2000; trap '' XFSZ; exec \"$0\" \"$@\"";
    limited
        .args(["-c", script])
        .arg(test.get_program())
        .args(test.get_args())
        .env(FOLDER, dir.path());
    let ended = limited.output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    let why = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}{why}");
    let kept: Vec<u64> = said
        .lines()
        .filter_map(|line| line.strip_prefix("kept ")?.parse().ok())
        .collect();
    assert!(!kept.is_empty(), "{said}");

    let mut there: Vec<_> = waiting(&open(dir.path())).await;
    there.sort_by_key(|queued| queued.sequence);
    let there: Vec<_> = there.iter().map(|queued| queued.sequence).collect();
    assert_eq!(there, kept);
}

/// Fills the disk, and goes on when there is room again.
#[tokio::test]
#[ignore = "runs where files may not grow"]
async fn fills_what_it_is_given() {
    let dir = std::env::var_os(FOLDER).expect("the folder of the parent");
    let queue = open(dir.as_ref());
    let mut taken = fill(&queue).await;
    assert!(taken.len() > 100, "{taken:?}");
    assert_eq!(numbers(&queue).await, taken, "memory is as the disk");
    let partition = row("1").partition();
    let claim = queue.claim(&partition, 1_000, NOW).await.unwrap().unwrap();
    let first = queue.head(&claim, 1, NOW).await.unwrap()[0].sequence;

    let pid = std::process::id().to_string();
    let room = Command::new("prlimit")
        .args(["--fsize=unlimited", "--pid", &pid])
        .status();
    assert!(room.is_ok_and(|room| room.success()), "prlimit is needed");
    for _ in 0..100 {
        let enqueued = queue.enqueue(change(&row("1"), "v"), NOW).await;
        taken.push(enqueued.unwrap().sequence);
    }
    queue.flushed(&claim, &[first]).await.unwrap();
    queue.let_go(&claim).await.unwrap();
    println!();
    for number in taken.iter().filter(|number| **number != first) {
        println!("kept {number}");
    }
}

/// Writes many at a time until nothing is taken any more.
async fn fill(queue: &crate::LocalQueue) -> Vec<u64> {
    let (mut taken, mut refused) = (Vec::new(), 0);
    while refused < 5 {
        let many = (0..16).map(|id| {
            let mut change = change(&row(&id.to_string()), "");
            change.value = Some(Value::new(vec![b'x'; 1_000]));
            queue.enqueue(change, NOW)
        });
        let before = taken.len();
        for answer in join_all(many).await {
            match answer {
                Ok(enqueued) => taken.push(enqueued.sequence),
                Err(QueueError::Full(why)) => assert!(why.contains("queue.db"), "{why}"),
                Err(other) => panic!("{other}"),
            }
        }
        refused = if taken.len() == before {
            refused + 1
        } else {
            0
        };
    }
    taken.sort_unstable();
    taken
}

async fn numbers(queue: &crate::LocalQueue) -> Vec<u64> {
    let mut all: Vec<_> = waiting(queue)
        .await
        .iter()
        .map(|one| one.sequence)
        .collect();
    all.sort_unstable();
    all
}
