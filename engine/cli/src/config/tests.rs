mod tokens;

use super::*;
use larder::Older;
use larder::core::Strategy;
use larder::core::Target;
use serde_json::json;
use std::time::Duration;

/// The example of the documentation, as far as this version goes.
const EXAMPLE: &str = r#"
[server]
listen = "127.0.0.1:7117"
admin  = "127.0.0.1:7118"

[store]
type = "memory"
capacity = "64MiB"

[policies]
dir = "policies"

[[policy]]
name = "catalogue"
module = "standard"
on_failure = "default_decision"
[policy.settings]
strategy = "read_through"
default_ttl = "1h"
volatile = ["price", "stock"]
since = 2026-01-01
[policy.limits]
deadline = "20ms"
[policy.default_decision]
strategy = "read_through"
ttl = "5s"
stale_if_error = "1m"
invalidates = { tags = ["product"], namespaces = ["product"] }

[[route]]
resource = "product"
policy = "catalogue"
origin = "shop"

[origin.shop]
type = "sqlite"
path = "shop.db"
table = "products"
key = "id"
sequence = "place"
deleted = "gone"

[origin.prices]
type = "http"
base_url = "http://127.0.0.1:8000"
path = "/{resource}/{id}"
timeout = "250ms"
headers = { x-key = "k" }

[guard]
ttl_max = "1d"
timeout_max = "5s"
protected = ["credential*", "session*"]
"#;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("policies")).unwrap();
        Self(folder)
    }

    fn parse(&self, text: &str) -> Result<Config> {
        Config::parse(text, self.0.path(), &Overrides::default())
    }

    fn parse_with(&self, text: &str, variables: &[(&str, &str)]) -> Result<Config> {
        let owned = variables
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        Config::parse(text, self.0.path(), &Overrides::new(owned))
    }
}

fn capacity(config: &Config) -> u64 {
    match &config.store {
        StoreConfig::Memory(memory) => memory.capacity_bytes,
        other => panic!("{other:?}"),
    }
}

fn message(config: Result<Config>) -> String {
    format!("{:#}", config.unwrap_err())
}

#[test]
fn a_write_hold_and_a_rule_for_older_entries_are_read() {
    let folder = Folder::new();
    let text = |hold: &str, older: &str| {
        format!(
            "[[route]]\nresource = 'p'\npolicy = 'standard'\norigin = 'a'\n{older}\n\
             [[policy]]\nname = 'standard'\n\
             [origin.a]\ntype = 'http'\nbase_url = 'http://h'\n{hold}"
        )
    };
    let config = folder.parse(&text("", "")).unwrap();
    assert_eq!(config.origins["a"].write_hold_ms, 0);
    assert_eq!(config.routes[0].older, Older::ShorterUnlessAdmitted);
    let told = text("write_hold = '300ms'", "older = 'stored'");
    let config = folder.parse(&told).unwrap();
    assert_eq!(config.origins["a"].write_hold_ms, 300);
    assert_eq!(config.routes[0].older, Older::Stored);
    let why = message(folder.parse(&text("write_hold = '5'", "")));
    assert!(
        why.contains("`[origin.a]`: `write_hold`: `5` is not"),
        "{why}"
    );
    let why = message(folder.parse(&text("", "older = 'younger'")));
    assert!(why.contains("shorter_unless_admitted"), "{why}");
}

#[test]
fn the_example_is_read_whole() {
    let folder = Folder::new();
    let config = folder.parse(EXAMPLE).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:7117");
    assert_eq!(capacity(&config), 64 << 20);
    assert_eq!(
        config.routes,
        [Route::new("product", "catalogue").origin("shop")]
    );
    let policy = &config.host.policies[0];
    assert_eq!(
        (policy.name.as_str(), policy.module.as_str()),
        ("catalogue", "standard")
    );
    assert_eq!(policy.limits.deadline_ms, 20);
    let expected = json!({
        "strategy": "read_through", "default_ttl": "1h",
        "volatile": ["price", "stock"], "since": "2026-01-01",
    });
    assert_eq!(policy.settings, expected);
    let OnFailure::DefaultDecision(default) = &config.on_failure[0].1 else {
        panic!("{:?}", config.on_failure);
    };
    assert_eq!(default.strategy, Strategy::ReadThrough);
    assert_eq!(default.freshness.stale_if_error_ms, 60_000);
    let product = || "product".to_owned();
    let targets = [Target::Tag(product()), Target::Namespace(product())];
    assert_eq!(default.invalidates, targets);
    let OriginKind::Sqlite(shop) = &config.origins["shop"].kind else {
        panic!("{:?}", config.origins);
    };
    assert_eq!(shop.path, folder.0.path().join("shop.db"));
    let kept = [&shop.version, &shop.sequence, &shop.deleted].map(Option::as_deref);
    assert_eq!(kept, [None, Some("place"), Some("gone")]);
    let OriginKind::Http(prices) = &config.origins["prices"].kind else {
        panic!("{:?}", config.origins);
    };
    assert_eq!(prices.timeout, Duration::from_millis(250));
    assert_eq!(prices.headers, [("x-key".to_owned(), "k".to_owned())]);
    assert_eq!(config.guard.timeout_max_ms, 5000);
    assert!(config.guard.protects("sessions"));
}

