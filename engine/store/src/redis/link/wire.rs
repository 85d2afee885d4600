//! One connection, every command on it bounded in time.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisResult, Script, ServerErrorKind, Value};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::endpoint::{Address, Endpoint};
use crate::store::StoreError;

/// Why a command brought no value.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// The slot is served elsewhere from now on; nothing was done.
    Moved(Address),
    /// The slot is on its way elsewhere, and this key is there already; nothing was done.
    Ask(Address),
    /// The server does not have the script; nothing was done.
    NoScript,
    /// The user may not do this; what the server said, and the error for those who asked.
    Denied { said: String, error: StoreError },
    /// All else.
    Store(StoreError),
}

/// A connection to one server. Clones share it; it closes with the last.
#[derive(Clone)]
pub(super) struct Wire {
    connection: MultiplexedConnection,
    to: Arc<Endpoint>,
    limit: Duration,
    trouble: Arc<Notify>,
}

impl Wire {
    pub(super) fn new(
        connection: MultiplexedConnection,
        to: Endpoint,
        limit: Duration,
        trouble: Arc<Notify>,
    ) -> Self {
        Self {
            connection,
            to: Arc::new(to),
            limit,
            trouble,
        }
    }

    pub(super) fn to(&self) -> &Endpoint {
        &self.to
    }

    /// One command, sent once.
    pub(super) async fn send(&self, command: &Cmd) -> Result<Value, Failure> {
        let mut connection = self.connection.clone();
        let reply = self.bounded(connection.send_packed_command(command));
        self.judge(reply.await?)
    }

    /// Several commands in one round trip, each with an outcome of its own.
    pub(super) async fn send_all(
        &self,
        commands: &[&Cmd],
    ) -> Result<Vec<Result<Value, Failure>>, Failure> {
        let mut pipeline = Pipeline::with_capacity(commands.len());
        for command in commands {
            pipeline.add_command((*command).clone());
        }
        let mut connection = self.connection.clone();
        let replies = connection.send_packed_commands(&pipeline, 0, commands.len());
        let replies = match self.bounded(replies).await? {
            Ok(replies) if replies.len() == commands.len() => replies,
            Ok(replies) => {
                let (got, sent) = (replies.len(), commands.len());
                let why = format!("it answered {got} of {sent} commands");
                return Err(self.unavailable(&why));
            }
            Err(error) => return Err(self.failure(&error)),
        };
        Ok(replies
            .into_iter()
            .map(|reply| self.judge(Ok(reply)))
            .collect())
    }

    /// Sends a command to where a slot is going to.
    pub(super) async fn send_asking(&self, command: &Cmd) -> Result<Value, Failure> {
        let asking = redis::cmd("ASKING");
        let mut replies = self.send_all(&[&asking, command]).await?;
        match replies.pop() {
            Some(reply) => reply,
            None => Err(self.unavailable("it did not answer")),
        }
    }

    /// Makes a script known to the server.
    pub(super) async fn load(&self, script: &Script) -> Result<(), Failure> {
        let mut connection = self.connection.clone();
        let loaded = self.bounded(script.load_async(&mut connection)).await?;
        loaded.map(drop).map_err(|error| self.failure(&error))
    }

    async fn bounded<T>(
        &self,
        reply: impl Future<Output = RedisResult<T>>,
    ) -> Result<RedisResult<T>, Failure> {
        match timeout(self.limit, reply).await {
            Ok(reply) => Ok(reply),
            Err(_) => {
                self.trouble.notify_one();
                let limit_ms = u64::try_from(self.limit.as_millis()).unwrap_or(u64::MAX);
                Err(Failure::Store(StoreError::Timeout { limit_ms }))
            }
        }
    }

    fn judge(&self, reply: RedisResult<Value>) -> Result<Value, Failure> {
        let reply = reply.and_then(Value::extract_error);
        reply.map_err(|error| self.failure(&error))
    }

    fn failure(&self, error: &RedisError) -> Failure {
        let text = self.to.words(error);
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::NoScript) => Failure::NoScript,
            ErrorKind::Server(ServerErrorKind::Moved) => {
                self.trouble.notify_one();
                self.redirect(error)
                    .map_or_else(|| self.unavailable(&text), Failure::Moved)
            }
            ErrorKind::Server(ServerErrorKind::Ask) => self
                .redirect(error)
                .map_or_else(|| self.unavailable(&text), Failure::Ask),
            ErrorKind::Server(
                ServerErrorKind::ReadOnly
                | ServerErrorKind::BusyLoading
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ClusterDown,
            )
            | ErrorKind::Io
            | ErrorKind::Parse => {
                self.trouble.notify_one();
                self.unavailable(&text)
            }
            ErrorKind::Server(ServerErrorKind::TryAgain) => self.unavailable(&text),
            _ if error.code() == Some("BUSY") => self.unavailable(&text),
            _ => self.refused(error.code(), text),
        }
    }

    fn redirect(&self, error: &RedisError) -> Option<Address> {
        let (node, _) = error.redirect_node()?;
        let mut address = Address::parse(node)?;
        // An empty host means the one that was asked.
        if address.host.is_empty() {
            address.host.clone_from(&self.to.host);
        }
        Some(address)
    }

    fn unavailable(&self, why: &str) -> Failure {
        let text = format!("{}: {why}", self.to.address());
        Failure::Store(StoreError::Unavailable(text))
    }

    fn refused(&self, code: Option<&str>, said: String) -> Failure {
        let (address, user) = (self.to.address(), self.to.user());
        let refused = |advice: &str| StoreError::Refused(format!("{address}: {said}{advice}"));
        match code {
            Some("NOPERM") => {
                let advice = format!("; allow it to user `{user}` with ACL SETUSER there");
                let error = refused(&advice);
                Failure::Denied { said, error }
            }
            Some("OOM") => Failure::Store(refused(
                "; raise `maxmemory` there, or let it evict with maxmemory-policy volatile-lru",
            )),
            Some("WRONGTYPE") => Failure::Store(refused(
                "; another program keeps something of its own under a name that Larder uses there: \
                 give Larder another `prefix`, or another database of the server (`/1` behind its \
                 address), and delete what is in the way",
            )),
            _ => Failure::Store(refused("")),
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Store(error) | Failure::Denied { error, .. } => error,
            Failure::Moved(to) | Failure::Ask(to) => {
                Self::Unavailable(format!("the key has moved to {to}, which was not reached"))
            }
            Failure::NoScript => Self::Unavailable("the script was not kept".to_owned()),
        }
    }
}
