//! What commands ask of the admin plane of a running server.

use bytes::Bytes;
use hyper::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::client::{call, read};
use crate::exit::{Failure, Outcome};
use crate::output::{print, print_json};
use crate::secret::TokenArg;

/// The options of commands that operators have.
#[derive(Debug, clap::Args)]
pub(crate) struct Admin {
    /// The admin plane of the server
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "LARDER_ADMIN",
        default_value = "http://127.0.0.1:7118"
    )]
    admin: String,
    #[command(flatten)]
    token: TokenArg,
    /// Print the server's own answer
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl Admin {
    pub(crate) fn get(&self, path: &str) -> Result<Bytes, Failure> {
        self.call(Method::GET, path, Vec::new())
    }

    pub(crate) fn post(&self, path: &str, body: Vec<u8>) -> Result<Bytes, Failure> {
        self.call(Method::POST, path, body)
    }

    fn call(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Bytes, Failure> {
        call(&self.admin, self.token.header()?, method, path, body)
    }

    /// Prints an answer as it came, where that was asked for, or what `shown` makes of it.
    pub(crate) fn show<T: DeserializeOwned>(
        &self,
        answer: &[u8],
        shown: impl FnOnce(&T) -> String,
    ) -> Outcome {
        match self.json {
            true => print_json(&read::<Value>(answer)?),
            false => print(&shown(&read(answer)?)),
        }
    }
}