#[test]
fn an_empty_file_has_the_defaults() {
    let config = Folder::new().parse("").unwrap();
    assert_eq!(capacity(&config), 256 << 20);
    assert_eq!(config.server.admin.unwrap().port(), 7118);
    assert!(
        config.warnings[0].contains("there is no [[route]]"),
        "{:?}",
        config.warnings
    );
}

#[test]
fn each_mistake_is_named_with_its_place() {
    for (text, expected) in [
        ("[server]\nlisten_on = 'x'", "line 2"),
        (
            "[server]\nlisten_on = 'x'",
            "unknown field `listen_on`, expected one of `listen`, `admin`",
        ),
        (
            "[servr]",
            "unknown field `servr`, expected one of `server`, `store`",
        ),
        (
            "[server]\nlisten = 'localhost'",
            "`server.listen`: `localhost` is no address",
        ),
        ("[server]\nlisten = '127.0.0.1:99999'", "`server.listen`"),
        (
            "[server]\nadmin = '127.0.0.1:7117'",
            "both 127.0.0.1:7117; give the admin plane a port",
        ),
        ("[server]\nlease_secret = 'short'", "at least 32 bytes"),
        (
            "[server]\nbody_max = '8MB'",
            "`8MB` is not a size: write a whole number",
        ),
        (
            "[server]\nbody_max = 8",
            "`8` is not a size: write a whole number and a unit",
        ),
        ("[store]\ntype = 'redis'", "`[store]`: "),
        (
            "[store]\ntype = 'redis'\nurl = 'redis://h'\ncapacity = '1MiB'",
            "`capacity` is for the memory in front of Redis",
        ),
        (
            "[store]\ntype = 'redis'\nurl = 'redis://:secret@h'\ncluster = ['redis://h']",
            "`[store]`: ",
        ),
        (
            "[store]\ntype = 'tiered'\nurl = 'redis://h'\nsilence = '10ms'",
            "at least 100",
        ),
        (
            "[store]\ntype = 'disk'",
            "`[store]`: unknown type `disk`; write \"memory\", \"redis\" or \"tiered\"",
        ),
        (
            "[store]\ncapcity = '1MiB'",
            "`[store]`: unknown field `capcity`, expected `capacity`",
        ),
        ("[store]\ncapacity = '0B'", "`capacity` is 0"),
        (
            "[write_behind]\nlevel = 'disk'",
            "unknown variant `disk`, expected `local` or `redis`",
        ),
        (
            "[write_behind]\nlevel = 'redis'",
            "`[write_behind]`: level \"redis\" needs a Redis, and the store is none",
        ),
        (
            "[write_behind]\nlevel = 'redis'\nurl = 'redis://h'\ndir = 'q'",
            "`dir` is for `level = \"local\"`",
        ),
        (
            "[write_behind]\nurl = 'redis://h'",
            "`url` is for `level = \"redis\"`",
        ),
        ("[write_behind]\nlimit = 0", "a limit is 0"),
        (
            "[write_behind]\nbatch_max = 0",
            "`batch_max` and `attempts_max` are at least 1",
        ),
        ("[write_behind]\nclaim_ttl = '5ms'", "at least 1000ms"),
        (
            "[write_behind]\nlevle = 'local'",
            "unknown field `levle`, expected one of `level`, `dir`",
        ),
        (
            "[origin.a]\ntype = 'postgres'\nurl = 'x'",
            "`[origin.a]`: missing field `table`",
        ),
        (
            "[origin.a]\npath = 'x'",
            "`[origin.a]`: `type` is missing; write \"postgres\", \"sqlite\" or \"http\"",
        ),
        (
            "[origin.a]\ntype = 'sqlite'\npath = 'x'\ntable = 't'",
            "`[origin.a]`: missing field `key`",
        ),
        (
            "[origin.a]\ntype = 'sqlite'\ntabel = 't'",
            "`[origin.a]`: unknown field `tabel`, expected one of `path`, `table`, `key`",
        ),
        (
            "[origin.a]\ntype = 'http'\nbase_url = 'http://h'\ntimeout = '5'",
            "`5` is not a duration",
        ),
        (
            "[[route]]\nresource = 'p'\npolicy = 'x'\norigin = 'shop'",
            "names the origin `shop`, which is not configured; there is none",
        ),
        ("[[route]]\nresource = 'p'", "missing field `policy`"),
        (
            "[[route]]\nresource = ''\npolicy = 'x'",
            "neither of them empty",
        ),
        (
            "[[policy]]\nname = 'a'\n[[policy]]\nname = 'a'",
            "two policies are named `a`",
        ),
        (
            "[[policy]]\nname = 'a'\non_failure = 'panic'",
            "unknown variant `panic`, expected one of `bypass`, `default_decision`, `deny`",
        ),
        (
            "[[policy]]\nname = 'a'\non_failure = 'default_decision'",
            "no such decision; add `[policy.default_decision]`",
        ),
        (
            "[[policy]]\nname = 'a'\n[policy.default_decision]\nstrategy = 'bypass'\nttl = '1s'",
            "that nothing uses; add on_failure",
        ),
        (
            "[[policy]]\nname = 'a'\n[policy.limits]\ndeadline_ms = 5",
            "unknown field `deadline_ms`, expected one of `deadline`",
        ),
        (
            "[policies]\ndir = 'nowhere'",
            "`policies.dir`: there is no folder",
        ),
        ("[guard]\nttl_max = '1 day'", "`1 day` is not a duration"),
        ("[guard]\nttl_max_ms = 5", "unknown field `ttl_max_ms`"),
        (
            "[log]\nformat = 'xml'",
            "unknown variant `xml`, expected `text` or `json`",
        ),
        ("[server", "line 1"),
    ] {
        let message = message(Folder::new().parse(text));
        assert!(
            message.contains(expected),
            "{text}\n--- says ---\n{message}"
        );
    }
}

