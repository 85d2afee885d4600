//! Values as the program's own types: a codec between them and the bytes that are kept.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use larder_core::{Request, Value};
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::Engine;
use crate::error::Error;
use crate::loader::from_closure;
use crate::read::Reading;
use crate::write::Writing;

/// How values become bytes and back.
///
/// What one version of a program has stored, the next one reads: where it cannot be decoded as
/// the type that is asked for, it counts as a miss and is loaded anew.
pub trait Codec: Send + Sync {
    /// The media type of what [`Codec::encode`] makes.
    fn content_type(&self) -> &str;

    /// The bytes of `value`.
    ///
    /// # Errors
    /// The value has no such form.
    fn encode<T: Serialize>(&self, value: &T) -> Result<Bytes, CodecError>;

    /// The value that `bytes` stand for.
    ///
    /// # Errors
    /// They stand for no `T`.
    fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, CodecError>;
}

/// Why a codec could not do it, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CodecError(pub String);

/// Values as JSON texts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

impl Codec for Json {
    fn content_type(&self) -> &'static str {
        "application/json"
    }

    fn encode<T: Serialize>(&self, value: &T) -> Result<Bytes, CodecError> {
        let text = serde_json::to_vec(value);
        text.map(Bytes::from)
            .map_err(|error| CodecError(error.to_string()))
    }

    fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, CodecError> {
        serde_json::from_slice(bytes).map_err(|error| CodecError(error.to_string()))
    }
}

/// What a read answered, its value decoded.
#[derive(Clone, Debug)]
pub struct TypedReading<T> {
    /// The value; none where [`Reading::value`] is.
    pub value: Option<T>,
    /// Everything else about the read, and the value as it was kept.
    pub reading: Reading,
}

/// An engine seen through a codec, from [`Engine::typed`].
#[derive(Clone)]
pub struct Typed<C> {
    engine: Engine,
    codec: Arc<C>,
}

/// Whether a stored value can be used by whoever asks for it.
pub(crate) type Check = Arc<dyn Fn(&Value) -> bool + Send + Sync>;

impl<C: Codec + 'static> Typed<C> {
    pub(crate) fn new(engine: Engine, codec: C) -> Self {
        let codec = Arc::new(codec);
        Self { engine, codec }
    }

    /// As [`Engine::get_or_load_as`], with this codec.
    ///
    /// # Errors
    /// As [`Engine::get_or_load_as`].
    pub async fn get_or_load<T, F, Fut, E>(
        &self,
        request: Request,
        load: F,
    ) -> Result<TypedReading<T>, Error>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Option<T>, E>> + Send + 'static,
        E: std::fmt::Display + 'static,
    {
        let codec = Arc::clone(&self.codec);
        let load = from_closure(move || async move {
            let loaded = load().await.map_err(|error| error.to_string())?;
            let value = loaded.map(|value| value_of(&*codec, &value)).transpose();
            value.map_err(|error| format!("what it brought cannot be encoded: {error}"))
        });
        let slot = Slot::new();
        let check = slot.check(&self.codec);
        let (inner, deadline) = (&self.engine.inner, self.engine.default_deadline());
        let reading = inner.get_or_load(request, deadline, load, Some(check));
        let reading = reading.await?;
        self.decoded(reading, &slot)
    }

    /// As [`Engine::read_as`], with this codec.
    ///
    /// # Errors
    /// As [`Engine::read_as`].
    pub async fn read<T>(&self, request: Request) -> Result<TypedReading<T>, Error>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let slot = Slot::new();
        let check = slot.check(&self.codec);
        let deadline = self.engine.default_deadline();
        let reading = self.engine.inner.read(request, deadline, Some(check));
        let reading = reading.await?;
        self.decoded(reading, &slot)
    }

    /// As [`Engine::write_as`], with this codec.
    ///
    /// # Errors
    /// As [`Engine::write_as`].
    pub async fn write<T: Serialize>(&self, request: Request, value: &T) -> Result<Writing, Error> {
        let value = value_of(&*self.codec, value);
        let value = value.map_err(|error| Error::Codec(error.to_string()))?;
        self.engine.write(request, value).await
    }

    fn decoded<T: DeserializeOwned>(
        &self,
        reading: Reading,
        slot: &Slot<T>,
    ) -> Result<TypedReading<T>, Error> {
        let value = match &reading.value {
            None => None,
            Some(value) => Some(match (slot.take(&value.bytes), value.coding()) {
                (Some(decoded), None) => decoded,
                (_, Some(coding)) => {
                    let why = format!("it is encoded as `{coding}`");
                    return Err(Error::Codec(why));
                }
                (None, None) => {
                    let decoded = self.codec.decode(&value.bytes);
                    decoded.map_err(|error| Error::Codec(error.to_string()))?
                }
            }),
        };
        Ok(TypedReading { value, reading })
    }
}

fn value_of<C: Codec, T: Serialize>(codec: &C, value: &T) -> Result<Value, CodecError> {
    Ok(Value {
        bytes: codec.encode(value)?,
        content_type: Some(codec.content_type().into()),
        head: None,
    })
}

