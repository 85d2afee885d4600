//! `[server]`: where and how the server listens.

use std::net::SocketAddr;
use std::time::Duration;

use larder_server::Token;
use larder_server::access::{Plane, check_listener};

use super::{Problems, file, token};

/// Where and how the server listens; what is none has the server's own default.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) listen: SocketAddr,
    /// None leaves the admin plane out.
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) tokens: Vec<Token>,
    pub(crate) max_in_flight: Option<usize>,
    pub(crate) body_max: Option<usize>,
    pub(crate) header_timeout: Option<Duration>,
    pub(crate) request_timeout: Option<Duration>,
    pub(crate) drain: Option<Duration>,
    pub(crate) shared_max_age: Option<Duration>,
    pub(crate) lease_secret: Option<Vec<u8>>,
}

/// Reads the table; none if it has no addresses to listen on.
pub(super) fn read(server: file::Server, problems: &mut Problems<'_>) -> Option<Server> {
    let told = problems.all.len();
    let tokens = token::read(server.token, problems);
    let tokens_are_right = problems.all.len() == told;
    let (listen, admin) = addresses(&server.listen, &server.admin, problems)?;
    // With a token that is wrong nobody can say which planes have one.
    if tokens_are_right {
        check_exposure(listen, admin, &tokens, problems);
    }
    let secret = server.lease_secret.map(String::into_bytes);
    if secret.as_ref().is_some_and(|secret| secret.len() < 32) {
        problems.add("`server.lease_secret` needs at least 32 bytes");
    }
    if server.max_in_flight == Some(0) {
        problems
            .add("`server.max_in_flight` is 0, which refuses every request; leave it out for 1024");
    }
    let none = |span: Option<crate::units::Span>| span.is_some_and(|span| span.0.is_zero());
    for (field, zero, what, usual) in [
        (
            "header_timeout",
            none(server.header_timeout),
            "no request arrives in",
            "5s",
        ),
        (
            "request_timeout",
            none(server.request_timeout),
            "no request ends in",
            "60s",
        ),
    ] {
        if zero {
            problems.add(format!(
                "`server.{field}` is 0, which {what}; leave it out for {usual}"
            ));
        }
    }
    Some(Server {
        listen,
        admin,
        tokens,
        max_in_flight: server.max_in_flight,
        body_max: server.body_max.map(crate::units::Size::bytes),
        header_timeout: server.header_timeout.map(|span| span.0),
        request_timeout: server.request_timeout.map(|span| span.0),
        drain: server.drain.map(|span| span.0),
        shared_max_age: server.shared_max_age.map(|span| span.0),
        lease_secret: secret,
    })
}

fn addresses(
    listen: &str,
    admin: &str,
    problems: &mut Problems<'_>,
) -> Option<(SocketAddr, Option<SocketAddr>)> {
    let mut address = |field: &str, text: &str| match text.parse::<SocketAddr>() {
        Ok(address) => Some(address),
        Err(_) => {
            problems.add(format!(
                "`server.{field}`: `{}` is no address to listen on; write an IP address and a \
                 port, such as \"127.0.0.1:7117\" or \"[::]:7117\"",
                text.escape_debug()
            ));
            None
        }
    };
    let listen = address("listen", listen);
    let admin = match admin {
        "off" => Some(None),
        text => address("admin", text).map(Some),
    };
    let (listen, admin) = (listen?, admin?);
    if admin == Some(listen) && listen.port() != 0 {
        problems.add(format!(
            "`server.listen` and `server.admin` are both {listen}; give the admin plane a port of \
             its own, or \"off\""
        ));
    }
    Some((listen, admin))
}

fn check_exposure(
    listen: SocketAddr,
    admin: Option<SocketAddr>,
    tokens: &[Token],
    problems: &mut Problems<'_>,
) {
    let planes = [
        ("listen", Plane::Data, Some(listen)),
        ("admin", Plane::Admin, admin),
    ];
    for (field, plane, address) in planes {
        let checked = address.map(|address| check_listener(plane, address, tokens));
        if let Some(Err(exposed)) = checked {
            problems.add(format!("`server.{field}`: {exposed}"));
        }
    }
}
