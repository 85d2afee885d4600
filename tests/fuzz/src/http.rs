//! Bodies, and leases as text.

mod shop;

use std::cell::LazyCell;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use larder_server::wire::{BatchRequest, DecideRequest, InvalidateRequest, Problem};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use serde_json::Value;
use sha2::Sha256;

use self::shop::{Answer, SECRET, Shop};

thread_local! {
    static SHOP: LazyCell<Shop> = LazyCell::new(Shop::new);
}

/// Whatever the body, the answer is JSON, no failure of the server's, and a problem if and only if
/// the status says so; what was done is what the body asked for.
pub fn check(data: &[u8]) {
    let Some((call, body)) = data.split_first() else {
        return;
    };
    SHOP.with(|shop| match call.wrapping_sub(b'0') % 6 {
        0 => decide(shop, body),
        1 => batch(shop, body),
        2 => invalidate(shop, body),
        3 => forged(shop, body),
        4 => changed(shop, body),
        _ => sealed(shop, body),
    });
}

/// What the answer says, which is a problem where the status is that of one.
fn json(answer: &Answer) -> Value {
    let text = String::from_utf8_lossy(&answer.body);
    let said: Value = serde_json::from_slice(&answer.body).expect("every answer is JSON");
    assert_ne!(answer.status, 500, "{text}");
    assert_eq!(
        answer.kind == "application/problem+json",
        answer.status >= 400,
        "{text}"
    );
    if answer.status >= 400 {
        let problem: Problem = serde_json::from_slice(&answer.body).expect("a problem document");
        assert_eq!(problem.status, answer.status);
        assert!(
            !problem.code.is_empty() && !problem.detail.is_empty(),
            "{text}"
        );
    }
    said
}

/// A body as the server reads it: a mark of the byte order before it says nothing.
fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body))
}

/// Decides once more what the wire type made of a body that was taken.
fn decide(shop: &Shop, body: &[u8]) {
    let answer = shop.ask("POST", "/v1/decide", body);
    let said = json(&answer);
    let asked = read::<DecideRequest>(body);
    let request = asked
        .as_ref()
        .ok()
        .and_then(|asked| asked.request.clone().into_request().ok());
    let sound = request.is_some_and(|request| request.validate().is_ok());
    assert!(sound || answer.status == 400, "{said}");
    if let (200, Ok(asked)) = (answer.status, asked) {
        let again = serde_json::to_vec(&asked).expect("it can be written");
        let again = json(&shop.ask("POST", "/v1/decide", &again));
        assert_eq!(again["decision"], said["decision"]);
    }
}

fn batch(shop: &Shop, body: &[u8]) {
    let answer = shop.ask("POST", "/v1/decide/batch", body);
    let said = json(&answer);
    let asked = read::<BatchRequest>(body);
    let Ok(asked) = asked else {
        assert_eq!(answer.status, 400, "{said}");
        return;
    };
    let results = said["results"].as_array().map_or(0, Vec::len);
    let fits = asked.requests.len() <= 1_000;
    assert_eq!(answer.status == 200, fits, "{said}");
    assert!(!fits || results == asked.requests.len(), "{said}");
}

fn invalidate(shop: &Shop, body: &[u8]) {
    let answer = shop.ask("POST", "/v1/invalidate", body);
    let said = json(&answer);
    let asked = read::<InvalidateRequest>(body);
    let Ok(asked) = asked else {
        assert_eq!(answer.status, 400, "{said}");
        return;
    };
    if answer.status == 200 {
        let bumped = asked.tags.len() + asked.namespaces.len();
        assert_eq!(
            (&said["bumped"], &said["banned"]),
            (&bumped.into(), &asked.patterns.len().into())
        );
        assert_eq!(said["complete"], true, "the store is in memory");
        let empty = |name: &String| name.is_empty();
        assert!(
            !asked.tags.iter().chain(&asked.namespaces).any(empty),
            "{said}"
        );
    }
    let again = serde_json::to_vec(&asked).expect("it can be written");
    let again = shop.ask("POST", "/v1/invalidate", &again);
    assert_eq!(again.status, answer.status, "{said}");
}

fn hand_in(shop: &Shop, lease: &[u8]) -> Answer {
    let path = format!("/v1/leases/{}", percent_encode(lease, NON_ALPHANUMERIC));
    let answer = shop.ask("PUT", &path, b"value");
    json(&answer);
    answer
}

/// No text that the engine did not give is a lease.
fn forged(shop: &Shop, text: &[u8]) {
    let refused = matches!(hand_in(shop, text).status, 400 | 404);
    assert!(refused || text == shop.lease.as_bytes());
}

/// The lease that was given is taken, and with any change of its bytes it is not.
fn changed(shop: &Shop, edits: &[u8]) {
    let given = URL_SAFE_NO_PAD
        .decode(&shop.lease)
        .expect("leases are base64url");
    let mut lease = given.clone();
    for edit in edits.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % lease.len();
        lease[at] ^= edit[2];
    }
    let answer = hand_in(shop, URL_SAFE_NO_PAD.encode(&lease).as_bytes());
    assert_eq!(answer.status, if lease == given { 200 } else { 400 });
}

/// Nodes of other builds share the secret, so that what is sealed may still be anything.
fn sealed(shop: &Shop, text: &[u8]) {
    let mac = Hmac::<Sha256>::new_from_slice(SECRET).expect("secrets have any length");
    let mut lease = mac.chain_update(text).finalize().into_bytes().to_vec();
    lease.extend_from_slice(text);
    hand_in(shop, URL_SAFE_NO_PAD.encode(lease).as_bytes());
}
