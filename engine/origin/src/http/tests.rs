mod cut;
mod queued;
mod said;
mod server;

use server::{Reply, Server, answer};

use super::*;
use crate::contract::{self, Keeps, Subject};

fn wanted(id: &str) -> Wanted<'_> {
    Wanted {
        tenant: "acme",
        resource: "product",
        id,
        attributes: &[],
    }
}

fn config(server: &Server) -> HttpConfig {
    let mut config = HttpConfig::new(&server.base);
    config.timeout = Duration::from_millis(2000);
    config
}

/// A service that takes any value, and the origin that it is.
pub(super) async fn of_values() -> (impl Sized, Subject) {
    serving().await
}

async fn serving() -> (Server, Subject) {
    let server = Server::of_values().await;
    let subject = Subject {
        origin: Box::new(HttpOrigin::new(config(&server)).unwrap()),
        keeps: Keeps::default(),
        value: |id, version| Value::json(format!("[{id:?}, {version}]")),
        poison: Value::new("poison"),
        field: None,
        alter: None,
    };
    (server, subject)
}

/// What the origin makes of one answer to a load.
async fn load_of(reply: fn() -> Reply) -> Result<Fetched, OriginError> {
    let server = Server::start(move |_| reply()).await;
    let mut config = config(&server);
    config.max_bytes = 1000;
    if matches!(reply(), Reply::Hang(_)) {
        config.timeout = Duration::from_millis(100);
    }
    HttpOrigin::new(config).unwrap().load(wanted("42")).await
}

#[tokio::test]
async fn connections_are_used_again() {
    let (server, subject) = serving().await;
    contract::all(&subject).await;
    let requests = server.seen.lock().len();
    let connections = *server.connections.lock();
    assert!(connections * 4 < requests, "{connections} for {requests}");
}

#[tokio::test]
async fn a_value_comes_with_its_type_and_attributes() {
    let fetched = load_of(|| {
        let headers = "Content-Type: text/csv\r\nX-Tag: a\r\nX-Tag: b\r\n";
        Reply::Keep(answer("203 Non-Authoritative Information", headers, b"a,b"))
    })
    .await
    .unwrap();
    let value = fetched.value.unwrap();
    assert_eq!(&*value.bytes, b"a,b");
    assert_eq!(value.content_type.as_deref(), Some("text/csv"));
    for (name, text) in [
        ("status", "203"),
        ("header.x-tag", "a, b"),
        ("header.content-length", "3"),
    ] {
        assert!(
            fetched.attributes.contains(&(name.into(), text.into())),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_value_keeps_status_and_end_to_end_headers_as_they_came() {
    let fetched = load_of(|| {
        let headers = "Link: </a>; rel=next\r\nCONTENT-ENCODING: gzip\r\nETag: \"1\"\r\n\
                       X-Caf: caf\u{e9}\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n\
                       Set-Cookie: session=secret\r\nLink: </b>; rel=prev\r\n\
                       Larder-Tenant: forged\r\n";
        Reply::Keep(answer("203 Non-Authoritative Information", headers, b"x"))
    })
    .await
    .unwrap();
    let value = fetched.value.unwrap();
    assert_eq!(value.coding().as_deref(), Some("gzip"));
    let head = value.head.unwrap();
    assert_eq!(head.status(), 203);
    let mut lines: Vec<_> = head
        .lines()
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value)))
        .collect();
    lines.sort();
    let expected = [
        "content-encoding: gzip",
        "etag: \"1\"",
        "link: </a>; rel=next",
        "link: </b>; rel=prev",
        "x-caf: caf\u{e9}",
    ];
    assert_eq!(lines, expected);
    let links: Vec<_> = head.all("link").collect();
    assert_eq!(links, ["</a>; rel=next", "</b>; rel=prev"]);
}

#[tokio::test]
async fn an_answer_without_content_is_a_value() {
    for (status, number) in [("204 No Content", 204), ("205 Reset Content", 205)] {
        let server = Server::start(move |_| Reply::Keep(answer(status, "x-a: b\r\n", b""))).await;
        let origin = HttpOrigin::new(config(&server)).unwrap();
        let value = origin.load(wanted("42")).await.unwrap().value.unwrap();
        assert_eq!(value.head.unwrap().status(), number);
        assert_eq!(value.bytes, "");
    }
}

#[tokio::test]
async fn more_headers_than_are_kept_are_an_error_and_not_cut() {
    let error = load_of(|| {
        let headers = format!("x-long: {}\r\n", "x".repeat(40_000));
        Reply::Keep(answer("200 OK", &headers, b"x"))
    })
    .await
    .unwrap_err();
    assert_eq!(error.as_str(), "broken", "{error}");
    assert!(error.to_string().contains("32768 bytes"), "{error}");
}

