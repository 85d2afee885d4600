//! Changes that were given up.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use larder_core::Timestamp;

use super::{PARTITIONS, Partition, Queued};

/// Names a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LetterId {
    /// Where it was.
    pub partition: Partition,
    /// Its number there.
    pub sequence: u64,
}

/// A change that the origin will not take, that follows one of the same row, or that cannot be
/// read.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    /// How it is named.
    pub id: LetterId,
    /// The change; of one that cannot be read its row, as far as that is known, and no more.
    pub queued: Arc<Queued>,
    /// When it was given up.
    pub died: Timestamp,
    /// Why.
    pub why: Arc<str>,
    /// Whether the change can be read. One that cannot is never handed over.
    pub readable: bool,
}

/// Which dead letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Letters {
    /// All of them.
    All,
    /// One.
    One(LetterId),
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.partition, self.sequence)
    }
}

/// The text is not the name of a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no dead letter; their ids are ORIGIN/PARTITION/NUMBER")]
pub struct NoLetterId(String);

impl FromStr for LetterId {
    type Err = NoLetterId;

    fn from_str(text: &str) -> Result<Self, NoLetterId> {
        let mut parts = text.rsplitn(3, '/');
        let (sequence, number, origin) = (parts.next(), parts.next(), parts.next());
        let wrong = || NoLetterId(text.to_owned());
        let number = number
            .and_then(|text| text.parse().ok())
            .ok_or_else(wrong)?;
        if number >= PARTITIONS {
            return Err(wrong());
        }
        Ok(Self {
            partition: Partition {
                origin: origin.ok_or_else(wrong)?.into(),
                number,
            },
            sequence: sequence
                .and_then(|text| text.parse().ok())
                .ok_or_else(wrong)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_found_by_its_name() {
        let id = LetterId {
            partition: Partition {
                origin: "a/b".into(),
                number: 3,
            },
            sequence: 17,
        };
        assert_eq!(id.to_string(), "a/b/3/17");
        assert_eq!("a/b/3/17".parse(), Ok(id));
        for wrong in ["", "17", "3/17", "shop/8/17", "shop/3/x", "shop/-1/1"] {
            assert!(wrong.parse::<LetterId>().is_err(), "{wrong}");
        }
    }
}