/// The value that was decoded to see whether it can be, so that a hit is decoded once.
struct Slot<T>(Arc<Mutex<Option<(Bytes, T)>>>);

impl<T: DeserializeOwned> Slot<T> {
    fn new() -> Self {
        Self(Arc::default())
    }

    fn check<C: Codec + 'static>(&self, codec: &Arc<C>) -> Check
    where
        T: Send + 'static,
    {
        let (slot, codec) = (Arc::clone(&self.0), Arc::clone(codec));
        Arc::new(move |value| match codec.decode(&value.bytes) {
            // What is encoded may look like a value of the type, and is none.
            Ok(_) if value.coding().is_some() => false,
            Ok(decoded) => {
                *slot.lock() = Some((value.bytes.clone(), decoded));
                true
            }
            Err(_) => false,
        })
    }

    /// What these very bytes were decoded to.
    fn take(&self, bytes: &Bytes) -> Option<T> {
        let (of, decoded) = self.0.lock().take()?;
        (of.as_ptr() == bytes.as_ptr() && of.len() == bytes.len()).then_some(decoded)
    }
}

impl Engine {
    /// Reads and writes through `codec` in place of JSON.
    #[must_use]
    pub fn typed<C: Codec + 'static>(&self, codec: C) -> Typed<C> {
        Typed::new(self.clone(), codec)
    }

    /// As [`Engine::get_or_load`], for values of the program's own types, kept as JSON.
    ///
    /// What is answered has always been through the codec, after a load as after a hit.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use larder::core::{
    /// #     Decision, Identity, Manifest, Policies, Policy, PolicyFailure, Strategy, Timestamp,
    /// # };
    /// # use larder::store::{MemoryConfig, MemoryStore};
    /// # use larder::{Engine, Route};
    /// # struct Minute(Arc<Identity>, Manifest);
    /// # impl Policy for Minute {
    /// #     fn identity(&self) -> &Arc<Identity> { &self.0 }
    /// #     fn manifest(&self) -> &Manifest { &self.1 }
    /// #     fn decide(&self, r: &Request, _: Timestamp) -> Result<Decision, PolicyFailure> {
    /// #         let mut decision = Decision::new(Strategy::CacheAside, r.id.clone());
    /// #         decision.freshness.ttl_ms = 60_000;
    /// #         Ok(decision)
    /// #     }
    /// # }
    /// # struct One(Arc<Minute>);
    /// # impl Policies for One {
    /// #     fn current(&self, _: &str) -> Option<Arc<dyn Policy>> { Some(self.0.clone()) }
    /// # }
    /// use larder::Request;
    /// use larder::core::Outcome;
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize, Debug, PartialEq)]
    /// struct Product {
    ///     name: String,
    ///     price: u32,
    /// }
    ///
    /// async fn from_database(id: &str) -> Result<Option<Product>, std::io::Error> {
    ///     let name = format!("product {id}");
    ///     Ok(Some(Product { name, price: 100 }))
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let identity = Identity {
    /// #     name: "minute".into(), version: "1".into(), revision: "native".into(),
    /// #     contract: "0.1.0".into(),
    /// #     settings: String::new(),
    /// # };
    /// # let policies = Arc::new(One(Arc::new(Minute(Arc::new(identity), Manifest::default()))));
    /// # let store = Arc::new(MemoryStore::new(MemoryConfig::default()));
    /// # let engine = Engine::builder(policies, store).route(Route::new("*", "minute")).build()?;
    /// for expected in [Outcome::Miss, Outcome::Hit] {
    ///     let request = Request::read("product", "42");
    ///     let found = engine.get_or_load_as::<Product, _, _, _>(request, || from_database("42"));
    ///     let found = found.await?;
    ///     assert_eq!(found.reading.outcome, expected);
    ///     assert_eq!(found.value.map(|product| product.price), Some(100));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Engine::get_or_load`]; [`Error::Codec`] where what was loaded, by this call or by one
    /// that it joined, cannot be decoded.
    pub async fn get_or_load_as<T, F, Fut, E>(
        &self,
        request: Request,
        load: F,
    ) -> Result<TypedReading<T>, Error>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Option<T>, E>> + Send + 'static,
        E: std::fmt::Display + 'static,
    {
        self.typed(Json).get_or_load(request, load).await
    }

    /// As [`Engine::read`], the value decoded from JSON. A stored value that is no `T` is loaded
    /// anew.
    ///
    /// # Errors
    /// As [`Engine::read`]; [`Error::Codec`] where what the origin answers is no `T`.
    pub async fn read_as<T>(&self, request: Request) -> Result<TypedReading<T>, Error>
    where
        T: DeserializeOwned + Send + 'static,
    {
        self.typed(Json).read(request).await
    }

    /// As [`Engine::write`], with the value as JSON.
    ///
    /// # Errors
    /// As [`Engine::write`]; [`Error::Codec`] where the value cannot be encoded, before anything
    /// is written.
    pub async fn write_as<T: Serialize>(
        &self,
        request: Request,
        value: &T,
    ) -> Result<Writing, Error> {
        self.typed(Json).write(request, value).await
    }
}
