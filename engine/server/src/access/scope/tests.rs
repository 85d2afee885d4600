use super::*;
use crate::wire::{KeyName, PatternName};
use Ability::{Decide, Invalidate, Read, Write};

fn texts(all: &str) -> Option<Vec<String>> {
    Some(all.split(' ').map(str::to_owned).collect())
}

fn patterns_of(all: &str) -> Option<Vec<WildMatch>> {
    Some(all.split(' ').map(WildMatch::new).collect())
}

fn scope(change: impl FnOnce(&mut Scope)) -> Scope {
    let mut scope = Scope {
        planes: vec![Plane::Data],
        ..Scope::default()
    };
    change(&mut scope);
    scope
}

#[test]
fn a_token_enters_the_planes_that_it_is_for() {
    let data = scope(|_| ());
    assert_eq!(data.enter(Plane::Data), Ok(()));
    assert_eq!(data.enter(Plane::Admin), Err(Lacking::Plane(Plane::Admin)));
    let both = scope(|scope| scope.planes.push(Plane::Admin));
    assert_eq!(both.enter(Plane::Data), Ok(()));
    assert_eq!(both.enter(Plane::Admin), Ok(()));
    assert!(Scope::default().enter(Plane::Data).is_err());
}

#[test]
fn the_table_of_entries() {
    let all = scope(|_| ());
    let products = scope(|scope| scope.resources = patterns_of("product* price"));
    let reader = scope(|scope| scope.operations = Some(vec![Read, Decide]));
    let acme = scope(|scope| scope.tenants = texts("acme bolt"));
    let alone = scope(|scope| scope.tenants = Some(vec![String::new()]));
    let name = |name: &str| {
        Err(Lacking::Name {
            what: "resource",
            name: name.into(),
        })
    };
    for (scope, ability, tenant, resource, expected) in [
        (&all, Read, "", "product", Ok(())),
        (&all, Write, "acme", "x", Ok(())),
        (&all, Decide, "", "", Ok(())),
        (&products, Read, "", "product", Ok(())),
        (&products, Write, "acme", "products", Ok(())),
        (&products, Decide, "", "price", Ok(())),
        (&products, Read, "", "prices", name("prices")),
        (&products, Decide, "", "Product", name("Product")),
        (&products, Write, "", "a product", name("a product")),
        (&products, Read, "", "", name("")),
        (&reader, Read, "", "x", Ok(())),
        (&reader, Decide, "", "x", Ok(())),
        (&reader, Write, "", "x", Err(Lacking::Operation(Write))),
        (&acme, Read, "acme", "x", Ok(())),
        (&acme, Read, "bolt", "x", Ok(())),
        (&acme, Read, "acm", "x", Err(Lacking::Tenant("acm".into()))),
        (
            &acme,
            Read,
            "acme2",
            "x",
            Err(Lacking::Tenant("acme2".into())),
        ),
        (
            &acme,
            Read,
            "ACME",
            "x",
            Err(Lacking::Tenant("ACME".into())),
        ),
        (&acme, Read, "", "x", Err(Lacking::NoTenant)),
        (&alone, Read, "", "x", Ok(())),
        (
            &alone,
            Read,
            "acme",
            "x",
            Err(Lacking::Tenant("acme".into())),
        ),
    ] {
        let told = scope.on(ability, tenant, resource);
        assert_eq!(told, expected, "{ability:?} {tenant:?} {resource:?}");
    }
}

fn keys(namespace: &str) -> InvalidateRequest {
    let namespace = namespace.to_owned();
    let key = "k".to_owned();
    InvalidateRequest {
        keys: vec![KeyName { namespace, key }],
        ..InvalidateRequest::default()
    }
}

fn tags(all: &'static str) -> InvalidateRequest {
    InvalidateRequest {
        tags: texts(all).unwrap(),
        ..InvalidateRequest::default()
    }
}

fn namespaces(all: &'static str) -> InvalidateRequest {
    InvalidateRequest {
        namespaces: texts(all).unwrap(),
        ..InvalidateRequest::default()
    }
}

fn patterns() -> InvalidateRequest {
    InvalidateRequest {
        patterns: vec![PatternName {
            namespace: "product".to_owned(),
            pattern: "*".to_owned(),
        }],
        ..InvalidateRequest::default()
    }
}

#[test]
fn the_table_of_invalidations() {
    let all = scope(|_| ());
    let never = scope(|scope| scope.invalidate = Some(false));
    let reader = scope(|scope| scope.operations = Some(vec![Read]));
    let products = scope(|scope| scope.resources = patterns_of("product*"));
    let trusted = scope(|scope| {
        scope.resources = patterns_of("product*");
        scope.invalidate = Some(true);
    });
    let only = scope(|scope| scope.operations = Some(vec![Invalidate]));
    let acme = scope(|scope| scope.tenants = texts("acme"));
    let name = |what, name: &str| {
        Err(Lacking::Name {
            what,
            name: name.into(),
        })
    };
    for (at, (scope, asked, expected)) in [
        (&all, tags("any thing"), Ok(())),
        (&all, patterns(), Ok(())),
        (&only, keys("x"), Ok(())),
        (&never, tags("t"), Err(Lacking::Invalidate)),
        (&reader, tags("t"), Err(Lacking::Operation(Invalidate))),
        (&products, keys("product"), Err(Lacking::Invalidate)),
        (&products, namespaces("product"), Err(Lacking::Invalidate)),
        (&trusted, keys("product"), Ok(())),
        (&trusted, namespaces("product products"), Ok(())),
        (&trusted, tags("product product:42"), Ok(())),
        (&trusted, keys("session"), name("namespace", "session")),
        (&trusted, namespaces("product x"), name("namespace", "x")),
        (&trusted, tags("product session"), name("tag", "session")),
        (&trusted, patterns(), Err(Lacking::Patterns)),
        (&acme, tags("t"), Err(Lacking::NoTenant)),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(scope.invalidating(&asked), expected, "case {at}: {asked:?}");
    }
}
