//! Finds out why a first connection failed where the failure alone does not say it.

use super::super::error::ConnectError;
use super::dial::Dialer;
use super::endpoint::Endpoint;

/// The error to show for `error`, which came of dialing `to`: a port that speaks TLS to a client
/// that does not, or the reverse, answers with silence or garbage, so the other way is tried.
pub(super) async fn diagnose(dialer: &Dialer, to: &Endpoint, error: ConnectError) -> ConnectError {
    let odd = matches!(
        error,
        ConnectError::Silent { .. } | ConnectError::Broken { .. }
    );
    if odd && speaks_the_other_way(dialer, to).await {
        let address = to.address().to_string();
        return if to.tls {
            ConnectError::PlainPort { address }
        } else {
            ConnectError::TlsPort { address }
        };
    }
    error
}

async fn speaks_the_other_way(dialer: &Dialer, to: &Endpoint) -> bool {
    // The password stays out of it: it must not travel in the clear to find this out.
    let other = Endpoint {
        tls: !to.tls,
        user: None,
        password: None,
        db: 0,
        ..to.clone()
    };
    match dialer.dial(&other, None).await {
        Ok(_) => true,
        Err(error) => matches!(
            error,
            ConnectError::PasswordNeeded { .. }
                | ConnectError::Certificate { .. }
                | ConnectError::NotReady { .. }
                | ConnectError::Forbidden { .. }
        ),
    }
}
