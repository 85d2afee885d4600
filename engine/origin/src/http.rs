//! An HTTP service as an origin.

mod address;
mod answer;
mod config;
#[cfg(test)]
mod contract;
mod headers;
mod said;
#[cfg(test)]
mod tests;

use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};
use larder_core::Value;
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{Client, Method, Response, Url, redirect, retry};
use tokio::time::Instant;

use address::Address;
use answer::Meaning;
pub use config::HttpConfig;

use crate::{Change, Fetched, HeaderFate, OpenError, Origin, OriginError, Wanted, Written};

/// Requests of one batch that are under way at once.
const TOGETHER: usize = 16;

/// A service that answers `GET`, `PUT` and `DELETE` under one address for each thing.
///
/// The address is made of the base and the path template, with the query as it was sent;
/// `header.*` attributes become request headers, except those that concern the connection or ask
/// for less than the whole value. Preconditions go with writes. A value has the status and the
/// end-to-end header lines of its answer; a write sends its `Content-*`. Redirects and proxies from
/// the environment are not used, and cookies are not kept. Values are asked for without a coding,
/// unless the configured headers say otherwise, and none is undone. 404 and 410 mean that there is no such thing, other 4xx
/// that it refused, of which 408, 425 and 429 may be tried again, and 5xx that it failed; each is
/// handed on with its body.
pub struct HttpOrigin {
    client: Client,
    /// As `client`, and never on a connection that was used before.
    fresh: Client,
    address: Address,
    headers: HeaderMap,
    timeout: Duration,
    connect_timeout: Duration,
    max_bytes: u64,
}

/// What came of a request.
struct Sent {
    url: Url,
    response: Response,
    /// Whether it was sent twice, so that the service may have seen it twice.
    repeated: bool,
}

impl HttpOrigin {
    /// Checks the configuration. Nothing is connected yet.
    ///
    /// # Errors
    /// Names the setting that is wrong.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the origin takes its configuration over, whatever it keeps of it"
    )]
    pub fn new(config: HttpConfig) -> Result<Self, OpenError> {
        OpenError::check_time("timeout", config.timeout)?;
        OpenError::check_time("connect_timeout", config.connect_timeout)?;
        OpenError::check_size("max_bytes", config.max_bytes)?;
        let address = Address::new(&config.base_url, &config.path)?;
        Ok(Self {
            client: client(&config, None)?,
            fresh: client(&config, Some(0))?,
            address,
            headers: headers::configured(&config.headers)?,
            timeout: config.timeout,
            connect_timeout: config.connect_timeout,
            max_bytes: config.max_bytes,
        })
    }

    /// Sends a request and waits for status and headers. Where the connection ends before there is
    /// any, as one may that was idle, it is sent once more on a new one: all three methods may be
    /// repeated (RFC 9110, 9.2.2), unless they depend on what the first time may have changed.
    async fn send(
        &self,
        method: Method,
        wanted: &Wanted<'_>,
        (value, operation): (Option<&Value>, Option<&str>),
    ) -> Result<Sent, OriginError> {
        let url = self.address.of(wanted)?;
        let mut headers = headers::outgoing(&method, wanted.attributes, &self.headers)?;
        let mut request = self.client.request(method.clone(), url.clone());
        if let Some(operation) = operation {
            let operation = HeaderValue::from_str(operation)
                .map_err(|_| OriginError::Rejected("the operation id is no header".into()))?;
            headers.insert("idempotency-key", operation);
        }
        if let Some(value) = value {
            headers::describe(&mut headers, value, &self.headers)?;
            request = request.body(value.bytes.clone());
        }
        let conditional = headers.keys().any(|name| name.as_str().starts_with("if-"));
        let request = request.headers(headers).build();
        let request = request.map_err(|error| OriginError::Rejected(answer::cause(&error)))?;
        let again = if conditional {
            None
        } else {
            request.try_clone()
        };
        let mut sent = self.client.execute(request).await;
        let mut repeated = false;
        if let (Err(error), Some(request)) = (&sent, again)
            && answer::is_cut_off(error)
        {
            repeated = true;
            sent = self.fresh.execute(request).await;
        }
        match sent {
            Ok(response) => Ok(Sent {
                url,
                response,
                repeated,
            }),
            Err(error) if error.is_connect() && error.is_timeout() => {
                Err(OriginError::Unreachable(format!(
                    "connecting to {} took longer than {} ms",
                    address::shown(&url),
                    self.connect_timeout.as_millis()
                )))
            }
            Err(error) => Err(answer::failure(method.as_str(), &url, &error)),
        }
    }

    async fn get(&self, wanted: Wanted<'_>, deadline: Instant) -> Result<Fetched, OriginError> {
        let Sent { url, response, .. } = self.send(Method::GET, &wanted, (None, None)).await?;
        let attributes = headers::incoming(response.status(), response.headers());
        let cookies = headers::cookies(response.headers());
        let (mut value, mut absent) = (None, None);
        match answer::meaning(response.status()) {
            Meaning::Done => {
                let content_type = headers::content_type(response.headers()).map(Into::into);
                let head = headers::head(response.status(), response.headers())?;
                value = Some(Value {
                    head,
                    bytes: answer::body(response, self.max_bytes).await?,
                    content_type,
                });
            }
            Meaning::Absent => {
                let (said, whole) = said::value(response, deadline).await?;
                absent = whole.then_some(said);
            }
            Meaning::Said => {
                return Err(said::error((&Method::GET, &url), response, deadline).await);
            }
            Meaning::Error(kind) => {
                let what = answer::describe("GET", &url, &response);
                settle(response, deadline).await;
                return Err(kind(what));
            }
        }
        Ok(Fetched {
            value,
            absent,
            attributes,
            cookies,
        })
    }

    /// A write or delete is done once its status is there; the body decides nothing.
    async fn change(
        &self,
        method: Method,
        wanted: Wanted<'_>,
        (what, deadline): ((Option<&Value>, Option<&str>), Instant),
    ) -> Result<Written, OriginError> {
        let sent = self.send(method.clone(), &wanted, what).await?;
        let Sent {
            url,
            response,
            repeated,
        } = sent;
        let status = response.status();
        let existed = match answer::meaning(status) {
            Meaning::Done if status.as_u16() == 201 => Some(false),
            Meaning::Done => None,
            // The first time may have removed it.
            Meaning::Absent if method == Method::DELETE => (!repeated).then_some(false),
            Meaning::Absent | Meaning::Said => {
                return Err(said::error((&method, &url), response, deadline).await);
            }
            Meaning::Error(kind) => {
                let what = answer::describe(method.as_str(), &url, &response);
                settle(response, deadline).await;
                return Err(kind(what));
            }
        };
        let said = headers::head(status, response.headers());
        settle(response, deadline).await;
        Ok(Written {
            existed,
            // The write is done, whatever else cannot be passed on.
            said: said.unwrap_or_default(),
            ..Written::default()
        })
    }

    /// Runs a call within the timeout.
    async fn bounded<T>(
        &self,
        deadline: Instant,
        call: impl Future<Output = Result<T, OriginError>>,
    ) -> Result<T, OriginError> {
        let limit_ms = u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX);
        tokio::time::timeout_at(deadline, call)
            .await
            .unwrap_or(Err(OriginError::Timeout { limit_ms }))
    }
}

