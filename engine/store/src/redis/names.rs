//! The names of keys in Redis.

use larder_core::{Dependency, Key, Pattern};

/// Names below one prefix. Braces choose the slot of a cluster: an entry shares its slot with the
/// claims on its key, so that one script reaches both; keys themselves never contain braces.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    prefix: String,
}

impl Names {
    pub(crate) fn new(prefix: &str) -> Self {
        let prefix = prefix.to_owned();
        Self { prefix }
    }

    /// Where the entry of `key` is.
    pub(crate) fn entry(&self, key: &Key) -> String {
        format!("{}:e:{{{}}}", self.prefix, key.storage())
    }

    /// Where the claims on `key` are.
    pub(crate) fn claims(&self, key: &Key) -> String {
        format!("{}:l:{{{}}}", self.prefix, key.storage())
    }

    /// Where the version of a dependency is.
    pub(crate) fn version(&self, of: &Dependency) -> String {
        format!("{}:v:{{{of}}}", self.prefix)
    }

    /// Where the expiries of a dependency are, in the slot of its version.
    pub(crate) fn expiries(&self, of: &Dependency) -> String {
        format!("{}:x:{{{of}}}", self.prefix)
    }

    /// Where it is noted that what `name` stands for was written.
    pub(crate) fn written(&self, name: &Dependency) -> String {
        format!("{}:w:{{{name}}}", self.prefix)
    }

    /// Where the live bans are.
    pub(crate) fn bans(&self) -> String {
        format!("{}:b:{{bans}}", self.prefix)
    }

    /// Where the sign of life of a ban's sweeper is.
    pub(crate) fn ban_lock(&self, id: &str) -> String {
        format!("{}:b:{{bans}}:{id}", self.prefix)
    }

    /// What `MATCH` takes for the entries of a pattern's namespace.
    pub(crate) fn entries_of(&self, pattern: &Pattern) -> String {
        self.all_of('e', pattern)
    }

    /// What `MATCH` takes for the claims on keys of a pattern's namespace.
    pub(crate) fn claims_of(&self, pattern: &Pattern) -> String {
        self.all_of('l', pattern)
    }

    fn all_of(&self, kind: char, pattern: &Pattern) -> String {
        let begin = format!("{}:{kind}:{{{}", self.prefix, pattern.storage_prefix());
        format!("{}*", escaped(&begin))
    }

    /// The storage form in the name of an entry or of claims.
    pub(crate) fn storage<'a>(&self, name: &'a str) -> Option<&'a str> {
        let name = name.strip_prefix(&*self.prefix)?.strip_prefix(':')?;
        let name = name.strip_prefix("e:").or(name.strip_prefix("l:"))?;
        name.strip_prefix('{')?.strip_suffix('}')
    }
}

/// Text of which a glob of Redis matches nothing but itself.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_and_its_claims_share_a_slot() {
        let (names, key) = (Names::new("larder"), Key::new("t", "n", "k{x}"));
        assert_eq!(names.entry(&key), "larder:e:{t:n:k%7Bx%7D}");
        assert_eq!(names.claims(&key), "larder:l:{t:n:k%7Bx%7D}");
        for name in [names.entry(&key), names.claims(&key)] {
            assert_eq!(names.storage(&name), Some(&**key.storage()));
        }
    }

    #[test]
    fn the_names_of_a_namespace_are_no_globs() {
        let names = Names::new("a[b]*");
        let pattern = Pattern::new("t?", "n\\", "x*").expect("a pattern");
        assert_eq!(
            names.entries_of(&pattern),
            r"a\[b\]\*:e:{t\?:n\\:*".to_owned()
        );
    }

    #[test]
    fn foreign_names_have_no_storage_form() {
        let names = Names::new("larder");
        for name in ["larder:v:{x}", "larder:e:x", "other:e:{x}", "larder2:e:{x}"] {
            assert_eq!(names.storage(name), None, "{name}");
        }
    }
}