#[test]
fn a_route_to_an_unknown_origin_names_those_there_are() {
    let text = EXAMPLE.replace("origin = \"shop\"", "origin = \"shpo\"");
    let message = message(Folder::new().parse(&text));
    assert!(message.contains("there are `prices`, `shop`"), "{message}");
    assert!(message.contains("the route for `product`"), "{message}");
}

#[test]
fn all_problems_are_told_at_once_and_none_twice() {
    let text = EXAMPLE
        .replace("type = \"memory\"", "type = \"redis\"")
        .replace("type = \"sqlite\"", "type = \"postgres\"");
    let message = message(Folder::new().parse(&text));
    assert_eq!(message.matches("\n  - ").count(), 2, "{message}");
}

#[test]
fn a_module_that_may_come_later_and_an_origin_that_nobody_uses_are_only_warned_about() {
    let folder = Folder::new();
    let text = "[[policy]]\nname = 'a'\nmodule = 'm'\n\
                [[route]]\nresource = 'x'\npolicy = 'a'\n\
                [origin.o]\ntype = 'http'\nbase_url = 'http://h'";
    let warnings = folder.parse(text).unwrap().warnings;
    for expected in [
        "the policy `a` has no module yet",
        "no route uses the origin `o`",
    ] {
        let mut all = warnings.iter();
        assert!(all.any(|one| one.contains(expected)), "{warnings:?}");
    }
    fs::write(folder.0.path().join("policies/m.wasm"), "").unwrap();
    assert_eq!(folder.parse(text).unwrap().warnings.len(), 1);
}

