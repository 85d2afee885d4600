//! Calls to a running server: one request on one connection.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use larder_server::wire::Problem;
use tokio::net::TcpStream;

use crate::exit::{Code, Failure};

const LIMIT: Duration = Duration::from_secs(30);
const ANSWER_MAX: usize = 64 << 20;

/// The server's answer as what it should be.
///
/// # Errors
/// If it is something else.
pub(crate) fn read<T: serde::de::DeserializeOwned>(answer: &[u8]) -> Result<T, Failure> {
    let read = serde_json::from_slice(answer);
    let read = read.context("the server's answer cannot be read; is it another version?");
    Ok(read?)
}

/// Calls `method` `path` of the server at `base` and answers the body of its success. `token` is
/// the value of the `Authorization` header.
///
/// # Errors
/// [`Code::Usage`] for an address that is none, [`Code::Unreachable`] where nothing answers, and
/// [`Code::Failed`] with the server's own words.
pub(crate) fn call(
    base: &str,
    token: Option<HeaderValue>,
    method: Method,
    path: &str,
    body: Vec<u8>,
) -> Result<Bytes, Failure> {
    let (authority, host) = authority(base).map_err(Failure::usage)?;
    let builder = match token {
        Some(token) => Request::builder().header(AUTHORIZATION, token),
        None => Request::builder(),
    };
    let request = builder
        .method(method)
        .uri(path)
        .header(HOST, &authority)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .context("the request cannot be made")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    let answer =
        runtime.block_on(async { tokio::time::timeout(LIMIT, exchange(&host, request)).await });
    let unreachable = |why: anyhow::Error| {
        let hint = format!(
            "no server answers at {base}; start one with `larder serve` or `larder demo`, or give \
             another address"
        );
        Failure::new(Code::Unreachable, why.context(hint))
    };
    match answer {
        Ok(Ok((status, bytes))) if status.is_success() => Ok(bytes),
        Ok(Ok((status, bytes))) => Err(Failure::new(code(&bytes), refused(status, &bytes))),
        Ok(Err(error)) => Err(unreachable(error)),
        Err(_) => Err(unreachable(anyhow!(
            "no answer within {} s",
            LIMIT.as_secs()
        ))),
    }
}

async fn exchange(
    host: &str,
    request: Request<Full<Bytes>>,
) -> anyhow::Result<(StatusCode, Bytes)> {
    let stream = TcpStream::connect(host).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // The connection's own error shows up in the request, too.
    tokio::spawn(async { drop(connection.await) });
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_MAX)
        .collect()
        .await;
    let body = body.map_err(|error| anyhow!("the answer broke off: {error}"))?;
    Ok((status, body.to_bytes()))
}

fn code(body: &[u8]) -> Code {
    let problem = serde_json::from_slice::<Problem>(body).ok();
    match problem.is_some_and(|problem| problem.code == "invalid_configuration") {
        true => Code::Usage,
        false => Code::Failed,
    }
}

fn refused(status: StatusCode, body: &[u8]) -> anyhow::Error {
    match serde_json::from_slice::<Problem>(body) {
        Ok(problem) => {
            let hint = match status {
                StatusCode::UNAUTHORIZED => "; here it is given with --token or LARDER_TOKEN",
                _ => "",
            };
            anyhow!(
                "the server refused ({}): {}{hint}",
                problem.code,
                problem.detail
            )
        }
        Err(_) => anyhow!(
            "the server answered {status}; is that a larder, and the right one of its two ports?"
        ),
    }
}

/// What a request names as its host, and where to connect to.
fn authority(base: &str) -> Result<(String, String), String> {
    let wrong = |why: &str| {
        format!(
            "`{}` {why}; write it like http://127.0.0.1:7118",
            base.escape_debug()
        )
    };
    let uri: Uri = base.parse().map_err(|_| wrong("is no address"))?;
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") => return Err(wrong("asks for TLS, which larder does not speak itself")),
        _ => return Err(wrong("does not begin with http://")),
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(wrong("has a path, and only the server is asked for"));
    }
    let host = uri.host().ok_or_else(|| wrong("names no host"))?;
    let port = uri.port_u16().unwrap_or(80);
    let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
    Ok((authority, format!("{host}:{port}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_plain_http_without_a_path() {
        for (base, expected) in [
            ("http://127.0.0.1:7118", Ok("127.0.0.1:7118")),
            ("http://localhost:7118/", Ok("localhost:7118")),
            ("http://[::1]:7118", Ok("[::1]:7118")),
            ("http://cache", Ok("cache:80")),
            ("127.0.0.1:7118", Err("write it like http://")),
            ("https://cache", Err("TLS")),
            ("http://cache/v1", Err("has a path")),
            ("not an address", Err("is no address")),
        ] {
            match (authority(base), expected) {
                (Ok((_, host)), Ok(expected)) => assert_eq!(host, expected),
                (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
                (other, _) => panic!("{base}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_server_that_is_not_there_has_its_own_exit_code() {
        // Bound and not listened to for HTTP: the port is free again once it is dropped.
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let base = format!("http://127.0.0.1:{port}");
        let failure = call(&base, None, Method::GET, "/v1/policies", Vec::new()).unwrap_err();
        assert_eq!(failure.code, Code::Unreachable);
        assert!(format!("{:#}", failure.error).contains("no server answers at http://127.0.0.1"));
    }

    #[test]
    fn the_servers_own_words_are_passed_on() {
        let problem = br#"{"type":"t","title":"t","status":400,"code":"empty_name","detail":"a key is empty"}"#;
        let text = refused(StatusCode::BAD_REQUEST, problem).to_string();
        assert_eq!(text, "the server refused (empty_name): a key is empty");
        let problem =
            br#"{"type":"t","title":"t","status":401,"code":"unauthenticated","detail":"a token"}"#;
        let text = refused(StatusCode::UNAUTHORIZED, problem).to_string();
        assert!(
            text.ends_with("a token; here it is given with --token or LARDER_TOKEN"),
            "{text}"
        );
        let text = refused(StatusCode::NOT_FOUND, b"nope").to_string();
        assert!(text.contains("404") && text.contains("two ports"), "{text}");
    }
}
