use super::*;

fn api(settings: &str) -> Result<Api, Error> {
    larder_sdk::parse_settings(settings).and_then(Api::new)
}

fn read() -> Request {
    Request::read("articles", "7")
}

fn admit(settings: &str, loaded: &Loaded) -> Admission {
    let policy = api(settings).unwrap();
    let decision = policy.decide(&read()).unwrap();
    policy.admit(&read(), &decision, loaded).unwrap()
}

fn found() -> Loaded {
    Loaded::new(LoadStatus::Found)
}

#[test]
fn every_declared_input_is_part_of_the_key() {
    let policy = api("{}").unwrap();
    for (request, key) in [
        (read(), "articles:7"),
        (read().with("query.page", "2"), "articles:7:query.page=2"),
        (read().with("query.page", ""), "articles:7:query.page="),
        (
            read().with("query.limit", "5").with("query.page", "2"),
            "articles:7:query.page=2:query.limit=5",
        ),
        (
            read().with("query.q", "a").with("query.q", "b"),
            "articles:7:query.q=a:query.q=b",
        ),
        (
            read().with("query.q", "a:query.page=2"),
            "articles:7:query.q=a%3Aquery.page=2",
        ),
        (
            read().with("header.accept-language", "de"),
            "articles:7:header.accept-language=de",
        ),
    ] {
        let decision = policy.decide(&request).unwrap();
        assert_eq!(decision.key, key);
        assert_eq!(decision.strategy, Strategy::ReadThrough);
        assert_eq!(decision.tags, ["articles", "articles:7"]);
    }
    let mut keys = std::collections::HashSet::new();
    for name in Api::manifest().request_attributes {
        let decision = policy.decide(&read().with(name.as_str(), "x")).unwrap();
        let covered = decision.strategy == Strategy::Bypass || keys.insert(decision.key);
        assert!(covered, "{name}");
    }
}

