use super::*;
use axum::http::HeaderValue;

fn token(name: &str, text: &str, planes: &[Plane]) -> Token {
    Token {
        name: name.to_owned(),
        hash: TokenHash::of(text),
        scope: Scope {
            planes: planes.to_vec(),
            ..Scope::default()
        },
    }
}

fn headers(values: &[&'static str]) -> HeaderMap {
    let values = values.iter().map(|value| HeaderValue::from_static(value));
    values.map(|value| (AUTHORIZATION, value)).collect()
}

#[test]
fn a_plane_is_guarded_from_its_first_token_on() {
    for (planes, data, admin) in [
        (&[][..], false, false),
        (&[Plane::Data], true, false),
        (&[Plane::Admin], false, true),
        (&[Plane::Admin, Plane::Data], true, true),
    ] {
        let access = Access::new(vec![token("a", "a", planes)]);
        assert_eq!(access.guards(Plane::Data), data, "{planes:?}");
        assert_eq!(access.guards(Plane::Admin), admin, "{planes:?}");
    }
}

#[test]
fn every_live_token_is_found_and_nothing_else() {
    let tokens = ["first", "second", "third"].map(|text| token(text, text, &[Plane::Data]));
    let access = Access::new(tokens.to_vec());
    let found = |value: &'static str| {
        let found = access.known(Plane::Data, &headers(&[value]));
        found.map(|token| token.name.clone())
    };
    let not_bearer = || Err(Stranger::NotBearer("data"));
    for (value, expected) in [
        ("Bearer first", Ok("first".to_owned())),
        ("bearer second", Ok("second".to_owned())),
        ("BEARER  third ", Ok("third".to_owned())),
        ("Bearer firs", Err(Stranger::Unknown)),
        ("Bearer First", Err(Stranger::Unknown)),
        ("Bearer first second", Err(Stranger::Unknown)),
        ("Bearer ", Err(Stranger::NoToken("data"))),
        ("Bearer", not_bearer()),
        ("first", not_bearer()),
        ("Basic first", not_bearer()),
        ("Bearerfirst x", not_bearer()),
        ("", not_bearer()),
    ] {
        assert_eq!(found(value), expected, "{value}");
    }
    let none = access.known(Plane::Data, &HeaderMap::new());
    assert_eq!(none.unwrap_err(), Stranger::NoToken("data"));
    let two = headers(&["Bearer first", "Bearer first"]);
    let two = access.known(Plane::Data, &two).unwrap_err();
    assert_eq!(two, Stranger::NotBearer("data"));
}

#[test]
fn a_token_of_no_server_is_unknown_and_an_endless_one_not_hashed() {
    let nobody = Access::new(Vec::new());
    let unknown =
        |access: &Access, headers: &HeaderMap| access.known(Plane::Data, headers).unwrap_err();
    assert_eq!(unknown(&nobody, &headers(&["Bearer x"])), Stranger::Unknown);
    let text = "x".repeat(TOKEN_MAX_BYTES + 1);
    let access = Access::new(vec![token("long", &text, &[Plane::Data])]);
    let value = HeaderValue::from_str(&format!("Bearer {text}")).unwrap();
    let long = HeaderMap::from_iter([(AUTHORIZATION, value)]);
    assert_eq!(unknown(&access, &long), Stranger::Unknown);
}

#[test]
fn without_a_token_a_plane_listens_on_loopback() {
    let data = [token("a", "a", &[Plane::Data])];
    for (plane, address, tokens, fine) in [
        (Plane::Data, "127.0.0.1:1", &[][..], true),
        (Plane::Data, "127.8.0.1:1", &[], true),
        (Plane::Admin, "[::1]:1", &[], true),
        (Plane::Data, "[::ffff:127.0.0.1]:1", &[], true),
        (Plane::Data, "0.0.0.0:1", &[], false),
        (Plane::Data, "[::]:1", &[], false),
        (Plane::Data, "[::ffff:10.0.0.1]:1", &[], false),
        (Plane::Admin, "192.168.1.2:1", &[], false),
        (Plane::Data, "0.0.0.0:1", &data, true),
        (Plane::Admin, "0.0.0.0:1", &data, false),
    ] {
        let told = check_listener(plane, address.parse().unwrap(), tokens);
        assert_eq!(told.is_ok(), fine, "{plane:?} {address}");
    }
    let told = check_listener(Plane::Admin, "10.0.0.5:7118".parse().unwrap(), &data);
    let told = told.unwrap_err().to_string();
    for words in [
        "the admin plane",
        "10.0.0.5:7118",
        "`larder token`",
        "127.0.0.1:7118",
    ] {
        assert!(told.contains(words), "{told}");
    }
}
