//! A TCP proxy that misbehaves when told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What a connection does with what it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Passes it on.
    Pass,
    /// Passes it on after a while.
    Delay(Duration),
    /// Stays open and passes nothing on, in either direction.
    BlackHole,
    /// Passes on what the client says, and nothing of what the server answers.
    HalfOpen,
    /// Passes some more bytes of the answers on and closes, in the middle of whatever it is.
    CutAfter(usize),
}

/// Which connections a fault is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of clients. What a replica hears from its master goes on.
    All,
    /// Those that asked to be told of changes.
    Tracking,
}

/// What a connection is for, by what was said on it.
#[derive(Debug, Default)]
struct Use {
    tracking: AtomicBool,
    replica: AtomicBool,
}

impl Use {
    fn learn(&self, said: &[u8]) {
        for (word, learnt) in [
            (&b"TRACKING"[..], &self.tracking),
            (b"REPLCONF", &self.replica),
        ] {
            if said.windows(word.len()).any(|part| part == word) {
                learnt.store(true, Ordering::Relaxed);
            }
        }
    }

    fn is_one_of(&self, which: Which) -> bool {
        match which {
            Which::All => !self.replica.load(Ordering::Relaxed),
            Which::Tracking => self.tracking.load(Ordering::Relaxed),
        }
    }
}

struct Link {
    used: Arc<Use>,
    mode: watch::Sender<Mode>,
}

/// Passes connections on to one address.
pub struct Proxy {
    address: SocketAddr,
    links: Arc<Mutex<Vec<Link>>>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// Listens on loopback for connections to `target`.
    ///
    /// # Errors
    /// If no port can be opened.
    pub async fn start(target: String) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let links = Arc::new(Mutex::new(Vec::new()));
        let known = Arc::clone(&links);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if let Ok(server) = TcpStream::connect(&target).await {
                    known.lock().push(pass_on(client, server));
                }
            }
        });
        Ok(Self {
            address,
            links,
            accepting,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what the present connections do; new ones pass everything on.
    pub fn set(&self, which: Which, mode: Mode) {
        let mut links = self.links.lock();
        links.retain(|link| link.mode.receiver_count() > 0);
        for link in links.iter() {
            if link.used.is_one_of(which) {
                link.mode.send_replace(mode);
            }
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn pass_on(client: TcpStream, server: TcpStream) -> Link {
    let used = Arc::new(Use::default());
    let (mode, modes) = watch::channel(Mode::Pass);
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let seen = Arc::clone(&used);
    let other = modes.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = pump(from_client, to_server, modes, Way::Asking(seen)) => {}
            () = pump(from_server, to_client, other, Way::Answering) => {}
        }
    });
    Link { used, mode }
}

enum Way {
    Asking(Arc<Use>),
    Answering,
}

/// Ends when either side does, or the mode says so.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut modes: watch::Receiver<Mode>,
    way: Way,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let mode = *modes.borrow_and_update();
        let silent = match way {
            Way::Asking(_) => mode == Mode::BlackHole,
            Way::Answering => matches!(mode, Mode::BlackHole | Mode::HalfOpen),
        };
        let read = tokio::select! {
            changed = modes.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
            read = from.read(&mut buffer), if !silent => read,
        };
        let Ok(count @ 1..) = read else { return };
        let mut bytes = &buffer[..count];
        if let Way::Asking(used) = &way {
            used.learn(bytes);
        }
        if let Mode::Delay(by) = mode {
            tokio::time::sleep(by).await;
        }
        let mut last = false;
        if let (Mode::CutAfter(left), Way::Answering) = (mode, &way) {
            bytes = &bytes[..left.min(count)];
            last = true;
        }
        if to.write_all(bytes).await.is_err() || last {
            return;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    async fn echo() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        address.to_string()
    }

    async fn answer(stream: &mut TcpStream, text: &str) -> Option<String> {
        stream.write_all(text.as_bytes()).await.ok()?;
        let mut bytes = vec![0; text.len()];
        let read = stream.read_exact(&mut bytes);
        let limit = Duration::from_millis(200);
        tokio::time::timeout(limit, read).await.ok()?.ok()?;
        String::from_utf8(bytes).ok()
    }

    #[tokio::test]
    async fn it_misbehaves_as_told_and_to_whom() {
        let proxy = Proxy::start(echo().await).await.unwrap();
        let mut plain = TcpStream::connect(proxy.address()).await.unwrap();
        let mut tracked = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(answer(&mut plain, "one").await.as_deref(), Some("one"));
        assert!(answer(&mut tracked, "CLIENT TRACKING").await.is_some());
        for silent in [Mode::BlackHole, Mode::HalfOpen] {
            proxy.set(Which::Tracking, silent);
            assert_eq!(answer(&mut tracked, "two").await, None, "{silent:?}");
            assert!(answer(&mut plain, "two").await.is_some());
            proxy.set(Which::All, Mode::Pass);
            let mut late = [0; 3];
            tracked.read_exact(&mut late).await.unwrap();
            assert_eq!(&late, b"two", "what was held back is passed on");
        }
        let mut replica = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(answer(&mut replica, "REPLCONF").await.is_some());
        proxy.set(Which::All, Mode::CutAfter(2));
        assert!(answer(&mut replica, "four").await.is_some());
        plain.write_all(b"three").await.unwrap();
        let mut rest = String::new();
        plain.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "th");
    }
}
