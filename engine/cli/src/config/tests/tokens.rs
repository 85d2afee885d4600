//! What is wrong about `[[server.token]]`, as its author reads it.

use super::*;

/// The SHA-256 of `abc`.
const HASH: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[test]
fn tokens_are_read_with_their_scopes() {
    use larder_server::access::{Ability, Plane};
    let other = HASH.replace('b', "c");
    let text = format!(
        "[server]\nlisten = '0.0.0.0:7117'\nadmin = '[::]:7118'\nmax_in_flight = 64\n\
         [[server.token]]\nname = 'shop'\nsha256 = '{HASH}'\nplanes = ['data']\n\
         resources = ['product*']\noperations = ['read', 'invalidate']\ntenants = ['acme', '']\n\
         invalidate = true\n\
         [[server.token]]\nname = 'operator'\nsha256 = '{other}'\nplanes = ['admin', 'data']\n"
    );
    let server = Folder::new().parse(&text).unwrap().server;
    assert_eq!(server.max_in_flight, Some(64));
    let [shop, operator] = server.tokens.as_slice() else {
        panic!("{:?}", server.tokens);
    };
    assert_eq!(
        (shop.name.as_str(), shop.hash.to_string()),
        ("shop", HASH.into())
    );
    assert_eq!(shop.scope.planes, [Plane::Data]);
    let operations = [Ability::Read, Ability::Invalidate];
    assert_eq!(shop.scope.operations.as_deref(), Some(&operations[..]));
    assert_eq!(shop.scope.on(Ability::Read, "", "products"), Ok(()));
    assert!(shop.scope.on(Ability::Read, "acme", "session").is_err());
    assert!(shop.scope.on(Ability::Read, "bolt", "product").is_err());
    assert_eq!(shop.scope.invalidate, Some(true));
    assert_eq!(operator.scope.planes, [Plane::Admin, Plane::Data]);
    assert_eq!(operator.scope.operations, None);
}

#[test]
fn each_mistake_about_tokens_is_named_and_no_token_is_shown() {
    let token = |rest: &str| format!("[[server.token]]\nname = 't'\n{rest}");
    let hashed = |rest: &str| token(&format!("sha256 = '{HASH}'\n{rest}"));
    let data = |rest: &str| hashed(&format!("planes = ['data']\n{rest}"));
    let long = "n".repeat(65);
    for (text, expected) in [
        (
            token("planes = ['data']"),
            "the token `t` has no `sha256`; `larder token` prints it",
        ),
        (
            token("sha256 = 'hunter2'\nplanes = ['data']"),
            "the token `t` has a `sha256` that is not the 64 hexadecimal digits of a SHA-256; \
             `larder token` prints them",
        ),
        (
            token(
                "sha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'\n\
                 planes = ['data']",
            ),
            "is the hash of an empty text and not of a token",
        ),
        (
            data("token = 'hunter2'"),
            "the token `t` is in the file itself, where everybody who reads the file has it; \
             remove `token`",
        ),
        (
            "[server]\ntoken = 'hunter2'".to_owned(),
            "`server.token` is not a list; write one table for each token, headed [[server.token]]",
        ),
        (hashed(""), "missing field `planes`"),
        (
            hashed("planes = []"),
            "the token `t` is for no plane; write planes = [\"data\"]",
        ),
        (
            hashed("planes = ['all']"),
            "unknown variant `all`, expected `data` or `admin`",
        ),
        (
            data("operations = ['delete']"),
            "unknown variant `delete`, expected one of `read`, `write`, `invalidate`, `decide`",
        ),
        (data("resource = ['product']"), "unknown field `resource`"),
        (
            data("resources = []"),
            "the token `t` has an empty list of `resources`, which allows nothing; leave it out",
        ),
        (data("operations = []"), "an empty list of `operations`"),
        (data("tenants = []"), "an empty list of `tenants`"),
        (
            hashed("planes = ['admin']\nresources = ['product']"),
            "the token `t` has limits of the data plane and is not for it; add \"data\"",
        ),
        (
            data("operations = ['read']\ninvalidate = true"),
            "has `invalidate = true` and no \"invalidate\" among its `operations`; add it",
        ),
        (
            data("operations = ['invalidate']\ninvalidate = false"),
            "has `invalidate = false` and \"invalidate\" among its `operations`; remove one",
        ),
        (
            data("operations = ['invalidate']\nresources = ['product']"),
            "with `resources` it needs `invalidate = true` as well",
        ),
        (
            data(&data("")),
            "the token `t` is there twice; give each token a name of its own",
        ),
        (
            data(&data("").replace("'t'", "'u'")),
            "the token `u` is the same as the token `t`; make one for each",
        ),
        (
            data("").replace("'t'", "''"),
            "needs a name of 1 to 64 bytes",
        ),
        (
            data("").replace("'t'", &format!("'{long}'")),
            "needs a name of 1 to 64 bytes",
        ),
        (
            "[server]\nmax_in_flight = 0".to_owned(),
            "`server.max_in_flight` is 0, which refuses every request; leave it out for 1024",
        ),
    ] {
        let message = message(Folder::new().parse(&text));
        assert!(
            message.contains(expected),
            "{text}\n--- says ---\n{message}"
        );
        assert!(!message.contains("hunter2"), "{message}");
    }
}

#[test]
fn a_token_in_the_environment_is_not_shown() {
    for value in ["hunter2", "8080808080"] {
        let variables = [("LARDER__SERVER__TOKEN", value)];
        let message = message(Folder::new().parse_with("", &variables));
        assert!(
            message.contains("`server.token` is not a list"),
            "{message}"
        );
        assert!(!message.contains(value), "{message}");
    }
}

#[test]
fn a_plane_without_a_token_has_to_be_on_loopback() {
    let token = |planes: &str| {
        format!("\n[[server.token]]\nname = 't'\nsha256 = '{HASH}'\nplanes = {planes}\n")
    };
    let (data, both) = (token("['data']"), token("['data', 'admin']"));
    let exposed = "[server]\nlisten = '0.0.0.0:7117'\nadmin = '10.0.0.5:7118'";
    for (text, problems) in [
        (
            exposed.to_owned(),
            &[
                "`server.listen`: the data plane would answer anybody who reaches \
            0.0.0.0:7117",
                "`server.admin`: the admin plane would answer anybody who reaches \
            10.0.0.5:7118",
            ][..],
        ),
        (
            format!("{exposed}{data}"),
            &["`server.admin`: the admin plane"],
        ),
        (format!("{exposed}{both}"), &[]),
        (
            "[server]\nlisten = '[::1]:7117'\nadmin = 'off'".to_owned(),
            &[],
        ),
        (
            format!("{exposed}{}", token("['data', 'admin']\nresources = []")),
            &["`resources`"],
        ),
    ] {
        let told = Folder::new().parse(&text).err();
        let told = told.map_or(String::new(), |error| format!("{error:#}"));
        let count =
            told.matches("the data plane").count() + told.matches("the admin plane").count();
        let expected = problems
            .iter()
            .filter(|words| words.contains("plane"))
            .count();
        assert_eq!(count, expected, "{text}\n{told}");
        for words in problems {
            assert!(told.contains(words), "{words}: {told}");
        }
        assert_eq!(told.is_empty(), problems.is_empty(), "{text}\n{told}");
    }
    let told = message(Folder::new().parse("[server]\nlisten = '0.0.0.0:7117'"));
    assert!(
        told.contains(
            "no token is configured for it. Make one with `larder token` and put its hash"
        ) && told.contains("or listen on loopback, such as 127.0.0.1:7117"),
        "{told}"
    );
}
