//! From bytes to an entry, believing none of them.

use std::sync::Arc;

use bytes::Bytes;
use larder_core::freshness::Windows;
use larder_core::{Dependency, Entry, Head, Identity, Placement, Timestamp, Value, Version};
use serde::Deserialize;
use serde::de::value::{Error, StrDeserializer};

use super::{
    BANS_AT, CREATED_AT, DIGITS, Damage, EXPIRED_AT, FIXED, FLAGS_AT, HEAD_AT, HEAD_DIGITS, HEADED,
    ID_AT, ID_DIGITS, MAGIC, MAX_HEAD, Marks, NEGATIVE, NEVER, PLACEMENT_AT, READ_AT, SEALED, SET,
    Stored, TYPED,
};

/// The least bytes that a dependency takes: the length of its name and its two numbers.
const LEAST_DEPENDENCY: usize = 20;

/// The entry in `bytes`, whose value shares them. Where the payload was cut off the value is
/// empty, which is enough to judge an entry without fetching it whole.
///
/// # Errors
/// If the bytes are no envelope of this format; nothing is allocated on the word of a length.
pub fn decode(bytes: &Bytes) -> Result<Stored, Damage> {
    if !bytes.starts_with(MAGIC) {
        return Err(Damage::Format);
    }
    if bytes.len() < FIXED {
        return Err(Damage::Short("its fixed part"));
    }
    let head = number(bytes, HEAD_AT, HEAD_DIGITS, "the length of its head")?;
    let head = usize::try_from(head).unwrap_or(usize::MAX);
    if !(FIXED..=MAX_HEAD).contains(&head) {
        return Err(Damage::Part("the length of its head"));
    }
    if bytes.len() < head {
        return Err(Damage::Short("its head"));
    }
    let flags = bytes[FLAGS_AT];
    if flags & !(NEGATIVE | TYPED | SEALED | HEADED | SET) != 0 {
        return Err(Damage::Part("its flags"));
    }
    let mut names = Names(&bytes[FIXED..head]);
    let mut entry = names.entry(flags)?;
    entry.windows.created = Timestamp(number(bytes, CREATED_AT, DIGITS, "its moment")?);
    entry.placement = placement(bytes[PLACEMENT_AT])?;
    match entry.value.as_mut().or(entry.absent.as_mut()) {
        Some(value) => value.bytes = bytes.slice(head..),
        None if bytes.len() == head => {}
        None => return Err(Damage::Part("its value, which should not be there,")),
    }
    Ok(Stored {
        entry,
        marks: marks(bytes)?,
    })
}

fn marks(bytes: &[u8]) -> Result<Marks, Damage> {
    let never = &bytes[EXPIRED_AT..EXPIRED_AT + DIGITS] == NEVER.as_bytes();
    let expired = if never {
        None
    } else {
        let at = number(bytes, EXPIRED_AT, DIGITS, "the moment of its expiry")?;
        Some(Timestamp(at))
    };
    let id = &bytes[ID_AT..ID_AT + ID_DIGITS];
    let id = std::str::from_utf8(id).ok().filter(|id| is_hex(id));
    let id = id.and_then(|id| u64::from_str_radix(id, 16).ok());
    Ok(Marks {
        id: id.ok_or(Damage::Part("its name"))?,
        expired,
        read: Timestamp(number(
            bytes,
            READ_AT,
            DIGITS,
            "the moment of its last read",
        )?),
        bans: number(bytes, BANS_AT, DIGITS, "its ban number")?,
    })
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn number(bytes: &[u8], at: usize, width: usize, what: &'static str) -> Result<u64, Damage> {
    let digits = &bytes[at..at + width];
    let text = std::str::from_utf8(digits).map_err(|_| Damage::Part(what))?;
    // `parse` takes a sign, which no envelope has.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Damage::Part(what));
    }
    text.parse().map_err(|_| Damage::Part(what))
}

const fn placement(byte: u8) -> Result<Placement, Damage> {
    match byte {
        b'e' => Ok(Placement::EveryTier),
        b's' => Ok(Placement::SharedOnly),
        b'm' => Ok(Placement::MemoryOnly),
        _ => Err(Damage::Part("its placement")),
    }
}

