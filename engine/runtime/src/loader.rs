//! Where a missing value comes from: the route's origin, or the application's own closure.

use std::future::Future;

use futures_util::future::BoxFuture;
use larder_core::Value;
use larder_origin::{Fetched, Wanted};

use crate::decide::Job;
use crate::error::Error;

/// What the application loads with, once.
type Closure = Box<dyn FnOnce() -> BoxFuture<'static, Result<Fetched, Error>> + Send>;

/// Loads a value.
pub(crate) enum Loader {
    /// From the origin of the route.
    Origin,
    /// By the application's closure, until it was called.
    Closure(Option<Closure>),
}

impl Loader {
    /// Loads; none where the closure was called before.
    pub(crate) async fn load(&mut self, job: &Job) -> Option<Result<Fetched, Error>> {
        match self {
            Self::Origin => Some(from_origin(job).await),
            Self::Closure(closure) => Some(closure.take()?().await),
        }
    }
}

async fn from_origin(job: &Job) -> Result<Fetched, Error> {
    let Some(origin) = &job.route.origin else {
        return Err(no_origin(job));
    };
    Ok(origin.load(wanted(job)).await?)
}

/// Loads by the application's closure.
pub(crate) fn from_closure<F, Fut, E>(load: F) -> Loader
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = Result<Option<Value>, E>> + Send + 'static,
    E: std::fmt::Display,
{
    let closure = || -> BoxFuture<'static, _> {
        Box::pin(async move {
            match load().await {
                Ok(value) => Ok(Fetched {
                    value,
                    ..Fetched::default()
                }),
                Err(error) => Err(Error::Loader(error.to_string())),
            }
        })
    };
    Loader::Closure(Some(Box::new(closure)))
}

pub(crate) fn wanted(job: &Job) -> Wanted<'_> {
    Wanted {
        tenant: &job.request.tenant,
        resource: &job.request.resource,
        id: &job.request.id,
        attributes: &job.attributes,
    }
}

pub(crate) fn no_origin(job: &Job) -> Error {
    Error::NoOrigin {
        resource: job.request.resource.clone(),
        strategy: job.decision().strategy,
    }
}
