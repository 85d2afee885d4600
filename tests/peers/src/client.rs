//! A client that costs little: one thread, kept-alive connections, one request under way on each,
//! the same bytes each time.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connections to one server.
pub struct Client {
    connections: Vec<Connection>,
    request: Vec<u8>,
}

impl Client {
    /// Opens `count` connections. `POST path` with `body` is what will be asked.
    ///
    /// # Errors
    /// The server does not listen.
    pub fn connect(server: SocketAddr, count: usize, path: &str, body: &str) -> Result<Self> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {server}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let connections = (0..count).map(|_| Connection::open(server));
        Ok(Self {
            connections: connections.collect::<Result<_>>()?,
            request: request.into_bytes(),
        })
    }

    /// The body of one answer.
    ///
    /// # Errors
    /// The answer is not 200.
    pub fn once(&mut self) -> Result<Vec<u8>> {
        let first = self.connections.first_mut().context("no connection")?;
        first.ask(&self.request)?;
        Ok(first.answer()?.to_vec())
    }

    /// Asks for `time` on all connections, and answers how many answers came each second.
    ///
    /// # Errors
    /// An answer is not 200.
    pub fn run(&mut self, time: Duration) -> Result<Run> {
        let started = Instant::now();
        for connection in &mut self.connections {
            connection.ask(&self.request)?;
        }
        let mut answers = 0;
        while started.elapsed() < time {
            for connection in &mut self.connections {
                connection.answer()?;
                connection.ask(&self.request)?;
                answers += 1;
            }
        }
        for connection in &mut self.connections {
            connection.answer()?;
            answers += 1;
        }
        Ok(Run {
            answers,
            elapsed: started.elapsed(),
        })
    }
}

/// What came of a run.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Answers that came.
    pub answers: u32,
    /// In how long.
    pub elapsed: Duration,
}

impl Run {
    /// Answers per second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        f64::from(self.answers) / self.elapsed.as_secs_f64()
    }
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    fn open(server: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream,
            buffer: vec![0; 16 * 1024],
        })
    }

    fn ask(&mut self, request: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(request)?)
    }

    /// Reads one whole answer.
    fn answer(&mut self) -> Result<&[u8]> {
        let mut filled = 0;
        loop {
            let room = self.buffer.get_mut(filled..).unwrap_or_default();
            let read = self.stream.read(room).context("no answer came")?;
            ensure!(
                read > 0,
                "the server closed the connection, or answers too much"
            );
            filled += read;
            let text = self.buffer.get(..filled).unwrap_or_default();
            let Some(head) = text.windows(4).position(|four| four == b"\r\n\r\n") else {
                continue;
            };
            let begin = head + 4;
            let end = begin + body_length(text.get(..head).unwrap_or_default())?;
            if filled >= end {
                return Ok(self.buffer.get(begin..end).unwrap_or_default());
            }
        }
    }
}

/// The length that the head of an answer promises.
fn body_length(head: &[u8]) -> Result<usize> {
    let head = std::str::from_utf8(head)?;
    ensure!(head.starts_with("HTTP/1.1 200 "), "the answer is {head}");
    let lines = head.split("\r\n");
    let length = lines
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let (_, length) = length.context("the answer has no length")?;
    Ok(length.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_good_answers_count() {
        let good = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\ndate: now";
        assert_eq!(body_length(good).unwrap(), 12);
        assert!(body_length(b"HTTP/1.1 404 Not Found\r\ncontent-length: 2").is_err());
        assert!(body_length(b"HTTP/1.1 200 OK\r\ndate: now").is_err());
    }
}
