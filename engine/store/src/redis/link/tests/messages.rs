//! What people read when Redis cannot be used.

use super::*;
use crate::redis::error::ConnectError;
use crate::testing::{Server, free_port};

/// Stands for a password; it must not be in anything that can be read.
const SECRET: &str = "hunter2-s3cret";

pub(super) async fn refused(config: &RedisConfig) -> (ConnectError, String) {
    let error = match Link::connect(config).await {
        Ok(link) => panic!("it connected: {}", link.found()),
        Err(error) => error,
    };
    let text = error.to_string();
    for shown in [&text, &format!("{error:?}"), &format!("{config:?}")] {
        assert!(!shown.contains(SECRET), "{shown}");
    }
    (error, text)
}

#[tokio::test]
async fn nobody_there() {
    let port = free_port();
    let (error, text) = refused(&single(&format!("redis://:{SECRET}@127.0.0.1:{port}"))).await;
    let wanted =
        format!("nothing listens at 127.0.0.1:{port}: start Redis there, or correct the address");
    assert_eq!(text, wanted);
    assert!(error.is_transient());
    let (_, text) = refused(&single("redis://no-such-host.invalid:6379")).await;
    assert!(
        text.starts_with("the host name `no-such-host.invalid` does not resolve"),
        "{text}"
    );
}

#[tokio::test]
async fn passwords_and_users() {
    let server = Server::with(&["--requirepass", SECRET]).await;
    let at = server.address();
    let (_, text) = refused(&single(&server.url())).await;
    assert!(
        text.starts_with(&format!("{at} wants a password: put it into the url")),
        "{text}"
    );
    let (error, text) = refused(&single(&format!("redis://:wrong-{SECRET}@{at}"))).await;
    assert!(
        text.starts_with(&format!(
            "{at} refuses user `default`: the password is wrong"
        )),
        "{text}"
    );
    assert!(!error.is_transient());
    let (_, text) = refused(&single(&format!("redis://nobody:{SECRET}@{at}"))).await;
    assert!(
        text.starts_with(&format!("{at} refuses user `nobody`")),
        "{text}"
    );
    let config = single(&format!("redis://:{SECRET}@{at}"));
    let link = Link::connect(&config).await.unwrap();
    set(&link, "a", "1").await.unwrap();
    assert!(!link.found().contains(SECRET) && !format!("{config:?}").contains(SECRET));
}

#[tokio::test]
async fn a_user_without_permissions() {
    let rules = [
        "--user",
        "larder",
        "on",
        &format!(">{SECRET}"),
        "~larder:*",
        "+@all",
        "-info",
        "-config",
    ];
    let server = Server::with(&rules).await;
    let mut config = single(&format!("redis://larder:{SECRET}@{}", server.address()));
    let (_, text) = refused(&config).await;
    assert!(
        text.contains("user `larder`") && text.contains("'info'") && text.contains("ACL SETUSER"),
        "{text}"
    );
    config.accept_eviction = true;
    let link = Link::connect(&config).await.unwrap();
    let error = set(&link, "elsewhere", "1").await.unwrap_err().to_string();
    assert!(
        error.contains("NOPERM") && error.contains("ACL SETUSER"),
        "{error}"
    );
    server
        .ask(&["ACL", "SETUSER", "larder", "+config|get"])
        .await
        .unwrap();
    config.accept_eviction = false;
    let link = Link::connect(&config).await.unwrap();
    assert!(
        link.found().contains("maxmemory-policy noeviction"),
        "{}",
        link.found()
    );
}

#[tokio::test]
async fn tls_on_a_plain_port() {
    let server = Server::with(&["--requirepass", SECRET]).await;
    let (_, text) = refused(&single(&format!("rediss://:{SECRET}@{}", server.address()))).await;
    let wanted = format!(
        "{} does not speak TLS: write redis:// in place of rediss://",
        server.address()
    );
    assert!(text.starts_with(&wanted), "{text}");
}

