//! The names of a queue's keys.

use std::fmt::Write;

use larder_core::Key;

use crate::queue::{Partition, Row};

/// Names below one prefix. All that belongs to a partition has one slot of a Cluster.
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: String,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Self {
        let prefix = format!("{prefix}:q");
        Self { prefix }
    }

    /// Names of what nodes show of queues of their own.
    pub(super) fn of_mirror(prefix: &str) -> Self {
        let prefix = format!("{prefix}:m");
        Self { prefix }
    }

    /// Where the format of all that is kept is told.
    pub(super) fn format(&self) -> String {
        format!("{}:{{wb}}:format", self.prefix)
    }

    /// Where the origins are that ever had changes.
    pub(super) fn origins(&self) -> String {
        format!("{}:{{wb}}:origins", self.prefix)
    }

    /// Where a partition is, in the order in which scripts take its keys.
    pub(super) fn partition(&self, of: &Partition) -> [String; 9] {
        let parts = [
            "meta", "stream", "kept", "back", "dead", "why", "rows", "parked", "claim",
        ];
        let base = self.base(of);
        parts.map(|part| format!("{base}:{part}"))
    }

    /// Where the numbers of a partition are.
    pub(super) fn meta(&self, of: &Partition) -> String {
        format!("{}:meta", self.base(of))
    }

    /// Where the numbers of dead letters are.
    pub(super) fn dead(&self, of: &Partition) -> String {
        format!("{}:dead", self.base(of))
    }

    /// Where the rows of a partition are.
    pub(super) fn rows(&self, of: &Partition) -> String {
        format!("{}:rows", self.base(of))
    }

    /// Where the parked rows are.
    pub(super) fn parked(&self, of: &Partition) -> String {
        format!("{}:parked", self.base(of))
    }

    /// Where the changes of a row are that nodes show.
    pub(super) fn shown(&self, row: &Row) -> String {
        self.shown_as(&row.partition(), &row_name(row))
    }

    /// The same for a row of which only the name is known.
    pub(super) fn shown_as(&self, of: &Partition, name: &str) -> String {
        format!("{}:row:{name}", self.base(of))
    }

    /// Where the rows of a partition are that a node shows.
    pub(super) fn shown_by(&self, node: &str, of: &Partition) -> String {
        format!("{}:of:{node}", self.base(of))
    }

    /// Where it is noted that an operation was taken for a row.
    pub(super) fn operation(&self, row: &Row, operation: &str) -> String {
        let base = self.base(&row.partition());
        format!("{base}:op:{}", Key::new(operation, "", &row_name(row)))
    }

    /// Where it is noted which request of a tenant named an operation, whatever its row.
    pub(super) fn request(&self, tenant: &str, operation: &str) -> String {
        let name = escaped(Key::new(tenant, "", operation).storage());
        format!("{}:{{op:{name}}}", self.prefix)
    }

    fn base(&self, of: &Partition) -> String {
        let (origin, number) = (escaped(&of.origin), of.number);
        format!("{}:{{wb:{origin}:{number}}}", self.prefix)
    }
}

/// How a row is named inside its partition: as the key of an entry is, so readable, bounded, and
/// without spaces.
pub(super) fn row_name(row: &Row) -> String {
    Key::new(&row.tenant, &row.resource, &row.id).to_string()
}

/// Text that chooses no slot and contains nothing but plain characters.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            out.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(origin: &str, id: &str) -> Row {
        Row {
            origin: origin.into(),
            tenant: "acme".into(),
            resource: "product".into(),
            id: id.into(),
        }
    }

    #[test]
    fn all_of_a_partition_has_one_slot() {
        let (names, row) = (Names::new("larder"), row("sh}op{", "a{b} c"));
        let partition = Partition {
            origin: row.origin.clone(),
            number: row.partition().number,
        };
        let tag = format!("larder:q:{{wb:sh%7Dop%7B:{}}}:", partition.number);
        let mut all = names.partition(&partition).to_vec();
        all.push(names.operation(&row, "o{p}:1"));
        for name in all {
            assert!(name.starts_with(&tag), "{name}");
            assert_eq!(name.matches(['{', '}']).count(), 2, "{name}");
        }
    }

    #[test]
    fn operations_of_different_rows_are_different() {
        let names = Names::new("larder");
        let name = |id: &str, operation: &str| names.operation(&row("shop", id), operation);
        assert_ne!(name("1", "op"), name("2", "op"));
        assert_ne!(name("1", "op:x"), name("1", "op"));
        assert_ne!(name("1", "op::acme:product:1"), name("1", "op"));
        assert!(name(&"x".repeat(9_000), &"y".repeat(9_000)).len() < 1_000);
    }
}
