//! Values as types of the program: codecs, and types that change.

use bytes::Bytes;
use larder::core::{Decision, NotStored, Outcome, Strategy};
use larder::{Codec, CodecError, Request, TypedReading, Value};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::kit::{Rig, STORED, rig};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Product {
    name: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Priced {
    name: String,
    price: u32,
}

fn product() -> Product {
    Product { name: "tea".into() }
}

fn priced() -> Priced {
    Priced {
        name: "tea".into(),
        price: 3,
    }
}

async fn get<T>(rig: &Rig, loads: T) -> TypedReading<T>
where
    T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    let request = Request::read("product", "42");
    let load = || async move { Ok::<_, String>(Some(loads)) };
    let got = rig.engine.get_or_load_as::<T, _, _, _>(request, load).await;
    got.expect("is got")
}

fn plain(strategy: Strategy) -> Rig {
    rig(strategy, |_: &mut Decision| ())
}

#[tokio::test(start_paused = true)]
async fn a_value_comes_back_as_its_type() {
    let rig = plain(Strategy::CacheAside);
    for outcome in [Outcome::Miss, Outcome::Hit] {
        let got = get(&rig, product()).await;
        assert_eq!((got.reading.outcome, got.value), (outcome, Some(product())));
        let kept = got.reading.value.expect("is there");
        assert_eq!(kept, Value::json(r#"{"name":"tea"}"#));
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_of_another_type_is_loaded_anew_and_replaced() {
    for strategy in [Strategy::CacheAside, Strategy::ReadThrough] {
        let rig = plain(strategy);
        get(&rig, product()).await;
        rig.clock.advance(1);
        let got = get(&rig, priced()).await;
        let reading = &got.reading;
        assert_eq!(
            (reading.outcome, reading.not_stored),
            (Outcome::Miss, STORED)
        );
        assert_eq!(got.value, Some(priced()));
        assert_eq!(get(&rig, priced()).await.reading.outcome, Outcome::Hit);
        assert_eq!(
            get(&rig, product()).await.reading.outcome,
            Outcome::Hit,
            "it reads as both"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_application_fills_is_offered_again_where_its_type_changed() {
    let rig = plain(Strategy::CacheAside);
    get(&rig, product()).await;
    let read = rig.engine.read_as::<Priced>(Request::read("product", "42"));
    let read = read.await.expect("is read");
    assert_eq!((read.reading.outcome, read.value), (Outcome::Leased, None));
    assert!(read.reading.lease.is_some());
}

#[tokio::test(start_paused = true)]
async fn reads_and_writes_go_through_the_codec() {
    let rig = plain(Strategy::WriteThrough);
    let (request, value) = (Request::write("product", "42"), priced());
    let write = rig.engine.write_as(request, &value);
    assert_eq!(write.await.expect("is written").not_stored, STORED);
    assert_eq!(
        rig.shop.holds("42").as_deref(),
        Some(r#"{"name":"tea","price":3}"#)
    );
    let read = rig.engine.read_as::<Priced>(Request::read("product", "42"));
    let read = read.await.expect("is read");
    assert_eq!(
        (read.reading.outcome, read.value),
        (Outcome::Hit, Some(priced()))
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_origin_says_must_fit() {
    let rig = plain(Strategy::ReadThrough);
    rig.shop.set("42", "no JSON");
    let read = rig
        .engine
        .read_as::<Product>(Request::read("product", "42"));
    assert_eq!(read.await.expect_err("is none").code(), "codec_failed");
}

#[tokio::test(start_paused = true)]
async fn no_value_is_none() {
    let rig = rig(Strategy::CacheAside, |d| {
        d.freshness.negative_ttl_ms = 1_000;
    });
    for outcome in [Outcome::Miss, Outcome::NegativeHit] {
        let request = Request::read("product", "42");
        let load = || async { Ok::<_, String>(None) };
        let got = rig
            .engine
            .get_or_load_as::<Product, _, _, _>(request, load)
            .await;
        let got = got.expect("is got");
        assert_eq!((got.reading.outcome, got.value), (outcome, None));
    }
}

/// JSON behind a byte of its own, and nothing for text that is too long.
struct Marked;

impl Codec for Marked {
    fn content_type(&self) -> &'static str {
        "application/x-marked"
    }

    fn encode<T: Serialize>(&self, value: &T) -> Result<Bytes, CodecError> {
        let json = serde_json::to_vec(value).map_err(|error| CodecError(error.to_string()))?;
        match json.len() {
            0..100 => Ok([b"!", json.as_slice()].concat().into()),
            _ => Err(CodecError("too long".into())),
        }
    }

    fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, CodecError> {
        let json = bytes
            .strip_prefix(b"!")
            .ok_or(CodecError("no mark".into()))?;
        serde_json::from_slice(json).map_err(|error| CodecError(error.to_string()))
    }
}

#[tokio::test(start_paused = true)]
async fn the_codec_can_be_another() {
    let rig = plain(Strategy::CacheAside);
    get(&rig, product()).await;
    let typed = rig.engine.typed(Marked);
    let got = |product: Product| {
        let request = Request::read("product", "42");
        typed.get_or_load(request, || async move { Ok::<_, String>(Some(product)) })
    };
    let first = got(product()).await.expect("is got");
    assert_eq!(first.reading.outcome, Outcome::Miss, "JSON has no mark");
    assert_eq!(
        (first.value, first.reading.not_stored),
        (Some(product()), STORED)
    );
    let kept = first.reading.value.expect("is there");
    assert_eq!(&kept.bytes[..2], b"!{");
    assert_eq!(kept.content_type.as_deref(), Some("application/x-marked"));
    assert_eq!(
        got(product()).await.expect("is got").reading.outcome,
        Outcome::Hit
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_encoded_is_an_error_and_not_stored() {
    let rig = plain(Strategy::CacheAside);
    let typed = rig.engine.typed(Marked);
    let long = Product {
        name: "x".repeat(200),
    };
    let request = Request::read("product", "42");
    let (loaded, written) = (long.clone(), Request::write("product", "42"));
    let got = typed.get_or_load(request, || async move { Ok::<_, String>(Some(loaded)) });
    let error = got.await.expect_err("has no form").to_string();
    assert!(error.contains("cannot be encoded: too long"), "{error}");
    let error = typed.write(written, &long).await.expect_err("has no form");
    assert_eq!(error.code(), "codec_failed");
    assert_eq!(rig.engine.status().store.entries, 0);
}

#[tokio::test(start_paused = true)]
async fn a_bypass_is_decoded_too() {
    let rig = plain(Strategy::Bypass);
    let got = get(&rig, product()).await;
    assert_eq!(got.reading.not_stored, Some(NotStored::Bypass));
    assert_eq!(got.value, Some(product()));
}