#[tokio::test]
async fn a_cluster_taken_for_one_server_and_the_reverse() {
    let node = Server::with(&["--cluster-enabled", "yes"]).await;
    let (_, text) = refused(&single(&node.url())).await;
    let at = node.address();
    assert_eq!(
        text,
        format!(
            "{at} is a node of a Cluster, but is configured as a single server: set `cluster = [\"redis://{at}\"]` in place of `url`"
        )
    );
    let (_, text) = refused(&single(&format!("{}/3", node.url()))).await;
    assert!(
        text.starts_with(&format!("{at} has no database 3: ")),
        "{text}"
    );
    let in_cluster = |url: String| RedisConfig {
        url: None,
        cluster: vec![url],
        ..single("")
    };
    let (error, text) = refused(&in_cluster(node.url())).await;
    assert!(text.contains("with 0 of 16384 slots assigned"), "{text}");
    assert!(error.is_transient());
    let server = Server::start().await;
    let (_, text) = refused(&in_cluster(server.url())).await;
    assert!(text.contains("is not a node of a Cluster"), "{text}");
    let (_, text) = refused(&in_cluster(format!("redis://127.0.0.1:{}", free_port()))).await;
    assert!(text.starts_with("nothing listens at"), "{text}");
}

#[tokio::test]
async fn sentinels() {
    let sentinels = Sentinels::start().await;
    let mut config = of_sentinels(&sentinels);
    let (_, text) = refused(&single(&sentinels.urls()[0])).await;
    assert!(text.contains("is a sentinel: set `sentinel = {"), "{text}");
    let (_, text) = refused(&single(&sentinels.replica.url())).await;
    assert!(text.contains("is a replica and takes no writes"), "{text}");
    let settings = config.sentinel.as_mut().unwrap();
    settings.password = Some(SECRET.to_owned());
    settings.master = "nothing".to_owned();
    let (_, text) = refused(&config).await;
    assert_eq!(
        text,
        "no sentinel knows a master `nothing`: correct `sentinel.master`; known: larder"
    );
    config.sentinel.as_mut().unwrap().urls = vec![sentinels.master.url()];
    let (_, text) = refused(&config).await;
    assert!(text.contains("is not a sentinel"), "{text}");
    let nobody = format!("redis://:{SECRET}@127.0.0.1:{}", free_port());
    config.sentinel.as_mut().unwrap().urls = vec![nobody];
    let (_, text) = refused(&config).await;
    assert!(
        text.starts_with("no sentinel answers: nothing listens at"),
        "{text}"
    );
}

#[test]
fn configurations_that_make_no_sense() {
    let nothing = RedisConfig::default();
    let wrong = |url: &str| single(url).validate().unwrap_err().to_string();
    assert!(
        nothing
            .validate()
            .unwrap_err()
            .to_string()
            .contains("no server is named")
    );
    for url in [
        &format!("http://u:{SECRET}@h") as &str,
        &format!("redis://u:{SECRET}"),
        &format!("unix:///x?pass={SECRET}"),
        SECRET,
    ] {
        let text = wrong(url);
        assert!(
            text.contains("in `url` is not of the form redis://"),
            "{text}"
        );
        let shown = format!("{text}{:?}", single(url));
        assert!(!shown.contains(SECRET), "{shown}");
    }
    let both = RedisConfig {
        cluster: vec!["redis://h".to_owned()],
        ..single("redis://h")
    };
    assert!(
        both.validate()
            .unwrap_err()
            .to_string()
            .contains("keep one")
    );
    let cluster = RedisConfig {
        cluster: vec!["redis://h/2".to_owned()],
        ..RedisConfig::default()
    };
    assert!(
        cluster
            .validate()
            .unwrap_err()
            .to_string()
            .contains("no databases")
    );
    let prefix = RedisConfig {
        prefix: "a{b}".to_owned(),
        ..single("redis://h")
    };
    assert!(
        prefix
            .validate()
            .unwrap_err()
            .to_string()
            .contains("`prefix`")
    );
    let timeout = RedisConfig {
        timeout_ms: 0,
        ..single("redis://h")
    };
    assert!(
        timeout
            .validate()
            .unwrap_err()
            .to_string()
            .contains("`timeout_ms` is 0")
    );
}

#[test]
fn settings_are_read_and_unknown_ones_refused() {
    let read = |text: &str| toml::from_str::<RedisConfig>(text);
    let text = format!(
        "prefix = \"p\"\n[sentinel]\nurls = [\"redis://:{SECRET}@h:26379\"]\nmaster = \"m\"\npassword = \"{SECRET}\"\n"
    );
    let config = read(&text).unwrap();
    config.validate().unwrap();
    let shown = format!("{config:?}");
    assert!(
        shown.contains("redis://h:26379") && !shown.contains(SECRET),
        "{shown}"
    );
    assert!(read("urll = \"redis://h\"").is_err());
}
