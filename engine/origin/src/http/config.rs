//! What an HTTP origin is told.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::HttpOrigin;
use crate::OpenError;

/// Where the service is and how it is asked.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// `http://` or `https://`, host, and perhaps a port, a path and `user:password@`.
    pub base_url: String,
    /// What follows the base, `/{resource}/{id}` by default. `{tenant}`, `{resource}` and `{id}`
    /// stand for the parts of a request, each percent-encoded so that it stays within its place.
    #[serde(default = "default_path")]
    pub path: String,
    /// How long a call may take from its start to the last byte. 5 s by default; read as
    /// `timeout_ms`.
    #[serde(
        default = "default_timeout",
        rename = "timeout_ms",
        deserialize_with = "milliseconds"
    )]
    pub timeout: Duration,
    /// How long connecting may take. 1 s by default; read as `connect_timeout_ms`.
    #[serde(
        default = "default_connect_timeout",
        rename = "connect_timeout_ms",
        deserialize_with = "milliseconds"
    )]
    pub connect_timeout: Duration,
    /// The largest body of an answer, in bytes. 8 MiB by default.
    #[serde(default = "default_max_bytes")]
    pub max_bytes: u64,
    /// Headers sent with every request, such as credentials. They win over request attributes.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
}

impl HttpConfig {
    /// The service at `base_url`, with the default path and limits.
    pub fn new(base_url: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            path: default_path(),
            timeout: default_timeout(),
            connect_timeout: default_connect_timeout(),
            max_bytes: default_max_bytes(),
            headers: Vec::new(),
        }
    }

    /// Whether the settings make sense; nobody is called.
    ///
    /// # Errors
    /// Names the setting that is wrong.
    pub fn check(&self) -> Result<(), OpenError> {
        HttpOrigin::new(self.clone()).map(drop)
    }
}

/// Base and header values may hold credentials and are left out.
impl fmt::Debug for HttpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("HttpConfig")
            .field("path", &self.path)
            .field("timeout", &self.timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("max_bytes", &self.max_bytes)
            .field("headers", &names)
            .finish_non_exhaustive()
    }
}

fn default_path() -> String {
    "/{resource}/{id}".into()
}

fn default_timeout() -> Duration {
    Duration::from_secs(5)
}

fn default_connect_timeout() -> Duration {
    Duration::from_secs(1)
}

fn default_max_bytes() -> u64 {
    8 << 20
}

fn milliseconds<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    u64::deserialize(from).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_strictly_and_shown_without_secrets() {
        let config: HttpConfig = toml::from_str(
            "base_url = 'http://ann:secret@h'\ntimeout_ms = 50\nheaders = [['x-key', 'secret']]",
        )
        .unwrap();
        assert_eq!(config.timeout, Duration::from_millis(50));
        assert_eq!(config.path, "/{resource}/{id}");
        assert!(!format!("{config:?}").contains("secret"));
        let error = toml::from_str::<HttpConfig>("base_url = 'x'\nproxy = 'y'").unwrap_err();
        assert!(
            error.to_string().contains("unknown field `proxy`"),
            "{error}"
        );
        let mut config = HttpConfig::new("http://h");
        config.timeout = Duration::ZERO;
        let error = HttpOrigin::new(config).err().unwrap().to_string();
        assert!(error.contains("`timeout` must be"), "{error}");
        assert!(HttpOrigin::new(HttpConfig::new("https://h")).is_ok());
    }
}
