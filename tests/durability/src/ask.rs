//! Clients of one engine.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::{Method, StatusCode};
use serde_json::Value;

/// Longer than the engine may take for any answer, so that a request without one is a request
/// whose engine is gone.
const PATIENCE: Duration = Duration::from_secs(20);

/// Talks to one engine.
#[derive(Clone, Debug)]
pub struct Ask {
    http: reqwest::Client,
    data: String,
    admin: String,
}

/// What a write came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// Taken by the queue.
    Queued {
        /// Its place.
        sequence: u64,
        /// Whether it had been taken before.
        repeated: bool,
    },
    /// Taken by the origin.
    Written,
    /// Answered by an error with this status and code.
    Refused(u16, String),
    /// No answer.
    Nothing,
}

impl Ask {
    /// A client of an engine that listens on these ports of loopback.
    ///
    /// # Errors
    /// Where there can be no HTTP client at all.
    pub fn new(data: u16, admin: u16) -> Result<Self> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .timeout(PATIENCE)
            .connect_timeout(Duration::from_secs(2))
            .build()?;
        Ok(Self {
            http,
            data: format!("http://127.0.0.1:{data}"),
            admin: format!("http://127.0.0.1:{admin}"),
        })
    }

    /// Where the admin plane is.
    #[must_use]
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// Writes a row, or deletes it where there is no body.
    pub async fn write(&self, key: &str, operation: &str, body: Option<String>) -> Answered {
        let url = format!("{}/v1/entries/thing/{key}", self.data);
        let request = match body {
            Some(body) => self
                .http
                .put(url)
                .header("content-type", "application/json")
                .body(body),
            None => self.http.delete(url),
        };
        let answer = request.header("idempotency-key", operation).send().await;
        let Ok(answer) = answer else {
            return Answered::Nothing;
        };
        let status = answer.status();
        let sequence = answer.headers().get("larder-queue").and_then(|place| {
            let place = place.to_str().ok()?;
            place.rsplit('/').next()?.parse().ok()
        });
        let Ok(body) = answer.bytes().await else {
            return Answered::Nothing;
        };
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        match (status, sequence) {
            (StatusCode::ACCEPTED, Some(sequence)) => Answered::Queued {
                sequence,
                repeated: body["queued"]["repeated"] == true,
            },
            (StatusCode::OK, _) => Answered::Written,
            _ => {
                let code = body["code"].as_str().unwrap_or("without a code");
                Answered::Refused(status.as_u16(), code.to_owned())
            }
        }
    }

    /// The number that the engine answers for a row; none where there is no such row.
    ///
    /// # Errors
    /// Where it answers with an error or not at all.
    pub async fn number(&self, key: &str) -> Result<Option<u64>> {
        let url = format!("{}/v1/entries/thing/{key}", self.data);
        let answer = self.http.get(url).send().await?;
        let status = answer.status();
        let body: Value = serde_json::from_slice(&answer.bytes().await?)
            .with_context(|| format!("{status} without JSON"))?;
        match status {
            StatusCode::OK => {
                let number = body["number"].as_u64();
                number
                    .map(Some)
                    .with_context(|| format!("no number in {body}"))
            }
            StatusCode::NOT_FOUND if body["code"] == "not_found" => Ok(None),
            _ => bail!("{status}: {body}"),
        }
    }

    /// Whether the engine takes requests.
    pub async fn is_ready(&self) -> bool {
        let ready = format!("{}/health/ready", self.admin);
        let answer = self.http.get(ready).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// What the admin plane answers.
    ///
    /// # Errors
    /// Where it does not answer with 2xx and JSON.
    pub async fn admin_call(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let url = format!("{}{path}", self.admin);
        let mut request = self.http.request(method, url);
        if !body.is_null() {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let answer = request.send().await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        if !status.is_success() {
            bail!("{path}: {status}: {}", String::from_utf8_lossy(&body));
        }
        serde_json::from_slice(&body).with_context(|| format!("{path} without JSON"))
    }

    /// How many changes wait to be flushed, and how many are dead letters.
    ///
    /// # Errors
    /// As [`Ask::admin_call`].
    pub async fn depth(&self) -> Result<(u64, u64)> {
        let queue = self
            .admin_call(Method::GET, "/v1/queue", &Value::Null)
            .await?;
        let number = |name: &str| {
            let number = queue[name].as_u64();
            number.with_context(|| format!("`{name}` is not in {queue}"))
        };
        Ok((number("waiting")?, number("dead")?))
    }
}
