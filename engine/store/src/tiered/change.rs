//! What the name of a changed key in Redis stands for.

use super::near::Near;

/// One changed name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change<'a> {
    /// The entry of this storage form.
    Entry(&'a str),
    /// The claims on this storage form.
    Claims(&'a str),
    /// The version of this dependency.
    Version(&'a str),
    /// The live bans.
    Bans,
    /// Nothing that an entry or a claim rests on.
    Other,
}

impl<'a> Change<'a> {
    /// Reads a name; `prefix` is what all begin with, without its colon.
    pub(super) fn of(prefix: &str, name: &'a [u8]) -> Self {
        Self::read(prefix, name).unwrap_or(Self::Other)
    }

    fn read(prefix: &str, name: &'a [u8]) -> Option<Self> {
        let name = std::str::from_utf8(name).ok()?.strip_prefix(prefix)?;
        let (kind, name) = name.strip_prefix(':')?.split_once(':')?;
        let own = name.strip_prefix('{')?.strip_suffix('}')?;
        match kind {
            "e" => Some(Self::Entry(own)),
            "l" => Some(Self::Claims(own)),
            "v" => Some(Self::Version(own)),
            "b" if own == "bans" => Some(Self::Bans),
            _ => None,
        }
    }

    /// Makes it known.
    pub(super) fn tell(self, near: &Near) {
        match self {
            Self::Entry(storage) => near.key_changed(storage),
            Self::Claims(storage) => near.claims_changed(storage),
            Self::Version(dependency) => near.dependency_changed(dependency),
            Self::Bans => near.all_changed(),
            Self::Other => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_whatever_they_contain() {
        for (name, change) in [
            ("larder:e:{t:n:k}", Change::Entry("t:n:k")),
            ("larder:e:{t:n:k:{x}}", Change::Entry("t:n:k:{x}")),
            ("larder:l:{t:n:k}", Change::Claims("t:n:k")),
            ("larder:v:{tag:t:a}}", Change::Version("tag:t:a}")),
            ("larder:b:{bans}", Change::Bans),
            ("larder:b:{bans}:7", Change::Other),
            ("larder:x:{y}", Change::Other),
            ("larder2:e:{t:n:k}", Change::Other),
            ("", Change::Other),
        ] {
            assert_eq!(Change::of("larder", name.as_bytes()), change, "{name}");
        }
        assert_eq!(Change::of("larder", b"larder:e:{\xff}"), Change::Other);
    }
}