#[test]
fn routes_that_lead_nowhere_or_are_never_reached_are_refused_all_at_once() {
    let folder = Folder::new();
    let text = "[[policy]]\nname = 'a'\n\
                [[route]]\nresource = 'x*'\npolicy = 'a'\n\
                [[route]]\nresource = 'xy'\npolicy = 'a'\n\
                [[route]]\nresource = 'y'\npolicy = 'b'\n\
                [[route]]\nresource = 'z'\npolicy = 'a'\norigin = 'o'";
    let message = message(folder.parse(text));
    for expected in [
        "3 things",
        "the route for `xy` is never reached: the one for `x*` stands before it",
        "the route for `y` names the policy `b`, which neither a [[policy]] nor the file",
        "there is `a`",
        "the route for `z` names the origin `o`",
    ] {
        assert!(message.contains(expected), "{expected}: {message}");
    }
    fs::write(folder.0.path().join("policies/b.wasm"), "").unwrap();
    assert!(!super::tests::message(folder.parse(text)).contains("policy `b`"));
}

#[test]
fn the_environment_overrides_single_values() {
    let folder = Folder::new();
    let config = folder
        .parse_with(
            EXAMPLE,
            &[
                ("LARDER__SERVER__LISTEN", "127.0.0.1:9000"),
                ("LARDER__GUARD__TAGS_MAX", "3"),
                ("LARDER__POLICIES__WATCH", "false"),
                ("LARDER__ORIGIN__SHOP__TABLE", "items"),
            ],
        )
        .unwrap();
    assert_eq!(config.server.listen.port(), 9000);
    assert_eq!(config.guard.tags_max, 3);
    assert!(!config.host.watch);
    let OriginKind::Sqlite(shop) = &config.origins["shop"].kind else {
        panic!("{:?}", config.origins);
    };
    assert_eq!(shop.table, "items");
}

#[test]
fn a_text_of_digits_stays_a_text_under_overrides() {
    let folder = Folder::new();
    let file = format!("{EXAMPLE}\n[origin.web]\ntype = \"http\"\nbase_url = \"http://h\"\n");
    let config = folder.parse_with(
        &file,
        &[
            ("LARDER__ORIGIN__SHOP__SEQUENCE", "007"),
            ("LARDER__ORIGIN__WEB__HEADERS__X_KEY", "00123456"),
            ("LARDER__ORIGIN__SHOP__TABLE", "true"),
        ],
    );
    let config = config.unwrap();
    let OriginKind::Sqlite(shop) = &config.origins["shop"].kind else {
        panic!("{:?}", config.origins);
    };
    assert_eq!(shop.sequence.as_deref(), Some("007"));
    assert_eq!(shop.table, "true");
    let OriginKind::Http(web) = &config.origins["web"].kind else {
        panic!("{:?}", config.origins);
    };
    assert_eq!(web.headers[0].1, "00123456");
}

#[test]
fn a_wrong_override_is_named_and_its_value_is_not() {
    for (name, expected) in [
        ("LARDER__SERVER__LISTN", "unknown field `listn`"),
        ("LARDER__SERVER__LISTN", "so look at LARDER__SERVER__LISTN"),
        ("LARDER__", "names no field"),
        (
            "LARDER__POLICY__NAME",
            "cannot override what stands in a list",
        ),
        ("LARDER__SERVER__LISTEN__PORT", "goes through `LISTEN`"),
        ("LARDER__SERVER", "can only override a single value"),
        (
            "LARDER__POLICIES__STATE",
            "so look at LARDER__POLICIES__STATE",
        ),
    ] {
        let message = {
            let value = if name.ends_with("STATE") {
                ""
            } else {
                "hunter2"
            };
            message(Folder::new().parse_with(EXAMPLE, &[(name, value)]))
        };
        assert!(message.contains(expected), "{name}: {message}");
        assert!(!message.contains("hunter2"), "{name}: {message}");
    }
}

#[test]
fn a_mistake_of_the_file_keeps_its_line_under_overrides() {
    let text = "[server]\nlisten_on = 'x'";
    let overrides = [("LARDER__SERVER__DRAIN", "1s")];
    let message = message(Folder::new().parse_with(text, &overrides));
    assert!(message.contains("line 2"), "{message}");
}

#[test]
fn a_number_too_large_for_toml_is_refused_with_and_without_overrides() {
    let setup = Folder::new();
    let text = "[guard]\ntags_max = 9223477586854775807\n";
    let alone = message(setup.parse(text));
    assert!(alone.contains("tags_max = 9223477586854775807"), "{alone}");
    let variables = [("LARDER__SERVER__LISTEN", "127.0.0.1:0")];
    assert_eq!(message(setup.parse_with(text, &variables)), alone);
}

