use std::path::PathBuf;

use super::*;

/// How an origin of a server connects.
struct Way<'a> {
    server: &'a Postgres,
    host: &'a str,
    mode: &'a str,
    ca: Option<PathBuf>,
}

impl Way<'_> {
    async fn open(&self) -> Result<PostgresOrigin, String> {
        let url = format!(
            "postgres://larder:secret@{}:{}/larder?sslmode={}",
            self.host,
            self.server.port(),
            self.mode
        );
        let mut config = PostgresConfig::new(url, "items", "id");
        config.ca = self.ca.clone();
        let opened = PostgresOrigin::open(config).await;
        opened.map_err(|error| error.to_string())
    }

    /// Whether its connection is encrypted, as the server has it.
    async fn is_encrypted(&self) -> bool {
        let origin = self.open().await.unwrap();
        write(&origin, "a", r#"{"name":"x"}"#).await.unwrap();
        let sessions = "SELECT string_agg(ssl::text, ' ') FROM pg_stat_ssl
            JOIN pg_stat_activity USING (pid) WHERE application_name = 'larder'";
        match self.server.ask(sessions).await.unwrap().as_deref() {
            Some("true") => true,
            Some("false") => false,
            other => panic!("one session: {other:?}"),
        }
    }

    async fn fails(&self) -> String {
        self.open().await.err().expect("is refused")
    }
}

const ITEMS: &str = "CREATE TABLE items (id text PRIMARY KEY, name text)";

async fn with_tls() -> Postgres {
    let server = Postgres::with_tls("localhost").await;
    server.ask(ITEMS).await.unwrap();
    server
}

/// The server notices a moment later that a client has gone.
async fn alone(server: &Postgres) {
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'larder'";
    while server.ask(sessions).await.unwrap().as_deref() != Some("0") {}
}

#[tokio::test]
async fn a_connection_is_as_encrypted_as_its_mode_says() {
    let tls = with_tls().await;
    let plain = Postgres::start().await;
    plain.ask(ITEMS).await.unwrap();
    for (server, mode, checked, encrypted) in [
        (&tls, "disable", false, false),
        (&tls, "prefer", false, true),
        (&tls, "require", true, true),
        (&tls, "verify-full", true, true),
        (&plain, "disable", false, false),
        (&plain, "prefer", false, false),
    ] {
        let way = Way {
            server,
            host: "localhost",
            mode,
            ca: checked.then(|| server.ca()),
        };
        assert_eq!(way.is_encrypted().await, encrypted, "{mode}");
        alone(server).await;
    }
    for mode in ["require", "verify-full"] {
        let way = Way {
            server: &plain,
            host: "localhost",
            mode,
            ca: Some(tls.ca()),
        };
        let error = way.fails().await;
        assert!(error.contains("server does not support TLS"), "{error}");
        assert!(error.contains("turn on `ssl`"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_cannot_prove_its_name_is_refused_with_what_to_change() {
    let (tls, namesake) = (with_tls().await, with_tls().await);
    let other = Postgres::with_tls("other.test").await;
    for mode in ["require", "verify-full"] {
        for (host, ca, says, advises) in [
            (
                "127.0.0.1",
                tls.ca(),
                "not valid for name \"127.0.0.1\"",
                "write a name as host in `url`",
            ),
            (
                "localhost",
                other.ca(),
                "UnknownIssuer",
                "name the file with the certificate of its authority",
            ),
            (
                "localhost",
                namesake.ca(),
                "BadSignature",
                "name the file with the certificate of its authority",
            ),
        ] {
            let way = Way {
                server: &tls,
                host,
                mode,
                ca: Some(ca),
            };
            let error = way.fails().await;
            assert!(error.contains(says), "{error}");
            assert!(error.contains(advises), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_ca_that_is_of_no_use_is_an_error() {
    let tls = with_tls().await;
    let way = |mode, ca| Way {
        server: &tls,
        host: "localhost",
        mode,
        ca: Some(ca),
    };
    for mode in ["disable", "prefer"] {
        let error = way(mode, tls.ca()).fails().await;
        assert!(error.contains("`ca` is of no use with sslmode="), "{error}");
    }
    let missing = tls.ca().with_file_name("missing.pem");
    let error = way("verify-full", missing).fails().await;
    assert!(error.contains("`ca` cannot be read from"), "{error}");
    let key = tls.ca().with_file_name("ca.key");
    let error = way("verify-full", key).fails().await;
    assert!(error.contains("holds no certificate as PEM"), "{error}");
}
