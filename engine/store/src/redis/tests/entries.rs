//! Entries that are damaged, too large, or read now and then.

use larder_core::Value;
use larder_core::dependency::Mode;

use super::*;

#[tokio::test]
async fn a_damaged_entry_is_a_miss_and_removed() {
    let bench = Bench::shared().await;
    let [store, _] = bench.two();
    let name = |key: &Key| store.inner().names.entry(key);
    let whole = subject::key("whole");
    stored(&store, &whole).await;
    let bytes: Vec<u8> = raw(&store, cmd("GET").arg(name(&whole))).await;
    let mut flipped = bytes.clone();
    flipped[20] = b'\xff';
    for (n, damaged) in [b"garbage".to_vec(), bytes[..200].to_vec(), flipped]
        .iter()
        .enumerate()
    {
        let key = subject::key(&format!("damaged-{n}"));
        for by_lease in [false, true] {
            raw::<()>(&store, cmd("SET").arg(name(&key)).arg(damaged)).await;
            if by_lease {
                stored(&store, &key).await;
                assert!(get(&store, &key).await.is_some());
            } else {
                assert!(get(&store, &key).await.is_none());
                assert!(!exists(&store, &name(&key)).await);
            }
        }
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_its_lease_given_up() {
    let bench = Bench::shared().await;
    let ([store, _], key) = (bench.two(), key());
    let (token, mut entry) = begin(&store, &key).await;
    entry.value = Some(Value::new(vec![0; 100_000]));
    let filled = fill(&store, &key, (token, entry.clone())).await;
    assert_eq!(filled, Filled::TooLarge);
    assert!(get(&store, &key).await.is_none());
    let (token, _) = begin(&store, &key).await;
    entry.value = Some(Value::new(vec![0; 99_000]));
    assert_eq!(fill(&store, &key, (token, entry)).await, Filled::Stored);
}

#[tokio::test]
async fn a_read_is_noted_once_in_an_eighth_of_the_time_to_idle() {
    let bench = Bench::shared().await;
    let ([store, _], key) = (bench.two(), key());
    let (token, mut entry) = begin(&store, &key).await;
    entry.time_to_idle_ms = 800;
    assert_eq!(fill(&store, &key, (token, entry)).await, Filled::Stored);
    let name = store.inner().names.entry(&key);
    for (after, noted) in [(99, 0), (100, 100), (199, 100), (250, 250), (1_149, 1_149)] {
        let now = subject::NOW.plus(after);
        let found = store.get(&key, Expected::NOTHING, now).await;
        assert!(found.expect("it answers").is_some(), "after {after} ms");
        let bytes: Vec<u8> = raw(&store, cmd("GET").arg(&name)).await;
        let stored = crate::redis::envelope::decode(&bytes.into()).expect("an entry");
        assert_eq!(
            stored.marks.read,
            subject::NOW.plus(noted),
            "after {after} ms"
        );
    }
    let idle = subject::NOW.plus(1_149 + 900);
    let found = store.get(&key, Expected::NOTHING, idle).await;
    assert!(found.expect("it answers").is_none());
}

#[tokio::test]
async fn nothing_is_kept_without_an_end() {
    let server = Server::start().await;
    let bench = Bench::at(server.url()).await;
    let ([store, _], key) = (bench.two(), key());
    stored(&store, &key).await;
    begin(&store, &subject::key("held")).await;
    store
        .begin_write(&subject::key("written"), LEASE_MS, subject::NOW)
        .await
        .expect("it answers");
    let names: Vec<String> = raw(&store, cmd("KEYS").arg("*")).await;
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        let left: i64 = raw(&store, cmd("PTTL").arg(&name)).await;
        assert!(left > 0, "{name}");
        if name.contains(":e:") {
            assert!(left <= 12_000, "the hard ttl is the longest end: {left}");
        }
    }
}

#[tokio::test]
async fn what_another_program_keeps_under_the_name_of_an_entry_is_a_miss_and_removed() {
    let bench = Bench::shared().await;
    let [store, _] = bench.two();
    let name = |key: &Key| store.inner().names.entry(key);
    for (n, command) in ["LPUSH", "SADD"].iter().enumerate() {
        let key = subject::key(&format!("foreign-{n}"));
        raw::<u8>(&store, cmd(command).arg(name(&key)).arg("theirs")).await;
        assert!(get(&store, &key).await.is_none());
        assert!(!exists(&store, &name(&key)).await);
        stored(&store, &key).await;
        assert!(get(&store, &key).await.is_some());
        raw::<u8>(&store, cmd("DEL").arg(name(&key))).await;
        raw::<u8>(&store, cmd(command).arg(name(&key)).arg("theirs")).await;
        let removed = store.invalidate(&key, Mode::Purge, subject::NOW).await;
        assert_eq!(removed, Ok(false), "it was no entry");
        assert!(!exists(&store, &name(&key)).await);
    }
}

#[tokio::test]
async fn what_is_in_the_way_of_anything_else_is_an_error_that_says_so() {
    let bench = Bench::shared().await;
    let ([store, _], key) = (bench.two(), key());
    let bans = store.inner().names.bans();
    raw::<u8>(&store, cmd("SADD").arg(&bans).arg("theirs")).await;
    let now = subject::NOW;
    let error = store.get(&key, Expected::NOTHING, now).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("another `prefix`"), "{text}");
}
