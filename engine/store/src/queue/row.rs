//! What is kept in order, and what is flushed together.

use std::fmt;
use std::sync::Arc;

/// Into how many partitions the rows of one origin fall. A row is always in the same one, whoever
/// asks and whenever, so this is a constant and no setting.
pub const PARTITIONS: u16 = 8;

/// What an origin holds one value of. Writes of one row are kept in order, others are not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// The origin, by the name that routes use.
    pub origin: Arc<str>,
    /// Whose data.
    pub tenant: Arc<str>,
    /// The kind of thing.
    pub resource: Arc<str>,
    /// Which one.
    pub id: Arc<str>,
}

/// A part of the rows of one origin that is flushed in order, by one flusher at a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Partition {
    /// The origin.
    pub origin: Arc<str>,
    /// Which part, below [`PARTITIONS`].
    pub number: u16,
}

impl Row {
    /// Where the row is flushed. The same on every machine and in every version: changes of one
    /// row that were in two partitions would lose their order.
    #[must_use]
    pub fn partition(&self) -> Partition {
        // FNV-1a, with a byte between the parts that UTF-8 does not have.
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for part in [&self.tenant, &self.resource, &self.id] {
            for byte in part.bytes().chain([0xff]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        // The lowest bits of FNV mix least.
        let number = (hash ^ (hash >> 32)) % u64::from(PARTITIONS);
        Partition {
            origin: Arc::clone(&self.origin),
            number: number as u16,
        }
    }
}

impl Partition {
    /// All of an origin.
    pub fn all(origin: &Arc<str>) -> impl Iterator<Item = Self> + use<'_> {
        (0..PARTITIONS).map(|number| Self {
            origin: Arc::clone(origin),
            number,
        })
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.origin, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(tenant: &str, resource: &str, id: &str) -> Row {
        Row {
            origin: "shop".into(),
            tenant: tenant.into(),
            resource: resource.into(),
            id: id.into(),
        }
    }

    #[test]
    fn the_partition_of_a_row_never_changes() {
        for (tenant, resource, id, number) in [
            ("", "product", "42", 5),
            ("", "product", "43", 4),
            ("acme", "product", "42", 3),
            ("", "order", "1", 1),
        ] {
            assert_eq!(row(tenant, resource, id).partition().number, number, "{id}");
        }
    }

    #[test]
    fn rows_fall_into_every_partition() {
        let mut rows = [0; PARTITIONS as usize];
        for id in 0..8_000 {
            rows[usize::from(row("", "product", &id.to_string()).partition().number)] += 1;
        }
        assert!(
            rows.iter().all(|rows| (700..1_300).contains(rows)),
            "{rows:?}"
        );
    }
}
