//! Opens one connection, and says why if it cannot.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, IntoConnectionInfo, ProtocolVersion,
    PushInfo, RedisError, TlsCertificates,
};
use tokio::sync::mpsc::UnboundedSender;

use super::super::config::RedisConfig;
use super::super::error::ConnectError;
use super::endpoint::Endpoint;

/// What all connections of a link have in common.
#[derive(Clone, Debug)]
pub(super) struct Dialer {
    pub(super) connect: Duration,
    pub(super) limit: Duration,
    ca: Option<Vec<u8>>,
}

impl Dialer {
    pub(super) fn new(config: &RedisConfig) -> Result<Self, ConnectError> {
        let ca = match &config.ca_file {
            None => None,
            Some(path) => Some(std::fs::read(path).map_err(|error| ConnectError::Config {
                why: format!("`ca_file` {} cannot be read: {error}", path.display()),
            })?),
        };
        Ok(Self {
            connect: config.connect_timeout(),
            limit: config.timeout(),
            ca,
        })
    }

    /// One connection with RESP3, logged in. Pushes go to `pushes`.
    pub(super) async fn dial(
        &self,
        to: &Endpoint,
        pushes: Option<UnboundedSender<PushInfo>>,
    ) -> Result<MultiplexedConnection, ConnectError> {
        let client = self.client(to)?;
        // Commands are bounded by the wire, so that there is one limit and one message for it.
        let mut options = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect))
            .set_response_timeout(None);
        if let Some(pushes) = pushes {
            options = options.set_push_sender(pushes);
        }
        let open = client.get_multiplexed_async_connection_with_config(&options);
        Box::pin(open)
            .await
            .map_err(|error| explain(&error, to, self.connect))
    }

    fn client(&self, to: &Endpoint) -> Result<Client, ConnectError> {
        let wrong = |error: RedisError| ConnectError::Config {
            why: to.words(&error),
        };
        let host = to.host.clone();
        let address = if to.tls {
            // Only the first provider in a process counts; whoever came first will do.
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
            ConnectionAddr::TcpTls {
                host,
                port: to.port,
                insecure: false,
                tls_params: None,
            }
        } else {
            ConnectionAddr::Tcp(host, to.port)
        };
        let info = address.into_connection_info().map_err(wrong)?;
        let mut login = info
            .redis_settings()
            .clone()
            .set_protocol(ProtocolVersion::RESP3)
            .set_skip_set_lib_name()
            .set_db(to.db);
        if let Some(user) = &to.user {
            login = login.set_username(user);
        }
        if let Some(password) = &to.password {
            login = login.set_password(password.reveal());
        }
        let info = info
            .set_redis_settings(login)
            .set_tcp_settings(self.tcp_settings());
        match &self.ca {
            Some(ca) if to.tls => {
                let certificates = TlsCertificates {
                    client_tls: None,
                    root_cert: Some(ca.clone()),
                };
                Client::build_with_tls(info, certificates).map_err(wrong)
            }
            _ => Client::open(info).map_err(wrong),
        }
    }

    fn tcp_settings(&self) -> TcpSettings {
        let keepalive = TcpKeepalive::new()
            .with_time(Duration::from_secs(5))
            .with_interval(Duration::from_secs(2));
        let settings = TcpSettings::default()
            .set_nodelay(true)
            .set_keepalive(keepalive);
        #[cfg(target_os = "linux")]
        let settings = settings.set_user_timeout(self.limit * 4);
        settings
    }
}

/// What went wrong while opening a connection, by what the server or the system said.
pub(super) fn explain(error: &RedisError, to: &Endpoint, connect: Duration) -> ConnectError {
    let address = to.address().to_string();
    let text = to.words(error);
    if error.kind() == ErrorKind::RESP3NotSupported || error.code() == Some("NOPROTO") {
        let version = "that does not speak RESP3".to_owned();
        return ConnectError::TooOld { address, version };
    }
    if error.to_string().contains("refused to switch database") {
        let why = error.detail().unwrap_or("the server refused it").to_owned();
        return ConnectError::NoDatabase {
            address,
            db: to.db,
            why,
        };
    }
    if let Some(code) = error.code() {
        return by_code(code, text, to);
    }
    if text.contains("failed to lookup address") || text.contains("No address found for host") {
        let host = to.host.clone();
        return ConnectError::Unresolvable { host };
    }
    if error.is_connection_refusal() {
        return ConnectError::Refused { address };
    }
    if error.is_timeout() {
        let limit_ms = u64::try_from(connect.as_millis()).unwrap_or(u64::MAX);
        return ConnectError::Silent { address, limit_ms };
    }
    if text.contains("certificate") {
        return ConnectError::Certificate { address, why: text };
    }
    ConnectError::Broken { address, why: text }
}

/// What an error reply means for the connection as a whole.
pub(super) fn by_code(code: &str, text: String, to: &Endpoint) -> ConnectError {
    let address = to.address().to_string();
    let user = to.user().to_owned();
    match code {
        "WRONGPASS" => ConnectError::WrongPassword { address, user },
        "NOAUTH" => ConnectError::PasswordNeeded { address },
        "NOPERM" => ConnectError::Forbidden {
            address,
            user,
            why: text,
        },
        _ => ConnectError::NotReady { address, why: text },
    }
}
