//! What is odd: lost counters, large values, long rows of followers, damage.

use larder_core::Value;

use super::*;

#[tokio::test]
async fn numbers_grow_although_the_counter_is_lost() {
    let queue = Spot::shared().await.queue().await;
    let row = row("1");
    let before = put(&queue, &row, "1").await;
    let meta = queue.0.names.meta(&row.partition());
    assert_eq!(raw::<u64>(&queue, cmd("DEL").arg(meta)).await, 1);
    let after = put(&queue, &row, "2").await;
    assert!(after > before, "{after} comes after {before}");
    assert!(before > NOW.0, "it is in microseconds");
}

#[tokio::test]
async fn large_values_are_answered_a_few_at_a_time() {
    let queue = Spot::shared().await.queue().await;
    let row = row("1");
    let mut large = change(&row, "");
    large.value = Some(Value::new(vec![7; 3 << 20]));
    for n in 0..4 {
        large.operation = format!("large {n}").into();
        queue.enqueue(large.clone(), NOW).await.expect("it fits");
    }
    put(&queue, &row, "small").await;
    let claim = claim(&queue, &row.partition()).await;
    let mut answered = Vec::new();
    loop {
        let head = head(&queue, &claim, usize::MAX).await;
        if head.is_empty() {
            break;
        }
        assert!(head.len() <= 3, "{} are too much at once", head.len());
        let done = queue.flushed(&claim, &numbers(&head)).await;
        done.expect("the claim holds");
        answered.extend(head);
    }
    assert_eq!(answered.len(), 5);
    assert_eq!(answered[3].change.value, large.value);
}

#[tokio::test]
async fn many_followers_of_a_dead_letter_do_not_hide_what_comes_after_them() {
    let queue = Spot::shared().await.queue().await;
    let parked = row("0");
    let partition = parked.partition();
    let first = put(&queue, &parked, "dead").await;
    for n in 0..2_100 {
        put(&queue, &parked, &n.to_string()).await;
    }
    let mut ids = (1..).map(|id: u32| row(&id.to_string()));
    let other = ids.find(|row| row.partition() == partition);
    let other = other.expect("there are many");
    let alive = put(&queue, &other, "alive").await;
    let claim = claim(&queue, &partition).await;
    let buried = queue.bury(&claim, first, "no", NOW).await;
    buried.expect("the claim holds");
    assert_eq!(numbers(&head(&queue, &claim, 5).await), [alive]);
    let depth = queue.depth().await.expect("it answers");
    assert_eq!((depth.waiting, depth.dead, depth.parked), (1, 2_101, 1));
}

#[tokio::test]
async fn what_says_of_itself_nothing_true_is_a_dead_letter_of_its_row() {
    let spot = Spot::shared().await;
    let queue = spot.queue().await;
    let (ill, partition) = (row("1"), row("1").partition());
    let first = put(&queue, &ill, "first").await;
    let later = put(&queue, &ill, "later").await;
    let [_, stream, ..] = queue.0.names.partition(&partition);
    spot.rewrite(&queue, &partition, first, |_| b"damaged".to_vec())
        .await;
    let mut add = cmd("XADD");
    add.arg(&stream).arg(format!("{}-0", later + 1));
    add.arg("change").arg("of nobody");
    raw::<String>(&queue, &mut add).await;

    let claim = claim(&queue, &partition).await;
    assert!(
        head(&queue, &claim, 9).await.is_empty(),
        "none overtakes it"
    );
    let letters = queue.letters(None, 9).await.expect("they are shown");
    let known = letters.iter().map(|one| (one.id.sequence, one.readable));
    let known: Vec<_> = known.collect();
    assert_eq!(known[..2], [(first, false), (later, true)]);
    assert_eq!((known.len(), known[2].1), (3, false));
    let seen = queue.unflushed(&ill).await.expect("the newest is whole");
    assert_eq!(seen.map(|queued| queued.sequence), Some(later));

    // It is met again, dies again, and takes what follows it with it.
    let one = Letters::One(letters[0].id.clone());
    assert_eq!(queue.retry(&one).await, Ok(2));
    assert!(head(&queue, &claim, 9).await.is_empty());
    let depth = queue.depth().await.expect("it answers");
    assert_eq!((depth.waiting, depth.dead), (0, 3));

    assert_eq!(queue.forget(&one).await.expect("it goes").len(), 1);
    assert_eq!(queue.retry(&Letters::All).await, Ok(1));
    assert_eq!(numbers(&head(&queue, &claim, 9).await), [later]);
    assert_eq!(queue.forget(&Letters::All).await.expect("it goes").len(), 1);
    queue.flushed(&claim, &[later]).await.expect("it is held");
    let depth = queue.depth().await.expect("it answers");
    assert_eq!((depth.waiting, depth.dead, depth.parked), (0, 0, 0));
    let rows = queue.0.names.rows(&partition);
    assert_eq!(raw::<u64>(&queue, cmd("ZCARD").arg(rows)).await, 0);
}
