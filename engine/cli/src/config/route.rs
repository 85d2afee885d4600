//! `[[route]]`: whether every route leads somewhere, and every request has a way to it.

use std::path::PathBuf;

use larder::wasm::HostConfig;

use super::Problems;
use super::file::Route;

/// What of the routes can only go wrong.
pub(super) fn check(
    routes: &[Route],
    origins: &[String],
    host: &HostConfig,
    problems: &mut Problems<'_>,
) {
    for (at, route) in routes.iter().enumerate() {
        if route.resource.is_empty() || route.policy.is_empty() {
            problems.add("a `[[route]]` needs a `resource` and a `policy`, neither of them empty");
            continue;
        }
        let shadows = |earlier: &&Route| covers(&earlier.resource, &route.resource);
        if let Some(earlier) = routes[..at].iter().find(shadows) {
            problems.add(format!(
                "the route for `{}` is never reached: the one for `{}` stands before it and takes \
                 all of its resources; put the narrower one first, or remove it",
                route.resource, earlier.resource
            ));
        }
        check_policy(route, host, problems);
        check_origin(route, origins, problems);
    }
}

/// What is allowed and probably not meant.
pub(super) fn warnings(routes: &[Route], origins: &[String], host: &HostConfig) -> Vec<String> {
    let mut warnings = Vec::new();
    for policy in &host.policies {
        if let Some(file) = missing(host, &policy.module) {
            warnings.push(format!(
                "the policy `{}` has no module yet: there is no {}; until there is the \
                 build that served last does, and where none has, its on_failure answers and the server \
                 is not ready",
                policy.name,
                file.display()
            ));
        }
    }
    if routes.is_empty() {
        warnings.push(
            "there is no [[route]], so every request is refused; add one, such as resource = \
             \"product\", policy = \"standard\""
                .to_owned(),
        );
    }
    let used = |name: &String| {
        routes
            .iter()
            .any(|route| route.origin.as_ref() == Some(name))
    };
    for origin in origins.iter().filter(|name| !used(name)) {
        warnings.push(format!(
            "no route uses the origin `{origin}`; name it in a [[route]], or remove it"
        ));
    }
    warnings
}

fn missing(host: &HostConfig, module: &str) -> Option<PathBuf> {
    let file = host.dir.join(format!("{module}.wasm"));
    (!file.is_file()).then_some(file)
}

/// The module of a `[[policy]]` may come later; a name that nothing bears is misspelt.
fn check_policy(route: &Route, host: &HostConfig, problems: &mut Problems<'_>) {
    let named = host
        .policies
        .iter()
        .any(|policy| policy.name == route.policy);
    let missing = missing(host, &route.policy);
    // Where there is no folder that has been told.
    let (false, Some(file), true) = (named, missing, host.dir.is_dir()) else {
        return;
    };
    let known = host.policies.iter().map(|policy| &policy.name);
    problems.add(format!(
        "the route for `{}` names the policy `{}`, which neither a [[policy]] nor the file {} \
         provides; {}. Correct the name, or add one of the two",
        route.resource,
        route.policy,
        file.display(),
        in_words(known)
    ));
}

fn check_origin(route: &Route, origins: &[String], problems: &mut Problems<'_>) {
    let Some(origin) = &route.origin else { return };
    if !origins.contains(origin) {
        problems.add(format!(
            "the route for `{}` names the origin `{origin}`, which is not configured; {}. Add \
             `[origin.{origin}]` or correct the name",
            route.resource,
            in_words(origins.iter())
        ));
    }
}

fn in_words<'a>(known: impl Iterator<Item = &'a String>) -> String {
    let known: Vec<_> = known.map(|name| format!("`{name}`")).collect();
    match known.as_slice() {
        [] => "there is none".to_owned(),
        [one] => format!("there is {one}"),
        many => format!("there are {}", many.join(", ")),
    }
}

/// Whether `earlier` matches everything that `later` does. Where it is not sure it says no.
fn covers(earlier: &str, later: &str) -> bool {
    fn all(earlier: &[char], later: &[char]) -> bool {
        match (earlier.split_first(), later.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), None) => all(rest, later),
            (Some(('*', rest)), Some((_, after))) => all(rest, later) || all(earlier, after),
            (Some(('?', rest)), Some((one, after))) => *one != '*' && all(rest, after),
            (Some((one, rest)), Some((other, after))) => one == other && all(rest, after),
            _ => false,
        }
    }
    // Longer patterns could take for ever.
    let squeezed = |text: &str| {
        let mut chars: Vec<char> = text.chars().collect();
        chars.dedup_by(|a, b| *a == '*' && *b == '*');
        chars
    };
    let (earlier, later) = (squeezed(earlier), squeezed(later));
    let stars = earlier.iter().filter(|one| **one == '*').count();
    if stars > 4 {
        return earlier == later;
    }
    all(&earlier, &later)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_what_all_of_another_is_matched_by() {
        for (earlier, later, expected) in [
            ("*", "product", true),
            ("*", "*", true),
            ("*", "a?b*", true),
            ("product", "product", true),
            ("product", "products", false),
            ("product*", "product", true),
            ("product*", "product-*", true),
            ("product-*", "product*", false),
            ("?", "*", false),
            ("?", "a", true),
            ("?", "?", true),
            ("a?", "a*", false),
            ("*a*", "bab", true),
            ("*a*", "b*a", true),
            ("*a*", "b*", false),
            ("a*b*c", "axbyc", true),
            ("a**b", "a*b", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(covers(earlier, later), expected, "{earlier} {later}");
        }
        assert!(covers(&"*a".repeat(40), &"*a".repeat(40)));
    }
}
