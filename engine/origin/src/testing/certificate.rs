//! A certificate for a server, and the authority that signed it.

use std::path::{Path, PathBuf};

use super::program::command;

/// Names of files in the folder of a server.
const CA: &str = "ca.pem";
const CERTIFICATE: &str = "server.pem";
const KEY: &str = "server.key";

/// Makes a certificate for `name`, signed by an authority of its own.
pub(super) fn make(folder: &Path, name: &str) {
    let pair = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    openssl(
        folder,
        &format!("req -x509 {pair} -keyout ca.key -out {CA} -subj /CN=authority-of-{name}"),
    );
    openssl(
        folder,
        &format!(
            "req -x509 {pair} -keyout {KEY} -out {CERTIFICATE} -CA {CA} -CAkey ca.key \
             -subj /CN=server -addext subjectAltName=DNS:{name} \
             -addext basicConstraints=critical,CA:FALSE"
        ),
    );
}

pub(super) fn ca(folder: &Path) -> PathBuf {
    folder.join(CA)
}

/// The settings with which a server shows the certificate of its folder; none without one.
pub(super) fn settings(folder: &Path) -> Vec<String> {
    if !folder.join(CERTIFICATE).exists() {
        return Vec::new();
    }
    let file = |name| folder.join(name).display().to_string();
    let (certificate, key) = (file(CERTIFICATE), file(KEY));
    vec![
        "ssl=on".into(),
        format!("ssl_cert_file={certificate}"),
        format!("ssl_key_file={key}"),
    ]
}

/// As the user of the server, to whom the key has to belong.
fn openssl(folder: &Path, args: &str) {
    let made = command("openssl")
        .current_dir(folder)
        .args(args.split_whitespace())
        .output()
        .expect("openssl is installed");
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "openssl {args}: {said}");
}
