//! Sentinels: who is master now.

use std::sync::Arc;

use redis::{FromRedisValue, Value};
use tokio::sync::{Mutex, Notify};

use super::super::error::ConnectError;
use super::check::{ask, mode_of};
use super::diagnose::diagnose;
use super::dial::Dialer;
use super::endpoint::{Address, Endpoint};
use super::topology::Layout;
use super::wire::Wire;

/// The sentinels of one master.
pub(super) struct Sentinels {
    urls: Vec<Endpoint>,
    name: String,
    /// The login at the master.
    pub(super) master: Endpoint,
    /// The one that answered last. Asking it first spares a connection each second.
    last: Mutex<Option<Wire>>,
}

impl Sentinels {
    pub(super) fn new(urls: Vec<Endpoint>, name: String, master: Endpoint) -> Self {
        Self {
            urls,
            name,
            master,
            last: Mutex::new(None),
        }
    }

    pub(super) async fn locate(&self, dialer: &Dialer) -> Result<Layout, ConnectError> {
        let mut last = self.last.lock().await;
        if let Some(wire) = last.take()
            && let Ok(Some(address)) = self.ask(&wire).await
        {
            *last = Some(wire);
            return Ok(only(address));
        }
        let mut tried = Vec::new();
        let mut known = None;
        for url in &self.urls {
            let asked = async {
                let wire = self.dial(dialer, url).await?;
                Ok((self.ask(&wire).await?, wire))
            };
            match asked.await {
                Ok((Some(address), wire)) => {
                    *last = Some(wire);
                    return Ok(only(address));
                }
                Ok((None, wire)) => known = Some(names(&wire).await),
                Err(error @ ConnectError::NotSentinel { .. }) => return Err(error),
                Err(error) => tried.push(error),
            }
        }
        Err(self.nobody_knows(known, tried))
    }

    fn nobody_knows(&self, known: Option<String>, mut tried: Vec<ConnectError>) -> ConnectError {
        if let Some(known) = known {
            let master = self.name.clone();
            return ConnectError::UnknownMaster { master, known };
        }
        // A wrong password does not heal by waiting, so it must not look like an outage.
        if let Some(at) = tried.iter().position(|error| !error.is_transient()) {
            return tried.swap_remove(at);
        }
        let tried: Vec<_> = tried.iter().map(ToString::to_string).collect();
        let tried = tried.join("; ");
        ConnectError::NoSentinel { tried }
    }

    async fn dial(&self, dialer: &Dialer, url: &Endpoint) -> Result<Wire, ConnectError> {
        let connection = match dialer.dial(url, None).await {
            Ok(connection) => connection,
            Err(error) => return Err(diagnose(dialer, url, error).await),
        };
        // Nobody listens to this trouble: a sentinel that fails is simply not asked again.
        let trouble = Arc::new(Notify::new());
        let wire = Wire::new(connection, url.clone(), dialer.limit, trouble);
        if mode_of(&wire).await? != "sentinel" {
            let address = url.address().to_string();
            return Err(ConnectError::NotSentinel { address });
        }
        Ok(wire)
    }

    async fn ask(&self, wire: &Wire) -> Result<Option<Address>, ConnectError> {
        let mut command = redis::cmd("SENTINEL");
        command.arg("get-master-addr-by-name").arg(&self.name);
        let reply = ask(wire, &command).await?;
        let found = Option::<(String, u16)>::from_redis_value(reply).unwrap_or_default();
        Ok(found.map(|(host, port)| Address { host, port }))
    }
}

fn only(address: Address) -> Layout {
    Layout {
        masters: vec![address],
        ranges: Vec::new(),
    }
}

/// The names of the masters that a sentinel knows.
async fn names(wire: &Wire) -> String {
    let mut command = redis::cmd("SENTINEL");
    command.arg("masters");
    let Ok(Value::Array(masters)) = ask(wire, &command).await else {
        return "not told".to_owned();
    };
    let names = masters.into_iter().filter_map(|master| {
        let fields = std::collections::HashMap::<String, String>::from_redis_value(master);
        fields.ok()?.remove("name")
    });
    let names: Vec<String> = names.collect();
    if names.is_empty() {
        return "none".to_owned();
    }
    names.join(", ")
}
