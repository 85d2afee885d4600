//! Notes of writes, as Redis counts their time.

use super::*;

#[tokio::test]
async fn what_is_left_of_a_note_tells_when_it_was_made() {
    let bench = Bench::shared().await;
    let [store, other] = bench.two();
    let of = tags();
    let keep = 3_600_000;
    let noted = store.note_written(&of, keep, subject::NOW).await;
    noted.expect("it answers");
    let name = |n: usize| store.inner().names.written(&of[n]);
    // As if so much of it were over.
    let shortened = async |n: usize, left: u64| {
        raw::<u64>(&store, cmd("PEXPIRE").arg(name(n)).arg(left)).await;
    };
    shortened(0, keep - 900_000).await;
    let ago = async |of: &[Dependency]| {
        let ago = other.written_ago(of, subject::NOW).await;
        ago.expect("it answers")
    };
    let first = ago(&of[..1]).await.expect("it is known");
    assert!((900_000..960_000).contains(&first), "{first}");
    let both = ago(&of).await.expect("it is known");
    assert!(both < 60_000, "the other was noted now: {both}");
    raw::<u64>(&store, cmd("DEL").arg(name(1))).await;
    assert!(ago(&of).await.is_some_and(|ms| ms >= 900_000));
    raw::<u64>(&store, cmd("DEL").arg(name(0))).await;
    assert_eq!(ago(&of).await, None);
}
