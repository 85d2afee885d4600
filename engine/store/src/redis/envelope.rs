//! Entries as bytes.
//!
//! A fixed part comes first, in text, so that scripts read and change it by offset; then all that
//! is needed to judge the entry, in binary; then the payload, to the end. Text has fixed widths
//! and decimal digits because Lua's numbers are exact up to 2^53 only and its text comparison
//! follows a locale.

mod reader;
#[cfg(test)]
mod tests;
mod writer;

use larder_core::{Entry, Timestamp};

pub use self::reader::decode;
pub use self::writer::encode;

/// What every envelope begins with: a name, and the format that follows.
pub(crate) const MAGIC: &[u8; 4] = b"LDR1";
/// Where the flags are, one byte.
pub(crate) const FLAGS_AT: usize = 4;
/// Where the placement is, one byte.
pub(crate) const PLACEMENT_AT: usize = 5;
/// Where the length of all that comes before the payload is.
pub(crate) const HEAD_AT: usize = 6;
/// How wide that length is, in digits.
pub(crate) const HEAD_DIGITS: usize = 10;
/// Where the name of the fill is that stored the entry, in hexadecimal digits.
pub(crate) const ID_AT: usize = HEAD_AT + HEAD_DIGITS;
/// How wide a fill's name is, in digits.
pub(crate) const ID_DIGITS: usize = 16;
/// Where the moment of storing is.
pub(crate) const CREATED_AT: usize = ID_AT + ID_DIGITS;
/// Where the moment is at which the key was expired; [`NEVER`] where it was not.
pub(crate) const EXPIRED_AT: usize = CREATED_AT + DIGITS;
/// Where the moment of the last noted read is.
pub(crate) const READ_AT: usize = EXPIRED_AT + DIGITS;
/// Where the sequence number of the last ban that the load came after is.
pub(crate) const BANS_AT: usize = READ_AT + DIGITS;
/// How long the fixed part is.
pub(crate) const FIXED: usize = BANS_AT + DIGITS;
/// How wide numbers of the fixed part are, in digits.
pub(crate) const DIGITS: usize = 20;
/// The moment that never comes; larger than any number of 64 bits.
pub(crate) const NEVER: &str = "99999999999999999999";

/// The entry has no value.
const NEGATIVE: u8 = 1;
/// The value has a media type.
const TYPED: u8 = 2;
/// The value is encrypted.
const SEALED: u8 = 4;
/// The value has a status and header lines, or where there is none, what was said of that has. Without them the envelope is what builds wrote that
/// knew of neither, byte for byte.
const HEADED: u8 = 8;
/// The policy had settings. Without them too the envelope is what earlier builds wrote.
const SET: u8 = 16;

/// The longest head, in bytes: names and tags are short, so more is damage.
pub const MAX_HEAD: usize = 1 << 20;

/// An entry as it was found, with what happened to it since.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The entry.
    pub entry: Entry,
    /// What happened to it.
    pub marks: Marks,
}

/// What scripts change in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// Names the fill that stored it.
    pub id: u64,
    /// When its key was first expired.
    pub expired: Option<Timestamp>,
    /// The last read that was noted.
    pub read: Timestamp,
    /// The last ban that its load came after.
    pub bans: u64,
}

/// Why bytes are no envelope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// They begin like nothing that this build writes.
    #[error("it begins with something else than an entry of format 1; another build wrote it")]
    Format,
    /// They end too early.
    #[error("it ends within {0}")]
    Short(&'static str),
    /// A part of them makes no sense.
    #[error("{0} is damaged")]
    Part(&'static str),
}

/// The entry has more names around its value than an envelope takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the names around the value take {0} bytes; at most {MAX_HEAD} are stored")]
pub struct HeadTooLong(pub usize);
