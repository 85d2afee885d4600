//! `[[server.token]]`: who may call, and what for.

use std::fmt;

use larder_server::Token;
use larder_server::access::{Ability, Pattern, Plane, Scope, TokenHash};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};

use super::Problems;

/// Longer names make poor labels of metrics.
const NAME_MAX_BYTES: usize = 64;

/// The tokens as the file has them.
#[derive(Debug)]
pub(super) enum Tokens {
    List(Vec<Entry>),
    /// A single value, which may well be a token: it is neither kept nor shown.
    Single,
}

/// Who may call. `larder token` prints such a table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// Names it in logs and metrics, 1 to 64 bytes.
    name: String,
    /// The hash of the token; one without it is refused.
    sha256: Option<String>,
    /// Here only to be refused without being shown, as an unknown field would be.
    token: Option<IgnoredAny>,
    /// Which listeners it is for.
    planes: Vec<Plane>,
    /// Only for these, as patterns.
    resources: Option<Vec<String>>,
    /// Only for these.
    operations: Option<Vec<Ability>>,
    /// Only for these, as patterns.
    tenants: Option<Vec<String>>,
    /// Whether it may make entries stale.
    invalidate: Option<bool>,
}

impl Default for Tokens {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl<'de> Deserialize<'de> for Tokens {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Tokens;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of tables, each written [[server.token]]")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Tokens, A::Error> {
                let mut list = Vec::new();
                while let Some(entry) = all.next_element()? {
                    list.push(entry);
                }
                Ok(Tokens::List(list))
            }

            fn visit_str<E>(self, _: &str) -> Result<Tokens, E> {
                Ok(Tokens::Single)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Tokens, E> {
                Ok(Tokens::Single)
            }
        }
        from.deserialize_any(List)
    }
}

/// The tokens that are right; what is wrong with the others is in `problems`.
pub(super) fn read(tokens: Tokens, problems: &mut Problems<'_>) -> Vec<Token> {
    let Tokens::List(list) = tokens else {
        problems.add(
            "`server.token` is not a list; write one table for each token, headed \
             [[server.token]], with its `sha256` and never the token itself; `larder token` \
             prints such a table",
        );
        return Vec::new();
    };
    let mut tokens: Vec<Token> = Vec::with_capacity(list.len());
    for entry in list {
        let name = entry.name.clone();
        let mut wrong = |what: &str| problems.add(format!("the token `{}` {what}", show(&name)));
        if let Some(token) = entry.checked(&mut wrong) {
            if tokens.iter().any(|one| one.name == token.name) {
                wrong("is there twice; give each token a name of its own");
            }
            if let Some(same) = tokens.iter().find(|one| one.hash == token.hash) {
                wrong(&format!(
                    "is the same as the token `{}`; make one for each with `larder token`",
                    show(&same.name)
                ));
            }
            tokens.push(token);
        }
    }
    tokens
}

impl Entry {
    fn checked(self, wrong: &mut impl FnMut(&str)) -> Option<Token> {
        let name = &self.name;
        if name.is_empty() || name.len() > NAME_MAX_BYTES || name.contains(char::is_control) {
            wrong("needs a name of 1 to 64 bytes without control characters, for logs and metrics");
        }
        if self.planes.is_empty() {
            wrong("is for no plane; write planes = [\"data\"], [\"admin\"], or both");
        }
        self.check_limits(wrong);
        let hash = self.hash(wrong)?;
        let resources = self.resources.map(|all| {
            let patterns = all.iter().map(|pattern| Pattern::new(pattern));
            patterns.collect()
        });
        Some(Token {
            name: self.name,
            hash,
            scope: Scope {
                planes: self.planes,
                resources,
                operations: self.operations,
                tenants: self.tenants,
                invalidate: self.invalidate,
            },
        })
    }

    fn hash(&self, wrong: &mut impl FnMut(&str)) -> Option<TokenHash> {
        if self.token.is_some() {
            wrong(
                "is in the file itself, where everybody who reads the file has it; remove `token`, \
                 make another with `larder token`, and write the `sha256` that it prints",
            );
        }
        let Some(text) = &self.sha256 else {
            wrong("has no `sha256`; `larder token` prints it with the token");
            return None;
        };
        match text.parse() {
            Ok(hash) => Some(hash),
            Err(why) => {
                wrong(&format!("has a `sha256` that {why}"));
                None
            }
        }
    }

    /// Limits that limit nothing, allow nothing or contradict each other are not meant.
    fn check_limits(&self, wrong: &mut impl FnMut(&str)) {
        let lists = [
            ("resources", self.resources.as_ref().map(Vec::len)),
            ("operations", self.operations.as_ref().map(Vec::len)),
            ("tenants", self.tenants.as_ref().map(Vec::len)),
        ];
        let mut limited = self.invalidate.is_some();
        for (field, len) in lists {
            limited |= len.is_some();
            if len == Some(0) {
                wrong(&format!(
                    "has an empty list of `{field}`, which allows nothing; leave it out to allow all"
                ));
            }
        }
        if limited && !self.planes.is_empty() && !self.planes.contains(&Plane::Data) {
            wrong(
                "has limits of the data plane and is not for it; add \"data\" to its `planes`, or \
                 remove `resources`, `operations`, `tenants` and `invalidate`: the admin plane is \
                 one whole",
            );
        }
        let listed = self.operations.as_ref();
        let listed = listed.map(|all| all.contains(&Ability::Invalidate));
        match (listed, self.invalidate) {
            (Some(false), Some(true)) => wrong(
                "has `invalidate = true` and no \"invalidate\" among its `operations`; add it \
                 there, or remove `invalidate`",
            ),
            (Some(true), Some(false)) => wrong(
                "has `invalidate = false` and \"invalidate\" among its `operations`; remove one of \
                 them",
            ),
            (Some(true), None) if self.resources.is_some() => wrong(
                "has \"invalidate\" among its `operations`, and with `resources` it needs \
                 `invalidate = true` as well: namespaces and tags are chosen by policies, and are \
                 held against `resources` by their names",
            ),
            _ => {}
        }
    }
}

fn show(name: &str) -> String {
    larder::core::request::clip(name)
}