impl Origin for HttpOrigin {
    fn load<'a>(&'a self, wanted: Wanted<'a>) -> BoxFuture<'a, Result<Fetched, OriginError>> {
        Box::pin(async move {
            let deadline = Instant::now() + self.timeout;
            self.bounded(deadline, self.get(wanted, deadline)).await
        })
    }

    fn write<'a>(
        &'a self,
        wanted: Wanted<'a>,
        value: &'a Value,
    ) -> BoxFuture<'a, Result<Written, OriginError>> {
        Box::pin(async move {
            let deadline = Instant::now() + self.timeout;
            let call = self.change(Method::PUT, wanted, ((Some(value), None), deadline));
            self.bounded(deadline, call).await
        })
    }

    fn delete<'a>(&'a self, wanted: Wanted<'a>) -> BoxFuture<'a, Result<Written, OriginError>> {
        Box::pin(async move {
            let deadline = Instant::now() + self.timeout;
            let call = self.change(Method::DELETE, wanted, ((None, None), deadline));
            self.bounded(deadline, call).await
        })
    }

    /// One request each, since HTTP has no other way, a few at a time.
    fn apply<'a>(
        &'a self,
        changes: &'a [Change<'a>],
    ) -> BoxFuture<'a, Vec<Result<Written, OriginError>>> {
        let deadline = Instant::now() + self.timeout;
        let requests: Vec<_> = changes
            .iter()
            .map(|change| {
                let method = match change.value {
                    Some(_) => Method::PUT,
                    None => Method::DELETE,
                };
                let what = (change.value, Some(change.operation));
                let call = self.change(method, change.wanted, (what, deadline));
                self.bounded(deadline, call)
            })
            .collect();
        Box::pin(stream::iter(requests).buffered(TOGETHER).collect())
    }

    fn sees(&self, class: &str) -> bool {
        crate::service_sees(class)
    }

    fn keeps_headers(&self) -> bool {
        true
    }

    fn judges_preconditions(&self) -> bool {
        true
    }

    fn header_fate(&self, name: &str) -> HeaderFate {
        headers::fate(name, &self.headers)
    }

    fn summary(&self) -> String {
        format!("http {}", self.address.summary())
    }
}

/// A client that keeps so many idle connections; none: as many as it likes.
fn client(config: &HttpConfig, idle: Option<usize>) -> Result<Client, OpenError> {
    // Without the header any coding would do (RFC 9110, 12.5.3), and what comes is for everybody.
    let plain = (ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let mut builder = Client::builder()
        .default_headers(HeaderMap::from_iter([plain]))
        .user_agent(concat!("larder/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(config.connect_timeout)
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .no_proxy();
    if let Some(idle) = idle {
        builder = builder.pool_max_idle_per_host(idle);
    }
    if config.base_url.starts_with("http://") {
        // Without redirects nothing here ever speaks TLS, and a machine without root
        // certificates should not keep a plain origin from starting.
        builder = builder.tls_certs_only([]);
    }
    builder
        .build()
        .map_err(|error| OpenError::Client(answer::cause(&error)))
}

/// Reads an unwanted body so that the connection can be used again. It may take half of the time
/// that is left: the answer is known, and must not be lost to a timeout.
async fn settle(response: Response, deadline: Instant) {
    let left = deadline.saturating_duration_since(Instant::now());
    let _ = tokio::time::timeout(left / 2, answer::drain(response)).await;
}
