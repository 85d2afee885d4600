//! An address with what is needed to log in there.

use std::fmt;
use std::sync::Arc;

use redis::{ConnectionAddr, IntoConnectionInfo, RedisError};

use super::super::error::ConnectError;

/// A password. Neither `Debug` nor `Display` shows it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Arc<str>);

impl Secret {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.into())
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// Old servers repeat the arguments of a command they do not know, the password among them.
    pub(super) fn hide_in(&self, text: &str) -> String {
        if self.0.is_empty() {
            return text.to_owned();
        }
        text.replace(&*self.0, "***")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Address {
    /// From `host:port`, where the host may be an IPv6 address with or without brackets.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Some(Self {
            host: host.to_owned(),
            port: port.parse().ok()?,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            return write!(f, "[{}]:{}", self.host, self.port);
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// A server and how to log in to it.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: bool,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) db: i64,
}

impl Endpoint {
    /// From a url; `setting` names where it stands, as the url itself may hold a password.
    pub(crate) fn parse(url: &str, setting: &'static str) -> Result<Self, ConnectError> {
        let invalid = || ConnectError::Config {
            why: format!(
                "an address in `{setting}` is not of the form redis://user:password@host:port/db (rediss:// for TLS; write special characters of the password as %XX)"
            ),
        };
        let known = ["redis://", "rediss://", "valkey://", "valkeys://"];
        if !known.iter().any(|scheme| url.starts_with(scheme)) {
            return Err(invalid());
        }
        let info = url.into_connection_info().map_err(|_| invalid())?;
        let (host, port, tls) = match info.addr() {
            ConnectionAddr::Tcp(host, port) => (host.clone(), *port, false),
            ConnectionAddr::TcpTls {
                host,
                port,
                insecure: false,
                ..
            } => (host.clone(), *port, true),
            _ => return Err(invalid()),
        };
        let login = info.redis_settings();
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            tls,
            user: login.username().map(str::to_owned),
            password: login.password().map(Secret::new),
            db: login.db(),
        })
    }

    pub(crate) fn address(&self) -> Address {
        Address {
            host: self.host.clone(),
            port: self.port,
        }
    }

    /// The same login at another address.
    pub(super) fn at(&self, address: &Address) -> Self {
        Self {
            host: address.host.clone(),
            port: address.port,
            ..self.clone()
        }
    }

    pub(super) fn user(&self) -> &str {
        self.user.as_deref().unwrap_or("default")
    }

    /// What went wrong there, in the words of the server or the system, without the password.
    pub(super) fn words(&self, error: &RedisError) -> String {
        let text = match (error.code(), error.detail()) {
            (Some(code), Some(detail)) => format!("{code} {detail}"),
            _ => error.to_string(),
        };
        match &self.password {
            Some(password) => password.hide_in(&text),
            None => text,
        }
    }
}

/// A url without user and password, for people. What cannot be parsed is not shown at all: the
/// password may be anywhere in it.
pub(crate) fn shown(url: &str) -> String {
    match Endpoint::parse(url, "url") {
        Ok(endpoint) => {
            let scheme = if endpoint.tls { "rediss" } else { "redis" };
            format!("{scheme}://{}/{}", endpoint.address(), endpoint.db)
        }
        Err(_) => "(not a redis url)".to_owned(),
    }
}
