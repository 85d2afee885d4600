//! Hints that there is something new, by `LISTEN` on a connection of its own.

use std::future::{pending, poll_fn};
use std::sync::{Arc, Once};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls};

use super::connect::{self, Tls};
use super::schema::quote;

/// How long a lost connection is left alone. Reading goes on meanwhile.
const PAUSE: Duration = Duration::from_secs(1);

/// Listens until it is dropped.
pub(super) struct Listener {
    news: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Listener {
    /// Starts to listen, as soon as the server can be reached.
    pub(super) fn start(target: (Config, Tls), channel: &str) -> Self {
        let news = Arc::new(Notify::new());
        let task = tokio::spawn(listen(
            target,
            format!("LISTEN {}", quote(channel)),
            Arc::clone(&news),
        ));
        Self { news, task }
    }

    /// Waits for the next hint; those that came while nobody waited are one.
    pub(super) async fn heard(&self) {
        self.news.notified().await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen((config, tls): (Config, Tls), listen: String, news: Arc<Notify>) {
    loop {
        match &tls {
            Tls::None => {
                if let Ok((client, connection)) = config.connect(NoTls).await {
                    attend(&client, connection, &listen, &news).await;
                }
            }
            Tls::With(tls) => {
                if let Ok((client, connection)) = config.connect(tls.clone()).await {
                    attend(&client, connection, &listen, &news).await;
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether it listens from now on. A pooler keeps what is said to a session from who listened.
async fn begin(client: &Client, listen: &str) -> bool {
    if !connect::is_direct(client).await {
        static SAID: Once = Once::new();
        SAID.call_once(|| {
            tracing::warn!(
                "the outbox's `channel` is not listened to, since a pooler stands before postgres: \
                 changes are seen within `poll`"
            );
        });
        return pending().await;
    }
    client.batch_execute(listen).await.is_ok()
}

/// Passes on what is heard until the connection is lost. What was not heard before it listened is
/// a reason to read too.
async fn attend<S, T>(
    client: &Client,
    mut connection: Connection<S, T>,
    listen: &str,
    news: &Notify,
) where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let listening = begin(client, listen);
    tokio::pin!(listening);
    let mut listens = false;
    loop {
        tokio::select! {
            begun = &mut listening, if !listens => match begun {
                true => {
                    listens = true;
                    news.notify_one();
                }
                false => return,
            },
            message = poll_fn(|context| connection.poll_message(context)) => match message {
                Some(Ok(AsyncMessage::Notification(_))) => news.notify_one(),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
        }
    }
}
