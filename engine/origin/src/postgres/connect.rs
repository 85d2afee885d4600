//! From an address to a pool of connections.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Hook, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::{self, SslMode};
use super::config::PostgresConfig;
use super::session::Link;
use super::tls;
use crate::OpenError;

/// A setting of the session by which it is known again.
const MARK: &str = "larder.direct";

/// How the server encrypts, and how it is known.
#[derive(Clone)]
pub(super) enum Tls {
    None,
    With(MakeRustlsConnect),
}

/// The server as the client takes it, how it is known, and its address without credentials.
pub(super) fn target(config: &PostgresConfig) -> Result<(Config, Tls, String), OpenError> {
    // What the parser says of an address may be a piece of its password.
    let (mut target, mode) = address::read(&config.url).ok_or_else(|| OpenError::Setting {
        field: "url",
        why: "is no address of a database: write postgres://user:password@host:port/database, \
              with `%40` for an `@` in the password, and sslmode=disable, prefer, require or \
              verify-full"
            .into(),
    })?;
    if config.ca.is_some() && !mode.checks() {
        return Err(OpenError::Setting {
            field: "ca",
            why: format!(
                "is of no use with sslmode={}, which checks no certificate: write \
                 sslmode=verify-full in `url`",
                mode.as_str()
            ),
        });
    }
    let shown = shown(&target);
    limit(&mut target, config);
    let tls = match mode {
        SslMode::Disable => Tls::None,
        SslMode::Prefer => Tls::With(tls::unchecked()?),
        SslMode::Require | SslMode::VerifyFull => Tls::With(tls::checked(config.ca.as_deref())?),
    };
    Ok((target, tls, shown))
}

/// The pool, not connected yet, the address without credentials, and what is noted of the connections
/// whenever one is made.
pub(super) fn pool(config: &PostgresConfig) -> Result<(Pool, String, Arc<Link>), OpenError> {
    let (target, tls, shown) = target(config)?;
    let recycle = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    let manager = match tls {
        Tls::None => Manager::from_config(target, NoTls, recycle),
        Tls::With(tls) => Manager::from_config(target, tls, recycle),
    };
    let link = Arc::new(Link::default());
    let made = Arc::clone(&link);
    let pool = Pool::builder(manager)
        .max_size(config.connections)
        .runtime(Runtime::Tokio1)
        .post_create(Hook::async_fn(move |client, _| {
            let made = Arc::clone(&made);
            Box::pin(async move {
                made.is_made(is_direct(client).await);
                Ok(())
            })
        }))
        .timeouts(Timeouts {
            wait: Some(config.timeout),
            create: Some(config.connect_timeout),
            recycle: Some(config.connect_timeout),
        })
        .build()
        .map_err(|error| OpenError::Client(error.to_string()))?;
    Ok((pool, shown, link))
}

/// Whether the server itself is at the other end. A pooler takes the options of a session for itself,
/// and where it pools transactions each may be executed by another session. Where nobody can be
/// asked it is taken for the server, as before.
pub(super) async fn is_direct(client: &Client) -> bool {
    let asked = format!("SELECT current_setting('{MARK}', true) = 'on'");
    let said = client.query_typed_one(&asked, &[]).await;
    said.map_or(true, |row| {
        row.try_get::<_, Option<bool>>(0).ok().flatten() == Some(true)
    })
}

/// The server gives up when the caller does, and a peer that fell silent is noticed.
fn limit(target: &mut Config, config: &PostgresConfig) {
    let given = target.get_options().unwrap_or_default();
    let options = format!(
        "{given} -c statement_timeout={} -c {MARK}=on",
        config.timeout.as_millis().max(1)
    );
    target
        .options(options.trim())
        .connect_timeout(config.connect_timeout)
        .tcp_user_timeout(config.timeout)
        .keepalives(true)
        .keepalives_idle(Duration::from_secs(10))
        .keepalives_interval(Duration::from_secs(5))
        .keepalives_retries(3);
    if target.get_application_name().is_none() {
        target.application_name("larder");
    }
}

fn shown(target: &Config) -> String {
    let ports = target.get_ports();
    let hosts: Vec<String> = target
        .get_hosts()
        .iter()
        .enumerate()
        .map(|(at, host)| {
            let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                Host::Unix(path) => format!("{}:{port}", path.display()),
            }
        })
        .collect();
    let database = target
        .get_dbname()
        .or(target.get_user())
        .unwrap_or_default();
    format!("{}/{database}", hosts.join(","))
}
