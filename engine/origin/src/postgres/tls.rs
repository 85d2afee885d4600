//! How the server is known.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::OpenError;

/// Checks the chain and name of the server's certificate, against `ca` or the system's roots.
pub(super) fn checked(ca: Option<&Path>) -> Result<MakeRustlsConnect, OpenError> {
    let wrong = |why: String| OpenError::Setting { field: "ca", why };
    let Some(path) = ca else {
        return MakeRustlsConnect::with_native_certs()
            .map(|(connect, _)| connect)
            .map_err(|_| {
                wrong(
                    "is needed: the system has no root certificates to check the server's against"
                        .into(),
                )
            });
    };
    let unreadable = |error| wrong(format!("cannot be read from {}: {error}", path.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        roots
            .add(certificate.map_err(unreadable)?)
            .map_err(|error| wrong(format!("{} is no certificate: {error}", path.display())))?;
    }
    if roots.is_empty() {
        return Err(wrong(format!(
            "{} holds no certificate as PEM",
            path.display()
        )));
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| OpenError::Client(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// Encrypts, to whoever it may be.
pub(super) fn unchecked() -> Result<MakeRustlsConnect, OpenError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| OpenError::Client(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// What to change where a connection was not encrypted because of this.
pub(super) fn advice(cause: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    if cause.to_string() == "server does not support TLS" {
        return Some(
            "turn on `ssl` in its configuration, or write sslmode=prefer or disable in `url`",
        );
    }
    let cause = cause.downcast_ref::<io::Error>()?.get_ref()?;
    let Error::InvalidCertificate(why) = cause.downcast_ref::<Error>()? else {
        return None;
    };
    match why {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Some(
            "the server's certificate is signed by none of those in `ca`, or of the system's where \
             there is no `ca`: name the file with the certificate of its authority there",
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Some("write a name as host in `url` that the server's certificate is for")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            Some("the server needs a new certificate")
        }
        _ => None,
    }
}

/// `prefer` goes on without TLS where a stranger in between says that there is none, so a check
/// of the certificate would keep out nobody but servers with one of their own making.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
