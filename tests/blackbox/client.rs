//! A client that looks at whole answers.

use std::net::SocketAddr;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

/// Talks to one plane.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .build()
            .unwrap();
        let base = format!("http://{address}");
        Self { http, base }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn put(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        send(self.request(Method::PUT, path).body(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        send(self.request(Method::DELETE, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        send(self.request(Method::POST, path).body(body)).await
    }

    pub(crate) async fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.post(path, body.to_string()).await
    }

    /// The decision about a read of `resource/42`.
    pub(crate) async fn decide(&self, resource: &str) -> Answer {
        let request = serde_json::json!({"operation": "read", "resource": resource, "id": "42"});
        self.post_json("/v1/decide", &serde_json::json!({"request": request}))
            .await
    }
}

/// Sends a request and waits for the whole answer.
pub(crate) async fn send(request: RequestBuilder) -> Answer {
    try_send(request).await.expect("the server answers")
}

/// Sends a request; fails where no whole answer comes.
pub(crate) async fn try_send(request: RequestBuilder) -> Result<Answer, reqwest::Error> {
    let response = request.send().await?;
    Ok(Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.bytes().await?,
    })
}

impl Answer {
    /// A header's value; empty where it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    /// The answer, which has to have `status`.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// Checks that this is a problem document with `status`, `code` and `words` in its detail.
    #[track_caller]
    pub(crate) fn expect_problem(&self, status: u16, code: &str, words: &str) {
        assert_eq!(
            self.header(CONTENT_TYPE.as_str()),
            "application/problem+json",
            "every error is a problem document: {self:?}"
        );
        let problem = self.json();
        assert_eq!(
            (self.status, &problem["code"]),
            (status, &code.into()),
            "{self:?}"
        );
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["type"], format!("urn:larder:problem:{code}"));
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(words), "`{words}` is not in `{detail}`");
        assert!(detail.len() < 2_000, "a detail of {} bytes", detail.len());
    }
}
