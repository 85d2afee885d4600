//! TLS, with certificates made for the test.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::*;
use crate::testing::{Server, free_port};

/// A server that speaks TLS at `port`, and its authority as `ca.pem` in `folder`.
async fn tls_server(folder: &Path, port: u16) -> Server {
    let make = |args: &str| {
        let mut openssl = Command::new("openssl");
        let made = openssl.current_dir(folder).args(args.split(' ')).output();
        let made = made.expect("openssl is installed");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    make(&format!(
        "req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=ca -days 2"
    ));
    make(&format!(
        "req {key} -keyout key.pem -out request.pem -subj /CN=localhost"
    ));
    std::fs::write(
        folder.join("names"),
        "subjectAltName=DNS:localhost,IP:127.0.0.1",
    )
    .unwrap();
    make(
        "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -out cert.pem -days 2 -extfile names",
    );
    let path = |name: &str| folder.join(name).display().to_string();
    Server::with(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &path("cert.pem"),
        "--tls-key-file",
        &path("key.pem"),
        "--tls-ca-cert-file",
        &path("ca.pem"),
        "--tls-auth-clients",
        "no",
        "--requirepass",
        "s3cret",
    ])
    .await
}

#[tokio::test]
async fn a_certificate_is_checked_and_a_tls_port_is_told_from_a_plain_one() {
    let (folder, port) = (TempDir::new().unwrap(), free_port());
    let _server = tls_server(folder.path(), port).await;
    let at = format!("127.0.0.1:{port}");
    let mut config = single(&format!("rediss://:s3cret@{at}"));
    let error = Link::connect(&config).await.err().unwrap().to_string();
    let wanted = format!("the certificate of {at} is not accepted (invalid peer certificate: ");
    assert!(
        error.starts_with(&wanted) && error.contains("set `ca_file`"),
        "{error}"
    );

    config.ca_file = Some(folder.path().join("ca.pem"));
    let link = Link::connect(&config).await.unwrap();
    set(&link, "a", "1").await.unwrap();
    assert_eq!(get(&link, "a").await.unwrap().as_deref(), Some("1"));

    config.url = Some(format!("redis://:s3cret@{at}"));
    let error = Link::connect(&config).await.err().unwrap().to_string();
    let wanted = format!("{at} speaks TLS: write rediss:// in place of redis://");
    assert!(error.starts_with(&wanted), "{error}");

    config.ca_file = Some(folder.path().join("no-such-file"));
    let error = Link::connect(&config).await.err().unwrap().to_string();
    assert!(
        error.contains("`ca_file`") && error.contains("cannot be read"),
        "{error}"
    );
}