#[tokio::test]
async fn chunked_bodies_are_whole_values() {
    let whole =
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
    let cut = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n";
    let server = Server::start(move |request| {
        Reply::Close(if request.target == "/product/cut" {
            cut.to_vec()
        } else {
            whole.to_vec()
        })
    })
    .await;
    let origin = HttpOrigin::new(config(&server)).unwrap();
    let value = origin.load(wanted("42")).await.unwrap().value;
    assert_eq!(value, Some(Value::new(&b"abc"[..])));
    let error = origin.load(wanted("cut")).await.unwrap_err();
    assert_eq!(error.as_str(), "broken", "{error}");
}

#[tokio::test]
async fn absent_is_not_an_error() {
    for reply in [
        (|| Reply::Keep(answer("404 Not Found", "", b"no such thing"))) as fn() -> Reply,
        || Reply::Keep(answer("410 Gone", "", b"")),
        // The status decides, even where the rest of the body never comes.
        || Reply::Hang(b"HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\n".to_vec()),
    ] {
        let fetched = load_of(reply).await.unwrap();
        assert_eq!(fetched.value, None);
        assert!(fetched.attributes[0].1.starts_with('4'));
    }
}

#[tokio::test]
async fn bad_answers_are_errors_of_their_kind() {
    type Case = (fn() -> Reply, &'static str, &'static str);
    let cases: [Case; 15] = [
        (
            || Reply::Keep(answer("400 Bad Request", "", b"")),
            "rejected",
            "answered 400",
        ),
        (
            || Reply::Keep(answer("403 Forbidden", "", b"")),
            "rejected",
            "answered 403",
        ),
        (
            || Reply::Keep(answer("429 Too Many Requests", "", b"")),
            "rejected",
            "answered 429",
        ),
        (
            || Reply::Keep(answer("500 Internal Server Error", "", b"")),
            "failed",
            "answered 500",
        ),
        (
            || Reply::Keep(answer("503 Service Unavailable", "", b"")),
            "failed",
            "answered 503",
        ),
        (
            || Reply::Keep(answer("304 Not Modified", "", b"")),
            "failed",
            "nothing conditional was asked",
        ),
        (
            || Reply::Keep(answer("226 IM Used", "im: vcdiff\r\n", b"ha")),
            "broken",
            "answered 226",
        ),
        (
            || Reply::Keep(answer("206 Partial Content", "", b"ha")),
            "broken",
            "answered 206",
        ),
        (
            || Reply::Close(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec()),
            "broken",
            "",
        ),
        (
            || {
                let lines = "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n";
                Reply::Close(format!("{lines}2\r\nha\r\n0\r\n\r\n").into())
            },
            "broken",
            "transfer coding `gzip`",
        ),
        (
            || Reply::Close(b"\x00\x01 what is this\r\n\r\n".to_vec()),
            "broken",
            "",
        ),
        (|| Reply::Close(Vec::new()), "broken", ""),
        (
            || Reply::Keep(answer("200 OK", "", &[b'x'; 1001])),
            "too_large",
            "1000 bytes",
        ),
        (|| Reply::Hang(Vec::new()), "timeout", "within 100 ms"),
        (
            || Reply::Hang(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec()),
            "timeout",
            "within 100 ms",
        ),
    ];
    for (at, (reply, kind, message)) in cases.into_iter().enumerate() {
        let error = load_of(reply).await.unwrap_err();
        assert_eq!(error.as_str(), kind, "case {at}: {error}");
        assert!(error.to_string().contains(message), "case {at}: {error}");
    }
}

#[tokio::test]
async fn a_body_without_end_is_cut_off() {
    let error = load_of(|| {
        let mut answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        answer.extend_from_slice(&b"10\r\n0123456789abcdef\r\n".repeat(5000));
        Reply::Keep(answer)
    })
    .await
    .unwrap_err();
    assert_eq!(error, OriginError::TooLarge { limit_bytes: 1000 });
}

#[tokio::test]
async fn a_redirect_is_named_and_not_followed() {
    let server = Server::start(|_| {
        let to = "location: http://ann:secret@other.test/x?token=secret\r\n";
        Reply::Keep(answer("302 Found", to, b""))
    })
    .await;
    let origin = HttpOrigin::new(config(&server)).unwrap();
    for error in [
        origin.load(wanted("42")).await.unwrap_err(),
        origin.delete(wanted("42")).await.unwrap_err(),
    ] {
        let text = error.to_string();
        assert_eq!(error.as_str(), "failed");
        assert!(
            text.contains("302 Found to http://other.test/x: redirects"),
            "{text}"
        );
    }
    assert_eq!(server.seen.lock().len(), 2);
}

