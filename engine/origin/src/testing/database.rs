//! A database for one test.

use std::thread;

use larder_servers::Once;
use tokio::runtime::Builder;
use tokio_postgres::Error;

use super::client;
use super::server::Postgres;

/// A new database on the server that all tests of the run share; it is removed when dropped.
#[derive(Debug)]
pub struct Database {
    port: u16,
    name: String,
}

impl Database {
    /// Makes one, with nothing in it.
    pub async fn create() -> Self {
        static SERVER: Once = Once::new("postgres");
        let start = async || {
            let server = Postgres::start().await;
            (server.port().to_string(), vec![server.leave()])
        };
        let port = SERVER.get(start).await.parse().expect("a port");
        let name = format!("test_{:x}", fastrand::u64(..));
        // The other template may have users at the moment.
        let create = format!("CREATE DATABASE {name} TEMPLATE template0");
        let created = client::ask(port, "postgres", &create).await;
        created.expect("a database");
        Self { port, name }
    }

    /// `postgres://larder:secret@127.0.0.1:port/name`; any password is taken.
    #[must_use]
    pub fn url(&self) -> String {
        client::url(self.port, &self.name)
    }

    /// The port of its server, and its name there.
    #[must_use]
    pub fn place(&self) -> (u16, &str) {
        (self.port, &self.name)
    }

    /// Runs statements, and answers the first column of the last row that came, as text.
    ///
    /// # Errors
    /// As the server or the connection has it.
    pub async fn ask(&self, sql: &str) -> Result<Option<String>, Error> {
        client::ask(self.port, &self.name, sql).await
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let remove = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        let port = self.port;
        // A drop cannot await, nor can a thread that is within a runtime begin another.
        let removing = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build();
            let asked = client::ask(port, "postgres", &remove);
            runtime.expect("a runtime").block_on(asked)
        });
        // What is left ends with the run.
        let _ = removing.join();
    }
}
