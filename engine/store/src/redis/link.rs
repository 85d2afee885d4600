//! One connection to one server.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, ErrorKind, Pipeline, RedisError, Script, Value};

use super::config::RedisConfig;
use super::error::ConnectError;
use crate::store::{Health, StoreError};

#[derive(Clone)]
pub(crate) struct Link(Arc<Inner>);

struct Inner {
    connection: MultiplexedConnection,
    limit_ms: u64,
}

/// A master.
pub(crate) struct Node(Link);

impl Node {
    pub(crate) async fn query(&self, command: Cmd) -> Result<Value, StoreError> {
        self.0.query(command).await
    }

    pub(crate) fn address(&self) -> String {
        String::new()
    }
}

impl Link {
    pub(crate) async fn connect(config: &RedisConfig) -> Result<Self, ConnectError> {
        let Some(url) = config.url.as_deref() else {
            return Err(ConnectError::Config {
                why: "no server is named: set `url`".to_owned(),
            });
        };
        let client = Client::open(url).map_err(|error| ConnectError::Config {
            why: error.to_string(),
        })?;
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(Duration::from_millis(config.connect_timeout_ms)))
            .set_response_timeout(Some(Duration::from_millis(config.timeout_ms)));
        let connection = client
            .get_multiplexed_async_connection_with_config(&settings)
            .await
            .map_err(|error| ConnectError::Broken {
                address: "the server".to_owned(),
                why: error.to_string(),
            })?;
        Ok(Self(Arc::new(Inner {
            connection,
            limit_ms: config.timeout_ms,
        })))
    }

    pub(crate) async fn query(&self, command: Cmd) -> Result<Value, StoreError> {
        let mut connection = self.0.connection.clone();
        let answer = connection.send_packed_command(&command).await;
        answer.map_err(|error| self.failed(&error))
    }

    pub(crate) async fn query_all(&self, commands: Vec<Cmd>) -> Result<Vec<Value>, StoreError> {
        let mut connection = self.0.connection.clone();
        let count = commands.len();
        let mut pipeline = Pipeline::with_capacity(count);
        for command in commands {
            pipeline.add_command(command);
        }
        let answers = connection.send_packed_commands(&pipeline, 0, count).await;
        answers.map_err(|error| self.failed(&error))
    }

    pub(crate) async fn script(
        &self,
        script: &Script,
        keys: &[&str],
        args: &[&[u8]],
    ) -> Result<Value, StoreError> {
        let mut connection = self.0.connection.clone();
        let mut call = script.prepare_invoke();
        for key in keys {
            call.key(key);
        }
        for arg in args {
            call.arg(arg);
        }
        let answer = call.invoke_async(&mut connection).await;
        answer.map_err(|error| self.failed(&error))
    }

    pub(crate) async fn masters(&self) -> Result<Vec<Node>, StoreError> {
        Ok(vec![Node(self.clone())])
    }

    pub(crate) fn health(&self) -> Health {
        Health::Up
    }

    fn failed(&self, error: &RedisError) -> StoreError {
        if error.is_timeout() {
            let limit_ms = self.0.limit_ms;
            return StoreError::Timeout { limit_ms };
        }
        match error.kind() {
            ErrorKind::Server(_) => StoreError::Refused(error.to_string()),
            _ => StoreError::Unavailable(error.to_string()),
        }
    }
}