#[tokio::test]
async fn a_refused_connection_is_unreachable() {
    let server = Server::of_values().await;
    let base = server.base.replace("http://", "http://ann:secret@");
    drop(server);
    let address = base.replace("ann:secret@", "");
    // The listener is closed once its task has been dropped.
    while tokio::net::TcpStream::connect(address.trim_start_matches("http://"))
        .await
        .is_ok()
    {
        tokio::task::yield_now().await;
    }
    let origin = HttpOrigin::new(HttpConfig::new(&base)).unwrap();
    let error = origin.load(wanted("42")).await.unwrap_err();
    assert_eq!(error.as_str(), "unreachable", "{error}");
    let text = error.to_string();
    assert!(
        text.contains("refused") && text.contains(&address),
        "{text}"
    );
    assert!(
        !text.contains("secret") && !origin.summary().contains("secret"),
        "{text}"
    );
}

#[tokio::test]
async fn requests_carry_what_they_should_and_no_more() {
    let server = Server::of_values().await;
    let mut config = config(&server);
    config.base_url = config.base_url.replace("http://", "http://ann:pw@");
    config.path = "/v1/{tenant}/{resource}/{id}".into();
    config.headers = vec![("X-Key".into(), "operator".into())];
    let origin = HttpOrigin::new(config).unwrap();
    let attributes = [
        ("query.page", "2 &x=y"),
        ("query.page", "3"),
        ("header.accept-language", "de"),
        ("header.x-key", "user"),
        ("header.host", "evil"),
        ("header.transfer-encoding", "chunked"),
        ("header.content-type", "text/evil"),
        ("context.tier", "gold"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut wanted = wanted("a/b");
    wanted.attributes = &attributes;
    origin.write(wanted, &Value::json("{}")).await.unwrap();
    let seen = server.seen.lock().pop().unwrap();
    assert_eq!(seen.method, "PUT");
    assert_eq!(
        seen.target,
        "/v1/acme/product/a%2Fb?page=2%20%26x%3Dy&page=3"
    );
    assert_eq!(seen.body, b"{}");
    let mut headers: Vec<_> = seen
        .headers
        .iter()
        .map(|(n, v)| format!("{n}: {v}"))
        .collect();
    headers.sort();
    let host = format!("host: {}", server.base.trim_start_matches("http://"));
    let agent = concat!("user-agent: larder/", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        headers,
        [
            "accept-encoding: identity",
            "accept-language: de",
            "accept: */*",
            "authorization: Basic YW5uOnB3",
            "content-length: 2",
            "content-type: application/json",
            &host,
            agent,
            "x-key: operator",
        ]
    );
}

#[tokio::test]
async fn writes_say_what_the_service_said() {
    for (status, method, expected) in [
        ("200 OK", "PUT", Ok(None)),
        ("201 Created", "PUT", Ok(Some(false))),
        ("404 Not Found", "PUT", Err("rejected")),
        ("409 Conflict", "PUT", Err("rejected")),
        ("500 Internal Server Error", "PUT", Err("failed")),
        ("204 No Content", "DELETE", Ok(None)),
        ("404 Not Found", "DELETE", Ok(Some(false))),
        ("403 Forbidden", "DELETE", Err("rejected")),
    ] {
        let server = Server::start(move |_| Reply::Keep(answer(status, "", b""))).await;
        let origin = HttpOrigin::new(config(&server)).unwrap();
        let written = match method {
            "PUT" => origin.write(wanted("42"), &Value::new("x")).await,
            _ => origin.delete(wanted("42")).await,
        };
        let said = written.map(|written| written.existed);
        assert_eq!(
            said.map_err(|error| error.as_str()),
            expected,
            "{method} {status}"
        );
    }
}

#[tokio::test]
async fn an_acknowledged_write_is_not_lost_to_a_slow_body() {
    let server =
        Server::start(|_| Reply::Hang(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n".to_vec()))
            .await;
    let mut config = config(&server);
    config.timeout = Duration::from_millis(200);
    let origin = HttpOrigin::new(config).unwrap();
    let written = origin.write(wanted("42"), &Value::new("x")).await;
    assert_eq!(written, Ok(Written::default()));
}