#[test]
fn a_shared_store_is_read_with_its_units() {
    let text = "[store]\ntype = 'tiered'\ncapacity = '64MiB'\nsilence = '1s'\n\
        url = 'redis://user:hunter2@h:1/2'\ntimeout = '250ms'\nmax_entry = '1MiB'\n\
        ca_file = 'ca.pem'\nprefix = 'shop'";
    let folder = Folder::new();
    let config = folder.parse(text).unwrap();
    let StoreConfig::Tiered(tiered) = &config.store else {
        panic!("{:?}", config.store);
    };
    assert_eq!(
        (tiered.capacity_bytes, tiered.silence_ms),
        (64 << 20, 1_000)
    );
    let redis = &tiered.redis;
    assert_eq!((redis.timeout_ms, redis.max_entry_bytes), (250, 1 << 20));
    assert_eq!(redis.prefix, "shop");
    assert_eq!(redis.ca_file, Some(folder.0.path().join("ca.pem")));
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn the_limits_of_an_origin_are_read_with_its_breaker() {
    let text = "[origin.a]\ntype = 'http'\nbase_url = 'http://h'\n\
        [origin.a.limits]\nconcurrency = 8\nwait = '250ms'\nbreaker = { open = '2s' }";
    let config = Folder::new().parse(text).unwrap();
    let limits = config.origins["a"].limits;
    assert_eq!((limits.concurrency, limits.wait_ms), (8, 250));
    assert_eq!(limits.tenant_concurrency, 32);
    let breaker = limits.breaker;
    assert_eq!((breaker.open_ms, breaker.minimum_calls), (2_000, 20));
    let wrong = text.replace("concurrency", "concurency");
    let why = message(Folder::new().parse(&wrong));
    assert!(
        why.contains("`[origin.a]`: `limits`: unknown field `concurency`"),
        "{why}"
    );
}

const RING: &str = "active = \"a\"\n[keys]\n\
                    a = \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\n";

#[test]
fn a_key_ring_is_read_along_and_its_file_is_relative() {
    let folder = Folder::new();
    let path = folder.0.path().join("keys.toml");
    fs::write(&path, RING).unwrap();
    let config = folder
        .parse("[vault]\nfile = \"keys.toml\"\n[guard]\nprotected = [\"session*\"]")
        .unwrap();
    let vault = config.vault.unwrap();
    assert_eq!(vault.file(), Some(path.as_path()));
    assert_eq!(&**vault.ring().active(), "a");
    let no_vault = "without `[vault]`";
    assert!(!config.warnings.iter().any(|one| one.contains(no_vault)));
    let config = folder.parse("[guard]\nprotected = [\"session*\"]").unwrap();
    assert!(config.vault.is_none());
    assert!(config.warnings.iter().any(|one| one.contains(no_vault)));
}

#[cfg(unix)]
#[test]
fn a_key_ring_that_others_can_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let path = folder.0.path().join("keys.toml");
    fs::write(&path, RING).unwrap();
    for (mode, warns) in [(0o600, false), (0o644, true)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let config = folder.parse("[vault]\nfile = \"keys.toml\"").unwrap();
        let about_it = |one: &String| one.contains("keys.toml has mode 0644");
        assert_eq!(config.warnings.iter().any(about_it), warns, "{mode:o}");
    }
}

#[test]
fn what_is_wrong_with_a_vault_is_said() {
    let folder = Folder::new();
    fs::write(folder.0.path().join("bad.toml"), "active = \"a\"\n[keys]\n").unwrap();
    for (vault, says) in [
        ("", "`[vault]` needs either `file`"),
        ("file = \"a\"\nenv = \"A\"", "`[vault]` needs either `file`"),
        ("file = \"none.toml\"", "none.toml cannot be read"),
        (
            "file = \"bad.toml\"",
            "bad.toml: `[keys]` is missing or empty",
        ),
        (
            "env = \"LARDER_NO_SUCH\"",
            "the variable LARDER_NO_SUCH is not set",
        ),
        ("path = \"x\"", "unknown field `path`"),
    ] {
        let message = message(folder.parse(&format!("[vault]\n{vault}")));
        assert!(message.contains(says), "{vault}: {message}");
    }
}