#[test]
fn credentials_and_named_inputs_keep_a_request_out() {
    let policy = api(r#"{"bypass_on": ["query.q"]}"#).unwrap();
    for (request, strategy) in [
        (
            read().with("header.authorization", "Bearer x"),
            Strategy::Bypass,
        ),
        (read().with("query.q", "shoes"), Strategy::Bypass),
        (read().with("query.page", "2"), Strategy::ReadThrough),
    ] {
        assert_eq!(policy.decide(&request).unwrap().strategy, strategy);
    }
    let error = api(r#"{"bypass_on": ["query.zoom"]}"#)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`query.zoom`; give any of `query.page`"),
        "{error}"
    );
}

#[test]
fn a_write_makes_every_variant_stale_with_credentials_or_without() {
    let policy = api("{}").unwrap();
    for request in [
        Request::write("articles", "7"),
        Request::delete("articles", "7").with("header.authorization", "Bearer x"),
    ] {
        let decision = policy.decide(&request).unwrap();
        assert_eq!(decision.invalidates, [Target::Tag("articles:7".into())]);
    }
}

#[test]
fn what_the_response_forbids_is_not_stored() {
    for (name, value, reason) in [
        ("header.cache-control", "no-store", "`no-store`"),
        ("header.cache-control", "private, max-age=60", "`private`"),
        ("header.cache-control", "no-cache", "`no-cache`"),
        ("header.cache-control", "private=\"x-user\"", "`private`"),
        (
            "header.cache-control",
            "no-cache=\"x\", max-age=60",
            "`no-cache`",
        ),
        ("header.cache-control", "private; max-age=60", "`private`"),
        ("header.pragma", "no-cache", "`Pragma: no-cache`"),
        ("header.pragma", "x, No-Cache", "`Pragma: no-cache`"),
        ("header.set-cookie", "id=1", "cookie"),
        ("header.vary", "*", "varies by `*`"),
        ("header.vary", "Accept, Cookie", "varies by `cookie`"),
        ("status", "206", "status 206"),
        ("status", "500", "status 500"),
    ] {
        let admission = admit("{}", &found().with(name, value));
        assert!(!admission.store, "{name}: {value}");
        assert!(admission.reason.contains(reason), "{}", admission.reason);
    }
    let said_better = found()
        .with("header.pragma", "no-cache")
        .with("header.cache-control", "max-age=60");
    assert!(admit("{}", &said_better).store);
    let second_line = found()
        .with("header.vary", "Accept")
        .with("header.vary", "Origin");
    assert!(!admit("{}", &second_line).store);
}

#[test]
fn the_response_states_its_freshness() {
    let keyed = found()
        .with("header.vary", "Accept, Accept-Language,")
        .with("status", "200");
    let (default, error) = (minutes(1), minutes(5));
    for (cache_control, ttl, revalidate, if_error) in [
        ("public", default, Duration::ZERO, error),
        ("max-age=600", minutes(10), Duration::ZERO, error),
        (
            "max-age=600, stale-while-revalidate=30",
            minutes(10),
            seconds(30),
            error,
        ),
        (
            "max-age=600, stale-if-error=0",
            minutes(10),
            Duration::ZERO,
            Duration::ZERO,
        ),
        (
            "max-age=600, must-revalidate",
            minutes(10),
            Duration::ZERO,
            Duration::ZERO,
        ),
        ("must-revalidate", default, Duration::ZERO, Duration::ZERO),
        (
            "s-maxage=5, max-age=600, stale-while-revalidate=9",
            seconds(5),
            seconds(9),
            Duration::ZERO,
        ),
        ("max-age=31536000", days(1), Duration::ZERO, error),
        ("max-age=0", Duration::ZERO, Duration::ZERO, Duration::ZERO),
        (
            "max-age=0, stale-if-error=9",
            Duration::ZERO,
            Duration::ZERO,
            seconds(9),
        ),
    ] {
        let admission = admit(
            "{}",
            &keyed.clone().with("header.cache-control", cache_control),
        );
        assert!(admission.store, "{cache_control}");
        let given = &admission.freshness;
        let windows = (
            given.ttl,
            given.stale_while_revalidate,
            given.stale_if_error,
        );
        assert_eq!(windows, (ttl, revalidate, if_error), "{cache_control}");
    }
}

#[test]
fn time_spent_in_caches_before_this_one_counts() {
    let aged = found().with("header.cache-control", "max-age=600");
    for (age, ttl) in [
        ("60", minutes(9)),
        ("700", Duration::ZERO),
        ("soon", minutes(10)),
    ] {
        let admission = admit("{}", &aged.clone().with("header.age", age));
        assert_eq!(admission.freshness.ttl, ttl, "age {age}");
    }
}

#[test]
fn a_response_that_expires_at_once_is_kept_for_no_time_and_no_error() {
    for expires in ["0", "Thu, 01 Jan 1970 00:00:00 GMT", "never"] {
        let admission = admit("{}", &found().with("header.expires", expires));
        let given = &admission.freshness;
        let windows = [
            given.ttl,
            given.stale_while_revalidate,
            given.stale_if_error,
        ];
        assert_eq!(windows, [Duration::ZERO; 3], "{expires}");
    }
}

#[test]
fn an_absence_is_remembered_no_longer_than_it_says() {
    let absent = Loaded::new(LoadStatus::Absent).with("status", "404");
    for (cache_control, negative_ttl) in [
        ("", seconds(10)),
        ("max-age=3", seconds(3)),
        ("max-age=600", seconds(10)),
    ] {
        let admission = admit(
            "{}",
            &absent.clone().with("header.cache-control", cache_control),
        );
        assert!(admission.store);
        assert_eq!(
            admission.freshness.negative_ttl, negative_ttl,
            "{cache_control}"
        );
    }
    assert!(!admit("{}", &absent.with("header.cache-control", "no-store")).store);
}
