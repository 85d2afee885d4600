//! A small HTTP server on loopback, which can also break off, hang or talk nonsense.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: HashMap<String, String>,
    pub(super) body: Vec<u8>,
}

/// What the server does next.
pub(super) enum Reply {
    /// Sends these bytes and keeps the connection.
    Keep(Vec<u8>),
    /// Sends these bytes and closes.
    Close(Vec<u8>),
    /// Sends these bytes and resets the connection.
    Reset(Vec<u8>),
    /// Sends these bytes and nothing more.
    Hang(Vec<u8>),
}

pub(super) struct Server {
    pub(super) base: String,
    pub(super) seen: Arc<Mutex<Vec<Request>>>,
    pub(super) connections: Arc<Mutex<usize>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(super) async fn start(reply: impl Fn(Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(Mutex::new(0));
        let (log, count, reply) = (seen.clone(), connections.clone(), Arc::new(reply));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *count.lock() += 1;
                tokio::spawn(serve(stream, log.clone(), reply.clone()));
            }
        });
        Self {
            base,
            seen,
            connections,
            task,
        }
    }

    /// Keeps what is written under its target, as a plain service would.
    pub(super) async fn of_values() -> Self {
        let values = Mutex::new(HashMap::<String, (String, Vec<u8>)>::new());
        Self::start(move |request| {
            let mut values = values.lock();
            let described = request.headers.iter();
            let described = described.filter(|(name, _)| name.starts_with("content-"));
            let described = described.filter(|(name, _)| *name != "content-length");
            let described = described.map(|(name, value)| format!("{name}: {value}\r\n"));
            let described: String = described.collect();
            match request.method.as_str() {
                "PUT" if request.body == b"poison" => {
                    Reply::Keep(answer("422 Unprocessable Content", "", b"no"))
                }
                "PUT" => {
                    let value = (described, request.body);
                    let existed = values.insert(request.target, value).is_some();
                    Reply::Keep(answer(
                        if existed { "200 OK" } else { "201 Created" },
                        "",
                        b"",
                    ))
                }
                "DELETE" => match values.remove(&request.target) {
                    Some(_) => Reply::Keep(answer("204 No Content", "", b"")),
                    None => Reply::Keep(answer("404 Not Found", "", b"nothing here")),
                },
                _ => match values.get(&request.target) {
                    Some((described, body)) => Reply::Keep(answer("200 OK", described, body)),
                    None => Reply::Keep(answer("404 Not Found", "", b"nothing here")),
                },
            }
        })
        .await
    }
}

/// A whole answer. `headers` are lines that end with CRLF.
pub(super) fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = match status.starts_with("204") {
        true => String::new(),
        false => format!("content-length: {}\r\n", body.len()),
    };
    let mut whole = format!("HTTP/1.1 {status}\r\n{headers}{length}\r\n").into_bytes();
    whole.extend_from_slice(body);
    whole
}

async fn serve(
    stream: TcpStream,
    log: Arc<Mutex<Vec<Request>>>,
    reply: Arc<impl Fn(Request) -> Reply + Send + Sync>,
) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await {
        log.lock().push(request.clone());
        let (bytes, then) = match reply(request) {
            Reply::Reset(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.get_ref().set_zero_linger();
                return;
            }
            Reply::Keep(bytes) => (bytes, None),
            Reply::Close(bytes) => (bytes, Some(false)),
            Reply::Hang(bytes) => (bytes, Some(true)),
        };
        if stream.write_all(&bytes).await.is_err() || then == Some(false) {
            return;
        }
        if then == Some(true) {
            std::future::pending::<()>().await;
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let mut first = lines.next().unwrap().split(' ');
    let mut request = Request {
        method: first.next().unwrap().into(),
        target: first.next().unwrap().into(),
        ..Request::default()
    };
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        request.headers.insert(name.to_lowercase(), value.into());
    }
    let length = request.headers.get("content-length");
    let length = length.map_or(0, |length| length.parse().unwrap());
    request.body.resize(length, 0);
    stream.read_exact(&mut request.body).await.ok()?;
    Some(request)
}
