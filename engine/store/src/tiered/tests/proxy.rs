use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A network between a node and a server that can stop delivering without closing anything. What
/// was sent meanwhile arrives when it goes on.
pub(super) struct Network {
    port: u16,
    stopped: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Network {
    pub(super) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let own = listener.local_addr().expect("is bound").port();
        let (stopped, goes) = watch::channel(false);
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(("127.0.0.1", port)).await;
                let far = far.expect("the server listens");
                for end in [&near, &far] {
                    end.set_nodelay(true).expect("is open");
                }
                let (near_in, near_out) = near.into_split();
                let (far_in, far_out) = far.into_split();
                tokio::spawn(carry(near_in, far_out, goes.clone()));
                tokio::spawn(carry(far_in, near_out, goes.clone()));
            }
        });
        Self {
            port: own,
            stopped,
            accepting,
        }
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(super) fn stop(&self, stopped: bool) {
        self.stopped.send_replace(stopped);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut stopped: watch::Receiver<bool>,
) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let goes_on = stopped.wait_for(|stopped| !stopped).await.is_ok();
        if !goes_on || to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
