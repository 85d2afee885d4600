//! What ends, and when: each test is run again as a process of its own, which is ended.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use super::*;
use crate::process::lives;

/// A test of this program in a process of its own, and the id that it says.
struct Other {
    process: Child,
    server: u32,
    _said: BufReader<ChildStdout>,
}

fn other(test: &str, run: Option<&Path>) -> Other {
    let mut command = Command::new(env::current_exe().expect("it runs"));
    command
        .args([
            "--exact",
            "--ignored",
            "--nocapture",
            &format!("tests::{test}"),
        ])
        .env_remove("NEXTEST_RUN_ID")
        .env_remove("LARDER_TEST_SERVERS")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    if let Some(run) = run {
        command.env("LARDER_TEST_SERVERS", run);
    }
    let mut process = command.spawn().expect("it starts");
    let mut said = BufReader::new(process.stdout.take().expect("it is piped"));
    let lines = said.by_ref().lines().map_while(Result::ok);
    let mut ids = lines.filter_map(|line| line.split_once("pid ")?.1.trim().parse().ok());
    let server = ids.next().expect("it says an id");
    drop(ids);
    Other {
        process,
        server,
        _said: said,
    }
}

/// Something that runs until it is ended.
fn server() -> Process {
    Process::start(Command::new("sleep").arg("1000"))
}

fn ends(pid: u32) {
    let begun = Instant::now();
    while lives(pid) {
        let waited = begun.elapsed();
        assert!(waited < Duration::from_secs(10), "{pid} does not end");
        std::thread::yield_now();
    }
}

/// Ends without dropping anything when its input does.
fn wait() {
    let _ = std::io::stdin().read_line(&mut String::new());
    std::process::abort();
}

#[test]
#[ignore = "run by others, in a process of its own"]
fn starts_a_server() {
    let server = server();
    println!("pid {}", server.id());
    wait();
}

#[tokio::test]
#[ignore = "run by others, in a process of its own"]
async fn shares_a_server() {
    static SHARED: Once = Once::new("sleep");
    let start = async || {
        let server = server();
        (server.id().to_string(), vec![server])
    };
    println!("pid {}", SHARED.get(start).await);
    if env::var_os("LARDER_TEST_SERVERS").is_none() {
        wait();
    }
}

#[test]
fn a_server_ends_with_the_process_that_started_it_however_that_ends() {
    for test in ["starts_a_server", "shares_a_server"] {
        let mut other = other(test, None);
        assert!(lives(other.server));
        other.process.kill().expect("it lives");
        other.process.wait().expect("it ends");
        ends(other.server);
    }
}

#[test]
fn a_server_ends_when_it_is_dropped() {
    let server = server();
    let pid = server.id();
    assert!(lives(pid));
    drop(server);
    assert!(!lives(pid));
}

#[test]
fn processes_of_a_run_share_a_server_until_the_run_has_ended() {
    let run = tempfile::tempdir().expect("a folder");
    let pid = run.path().join("pid");
    std::fs::write(&pid, std::process::id().to_string()).expect("it is ours");
    let [first, second] = [(); 2].map(|()| {
        let mut other = other("shares_a_server", Some(run.path()));
        other.process.wait().expect("it ends");
        other.server
    });
    assert_eq!(first, second);
    assert!(lives(first), "it outlives the process that started it");
    std::fs::remove_file(pid).expect("it is there");
    ends(first);
}

#[test]
fn no_port_is_given_twice() {
    let mut ports: Vec<u16> = (0..200).map(|_| free_port()).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 200);
}
