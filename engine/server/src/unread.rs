//! Requests that are answered before their body was read to its end.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::http::{HeaderValue, Request, Response, Version, header};
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};

/// Whether the body of the request that a connection of HTTP/1 is at was read to its end.
///
/// hyper closes a connection on which it was not, and does not say so in the answer: a client that
/// keeps connections would send its next request into one that is gone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unread(Arc<AtomicBool>);

struct Watched {
    body: Incoming,
    unread: Unread,
}

impl Unread {
    /// The request with a body that is watched.
    pub(crate) fn watch(&self, request: Request<Incoming>) -> Request<Body> {
        let begins = !request.body().is_end_stream();
        if request.version() >= Version::HTTP_2 || !begins {
            self.note(false);
            return request.map(Body::new);
        }
        self.note(true);
        let unread = self.clone();
        request.map(|body| Body::new(Watched { body, unread }))
    }

    /// Says in the answer that the connection ends with it, where it does.
    pub(crate) fn tell(&self, answer: &mut Response<Body>) {
        if self.0.load(Ordering::Relaxed) {
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(header::CONNECTION, close);
        }
    }

    fn note(&self, unread: bool) {
        self.0.store(unread, Ordering::Relaxed);
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            self.unread.note(false);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
