use super::*;

#[tokio::test]
async fn queued_writes_carry_their_operation_also_when_they_are_repeated() {
    let server = Server::start(|request| {
        // The first time nobody hears what became of it.
        match request.headers.get("x-try").map(String::as_str) {
            Some("1") => Reply::Close(b"HTTP/1.1 no answer\r\n\r\n".to_vec()),
            _ => Reply::Keep(answer("204 No Content", "", b"")),
        }
    })
    .await;
    let value = Value::new("x");
    let change = |id, value, operation| Change {
        wanted: wanted(id),
        value,
        sequence: 7,
        operation,
    };
    let changes = [
        change("put", Some(&value), "op-1"),
        change("gone", None, "op-2"),
    ];
    for attempt in ["1", "2"] {
        let mut config = config(&server);
        config.headers = vec![("x-try".into(), attempt.into())];
        let origin = HttpOrigin::new(config).unwrap();
        let answers = origin.apply(&changes).await;
        let failed = answers.iter().filter(|answer| answer.is_err()).count();
        assert_eq!(failed, if attempt == "1" { 2 } else { 0 }, "{answers:?}");
        let mut seen: Vec<String> = std::mem::take(&mut *server.seen.lock())
            .iter()
            .map(|request| {
                let key = request.headers.get("idempotency-key");
                let key = key.map_or("none", String::as_str);
                format!("{} {} {key}", request.method, request.target)
            })
            .collect();
        seen.sort();
        assert_eq!(seen, ["DELETE /product/gone op-2", "PUT /product/put op-1"]);
    }
    let direct = HttpOrigin::new(config(&server)).unwrap();
    direct.write(wanted("put"), &value).await.unwrap();
    let seen = server.seen.lock().pop().unwrap();
    assert_eq!(seen.headers.get("idempotency-key"), None);
}
