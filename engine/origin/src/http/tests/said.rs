//! Answers that bring no value, and what is handed on of them.

use super::*;

fn answered(error: &OriginError) -> (u16, &crate::Answered) {
    match error {
        OriginError::Answered { status, answer } => (*status, answer),
        other => panic!("no answer: {other}"),
    }
}

#[tokio::test]
async fn an_error_is_handed_on_with_its_status_headers_and_body() {
    for (status, number, kind) in [
        ("401 Unauthorized", 401, "rejected"),
        ("403 Forbidden", 403, "rejected"),
        ("409 Conflict", 409, "rejected"),
        ("451 Unavailable For Legal Reasons", 451, "rejected"),
        ("500 Internal Server Error", 500, "failed"),
        ("501 Not Implemented", 501, "failed"),
    ] {
        let server = Server::start(move |_| {
            let headers = "content-type: application/problem+json\r\n\
                           www-authenticate: Basic realm=\"a\"\r\nset-cookie: a=b\r\n";
            Reply::Keep(answer(status, headers, b"{\"why\": 1}"))
        })
        .await;
        let origin = HttpOrigin::new(config(&server)).unwrap();
        let value = Value::new("x");
        for error in [
            origin.load(wanted("42")).await.unwrap_err(),
            origin.write(wanted("42"), &value).await.unwrap_err(),
            origin.delete(wanted("42")).await.unwrap_err(),
        ] {
            assert_eq!(error.as_str(), kind, "{error}");
            let (status, said) = answered(&error);
            assert_eq!((status, said.whole), (number, true));
            assert_eq!(said.value.bytes, "{\"why\": 1}");
            let kind = said.value.content_type.as_deref();
            assert_eq!(kind, Some("application/problem+json"));
            let head = said.value.head.as_ref().unwrap();
            let names: Vec<_> = head.lines().iter().map(|(name, _)| &**name).collect();
            assert_eq!((head.status(), names), (number, vec!["www-authenticate"]));
        }
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_handed_on_whole_is_left_out() {
    type Case = fn() -> Reply;
    let cases: [Case; 3] = [
        || Reply::Keep(answer("500 Internal Server Error", "", &[b'x'; 70_000])),
        || Reply::Close(b"HTTP/1.1 500 No\r\ncontent-length: 9\r\n\r\nhalf".to_vec()),
        || Reply::Hang(b"HTTP/1.1 500 No\r\ncontent-length: 9\r\n\r\nhalf".to_vec()),
    ];
    for reply in cases {
        let error = load_of(reply).await.unwrap_err();
        let (status, said) = answered(&error);
        assert_eq!((status, said.whole), (500, false));
        assert_eq!(said.value.bytes, "");
    }
}

#[tokio::test]
async fn an_absence_is_handed_on_as_it_was_told() {
    for (status, number) in [("404 Not Found", 404), ("410 Gone", 410)] {
        let server =
            Server::start(move |_| Reply::Keep(answer(status, "link: </new>\r\n", b"moved on")))
                .await;
        let origin = HttpOrigin::new(config(&server)).unwrap();
        let fetched = origin.load(wanted("42")).await.unwrap();
        assert_eq!(fetched.value, None);
        let said = fetched.absent.unwrap();
        assert_eq!(said.bytes, "moved on");
        assert_eq!(said.head.unwrap().status(), number);
    }
}

#[tokio::test]
async fn when_to_come_back_is_heard_where_it_was_meant() {
    for (status, header, expected) in [
        ("429 Too Many Requests", "retry-after: 7\r\n", Some(7_000)),
        ("503 Service Unavailable", "retry-after: 7\r\n", Some(7_000)),
        ("503 Service Unavailable", "", None),
        ("403 Forbidden", "retry-after: 7\r\n", None),
        ("500 Internal Server Error", "retry-after: 7\r\n", None),
    ] {
        let server = Server::start(move |_| Reply::Keep(answer(status, header, b""))).await;
        let origin = HttpOrigin::new(config(&server)).unwrap();
        let error = origin.load(wanted("42")).await.unwrap_err();
        assert_eq!(error.retry_after_ms(), expected, "{status}");
    }
}
