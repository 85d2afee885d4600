//! Where a missing value comes from: the route's origin, or the application's own closure.

use std::future::Future;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use larder_core::Value;
use larder_origin::{Fetched, Wanted};

use crate::decide::Job;
use crate::error::Error;

/// Loads one value once.
pub(crate) type Loader =
    Box<dyn FnOnce(Arc<Job>) -> BoxFuture<'static, Result<Fetched, Error>> + Send>;

/// Loads from the origin of the route.
pub(crate) fn from_origin() -> Loader {
    Box::new(|job| {
        Box::pin(async move {
            let Some(origin) = &job.route.origin else {
                return Err(no_origin(&job));
            };
            Ok(origin.load(wanted(&job)).await?)
        })
    })
}

/// Loads by the application's closure.
pub(crate) fn from_closure<F, Fut, E>(load: F) -> Loader
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = Result<Option<Value>, E>> + Send + 'static,
    E: std::fmt::Display,
{
    Box::new(|_| {
        Box::pin(async move {
            match load().await {
                Ok(value) => Ok(Fetched {
                    value,
                    attributes: Vec::new(),
                }),
                Err(error) => Err(Error::Loader(error.to_string())),
            }
        })
    })
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
