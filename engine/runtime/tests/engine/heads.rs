//! Status and header lines of values: kept, sealed and served with them, or refused with a word.

use std::sync::Arc;

use larder::core::{Clock as _, Head, Outcome, Strategy};
use larder::store::{Expected, Store as _};
use larder::{Error, KeyRing, QueueTuning, Request, Value};

use crate::kit::{Parts, Rig, STORED, Shelter, policy, text};

fn head(status: u16, lines: &[(&str, &'static str)]) -> Option<Arc<Head>> {
    let lines = lines.iter().map(|(name, value)| (*name, (*value).into()));
    Head::new(status, lines).expect("headers")
}

fn encoded() -> Value {
    Value {
        head: head(200, &[("content-encoding", "gzip")]),
        ..Value::json("\u{1f}not JSON")
    }
}

async fn fill(rig: &Rig, id: &str, value: &Value) {
    let lease = rig.read(id).await.lease.expect("a miss has a lease");
    let filling = rig.engine.fill(lease, Some(value.clone()), &[]).await;
    assert_eq!(filling.expect("is filled").not_stored, STORED);
}

#[tokio::test(start_paused = true)]
async fn what_an_application_fills_is_served_with_its_head() {
    let rig = Parts::new(policy(Strategy::CacheAside, |_, _| {})).build();
    for (id, value) in [
        ("42", encoded()),
        (
            "43",
            Value {
                head: head(203, &[("link", "</a>"), ("link", "</b>")]),
                ..Value::new("")
            },
        ),
    ] {
        fill(&rig, id, &value).await;
        let reading = rig.read(id).await;
        assert_eq!(
            (reading.outcome, reading.value),
            (Outcome::Hit, Some(value))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn header_lines_are_as_secret_as_the_bytes() {
    let mut parts = Parts::new(policy(Strategy::CacheAside, |_, decision| {
        decision.encrypt = true;
    }));
    let mut key = [1; 32];
    key[0] = b'a';
    let ring = KeyRing::new("a", [("a", key)]).expect("is a ring");
    parts.vault = Some(ring.into());
    let rig = parts.build();
    let value = Value {
        head: head(203, &[("x-user", "ann@example.test")]),
        ..Value::new("a secret")
    };
    fill(&rig, "42", &value).await;
    let key = larder::core::Key::new("", "product", "product:42");
    let stored = rig.store.get(&key, Expected::NOTHING, rig.clock.now());
    let found = stored.await.expect("answers").expect("is stored");
    let kept = found.entry.value.as_ref().expect("has bytes");
    assert_eq!(kept.head, None);
    assert!(!kept.bytes.windows(4).any(|bytes| bytes == b"ann@"));
    assert_eq!(rig.read("42").await.value, Some(value));
}

#[tokio::test(start_paused = true)]
async fn an_encoded_value_is_refused_where_the_origin_keeps_no_encoding() {
    for strategy in [
        Strategy::WriteThrough,
        Strategy::WriteBehind,
        Strategy::ReadThrough,
        Strategy::Bypass,
    ] {
        let mut parts = Parts::new(policy(strategy, |_, _| {}));
        let queue = Arc::new(Shelter::default());
        parts.queue = Some((queue, QueueTuning::default()));
        let rig = parts.build();
        let request = Request::write("product", "42");
        let refused = rig.engine.write(request, encoded()).await;
        let error = refused.expect_err("is refused");
        assert!(matches!(&error, Error::Encoded { coding, .. } if coding == "gzip"));
        assert_eq!(error.code(), "unsupported_encoding");
        rig.pass(5_000).await;
        assert_eq!(rig.shop.log(), [""; 0], "{strategy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_origin_would_not_give_back_is_not_kept_by_the_cache_either() {
    for strategy in [Strategy::WriteThrough, Strategy::WriteBehind] {
        let mut parts = Parts::new(policy(strategy, |_, _| {}));
        let queue = Arc::new(Shelter::default());
        parts.queue = Some((queue, QueueTuning::default()));
        let rig = parts.build();
        let value = Value {
            head: head(200, &[("content-language", "de")]),
            ..Value::new("plain")
        };
        let request = Request::write("product", "42");
        rig.engine.write(request, value).await.expect("is written");
        let reading = rig.read("42").await;
        assert_eq!(text(&reading.value).as_deref(), Some("plain"));
        assert_eq!(reading.value.expect("is there").head, None, "{strategy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_encoded_value_is_no_value_of_a_type() {
    let rig = Parts::new(policy(Strategy::CacheAside, |_, _| {})).build();
    let value = Value {
        head: head(200, &[("content-encoding", "br")]),
        ..Value::json("7")
    };
    fill(&rig, "42", &value).await;
    let load = async || Ok::<_, String>(Some(8));
    let request = || Request::read("product", "42");
    let read = rig.engine.get_or_load_as(request(), load).await;
    assert_eq!(read.expect("is loaded").value, Some(8));

    let load = async || Ok::<_, String>(Some(value));
    let rig = Parts::new(policy(Strategy::ReadThrough, |_, _| {})).build();
    rig.engine
        .get_or_load(request(), load)
        .await
        .expect("is loaded");
    let load = async || Err::<Option<u32>, _>("the loader is asked");
    let read = rig.engine.get_or_load_as(request(), load).await;
    assert!(matches!(read, Err(Error::Loader(why)) if why == "the loader is asked"));
}