/// What is left of the part between the fixed one and the payload.
struct Names<'a>(&'a [u8]);

impl<'a> Names<'a> {
    /// The entry, whose value, moment of storing and placement are still to come.
    fn entry(&mut self, flags: u8) -> Result<Entry, Damage> {
        let windows = self.windows()?;
        let (time_to_idle_ms, load_ms) = (self.long()?, self.long()?);
        let dependencies = self.dependencies()?;
        let logical = self.text()?.into();
        let mut policy = Identity {
            name: self.text()?.to_owned(),
            version: self.text()?.to_owned(),
            revision: self.text()?.to_owned(),
            contract: self.text()?.to_owned(),
            settings: String::new(),
        };
        let content_type = self.text_if(flags & TYPED != 0)?;
        let sealed = self.text_if(flags & SEALED != 0)?;
        let head = self.lines_if(flags & HEADED != 0)?;
        if flags & SET != 0 {
            self.text()?.clone_into(&mut policy.settings);
        }
        if !self.0.is_empty() {
            return Err(Damage::Part("the end of its head"));
        }
        let value = Value {
            bytes: Bytes::new(),
            content_type,
            head,
        };
        let (value, absent) = match flags & NEGATIVE {
            0 => (Some(value), None),
            _ => (None, value.head.is_some().then_some(value)),
        };
        Ok(Entry {
            logical,
            value,
            absent,
            windows,
            time_to_idle_ms,
            load_ms: u32::try_from(load_ms).map_err(|_| Damage::Part("its load time"))?,
            dependencies,
            policy: Arc::new(policy),
            placement: Placement::default(),
            sealed,
        })
    }

    fn windows(&mut self) -> Result<Windows, Damage> {
        Ok(Windows {
            created: Timestamp(0),
            fresh_until: Timestamp(self.long()?),
            revalidate_until: Timestamp(self.long()?),
            error_until: Timestamp(self.long()?),
        })
    }

    fn dependencies(&mut self) -> Result<Vec<(Dependency, Version)>, Damage> {
        let count = self.count()?;
        if count > self.0.len() / LEAST_DEPENDENCY {
            return Err(Damage::Short("its dependencies"));
        }
        let mut all = Vec::with_capacity(count);
        for _ in 0..count {
            let name = StrDeserializer::<Error>::new(self.text()?);
            let name = Dependency::deserialize(name);
            let name = name.map_err(|_| Damage::Part("the name of a dependency"))?;
            let (purge, expire) = (self.long()?, self.long()?);
            all.push((name, Version { purge, expire }));
        }
        Ok(all)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Damage> {
        let (taken, left) = self
            .0
            .split_at_checked(count)
            .ok_or(Damage::Short("its head"))?;
        self.0 = left;
        Ok(taken)
    }

    fn long(&mut self) -> Result<u64, Damage> {
        let bytes = self.take(8)?;
        let bytes = bytes.try_into().map_err(|_| Damage::Part("a number"))?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn count(&mut self) -> Result<usize, Damage> {
        let bytes = self.take(4)?;
        let bytes = bytes.try_into().map_err(|_| Damage::Part("a length"))?;
        Ok(u32::from_le_bytes(bytes) as usize)
    }

    fn text(&mut self) -> Result<&'a str, Damage> {
        std::str::from_utf8(self.counted()?).map_err(|_| Damage::Part("a name"))
    }

    fn counted(&mut self) -> Result<&'a [u8], Damage> {
        let length = self.count()?;
        self.take(length)
    }

    fn lines_if(&mut self, there: bool) -> Result<Option<Arc<Head>>, Damage> {
        if !there {
            return Ok(None);
        }
        let head = Head::from_bytes(self.counted()?);
        head.map(Some).ok_or(Damage::Part("its status and headers"))
    }

    fn text_if(&mut self, there: bool) -> Result<Option<Arc<str>>, Damage> {
        if !there {
            return Ok(None);
        }
        Ok(Some(self.text()?.into()))
    }
}
