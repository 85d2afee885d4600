//! The cache policy `{{name}}`.

use larder_sdk::prelude::*;

/// How long a value may be served. Change it, build again, and a running server follows.
const TTL: Duration = minutes(10);

struct MyPolicy;

impl Policy for MyPolicy {
    type Settings = NoSettings;

    /// What the policy is shown of a request beside resource and id: inputs that shape the value
    /// have to be declared here, and to be part of the key.
    fn manifest() -> Manifest {
        Manifest::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")).reads("query.page")
    }

    fn new(_: NoSettings) -> Result<Self, Error> {
        Ok(Self)
    }

    fn decide(&self, request: &Request) -> Result<Decision, Error> {
        let page = request.attribute("query.page").unwrap_or("1");
        let row = key([&request.resource, &request.id]);
        let decision = Decision::read_through(key([&request.resource, &request.id, page]))
            .ttl(TTL)
            .jitter(10)
            .stale_if_error(minutes(5))
            .tag(&row)
            .because("every value lives for the same time");
        // A write makes every page of its row stale.
        Ok(if request.is_read() {
            decision
        } else {
            decision.invalidates_tag(row)
        })
    }
}

register!(MyPolicy);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_keys_of_their_own() {
        let request = Request::read("product", "42").with("query.page", "2");
        let decision = MyPolicy.decide(&request).unwrap();
        assert_eq!(decision.key, "product:42:2");
        assert_eq!(decision.freshness.ttl, TTL);
    }

    #[test]
    fn a_write_makes_its_row_stale() {
        let decision = MyPolicy.decide(&Request::write("product", "42")).unwrap();
        assert_eq!(decision.invalidates, [Target::Tag("product:42".into())]);
    }
}
