//! Entries as Redis keeps them.

use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use bytes::Bytes;
use larder::core::freshness::Windows;
use larder::core::{Dependency, Entry, Head, Identity, Placement, Timestamp, Value, Version};
use larder_store::envelope::{Marks, Stored, decode, encode};

/// Bytes that are an entry are that entry when it is written again; any entry comes back.
pub fn check(data: &[u8]) {
    if let Ok(stored) = decode(&Bytes::copy_from_slice(data)) {
        written_again(stored);
    }
    // What runs out of bytes is no input of this half.
    if let Ok(entry) = entry(&mut Unstructured::new(data)) {
        comes_back(entry);
    }
}

/// Scripts alone expire entries and note bans, so that writing knows neither.
fn written_again(stored: Stored) {
    let Marks { id, read, .. } = stored.marks;
    let again = encode(&stored.entry, id, read).expect("its head fitted");
    let marks = Marks {
        id,
        expired: None,
        read,
        bans: 0,
    };
    let entry = stored.entry;
    assert_eq!(decode(&again.into()), Ok(Stored { entry, marks }));
}

fn comes_back(entry: Entry) {
    let (id, read) = (entry.windows.created.0, entry.windows.fresh_until);
    let marks = Marks {
        id,
        expired: None,
        read,
        bans: 0,
    };
    let bytes: Bytes = encode(&entry, id, read)
        .expect("its names are short")
        .into();
    let kept = entry.value.as_ref().or(entry.absent.as_ref());
    let head = bytes.len() - kept.map_or(0, |value| value.bytes.len());
    let before = decode(&bytes.slice(..head)).expect("it can be judged without its payload");
    assert_eq!(before.entry.dependencies, entry.dependencies);
    assert!(decode(&bytes.slice(..head - 1)).is_err());
    assert_eq!(decode(&bytes), Ok(Stored { entry, marks }));
}

fn entry(from: &mut Unstructured<'_>) -> Result<Entry> {
    let times: [u64; 5] = from.arbitrary()?;
    let mut dependencies = Vec::new();
    for _ in 0..from.int_in_range(0..=4)? {
        let of = Dependency::tag(from.arbitrary()?, from.arbitrary()?);
        let (purge, expire) = from.arbitrary()?;
        dependencies.push((of, Version { purge, expire }));
    }
    let policy = Identity {
        name: from.arbitrary()?,
        version: from.arbitrary()?,
        revision: from.arbitrary()?,
        contract: from.arbitrary()?,
        settings: String::new(),
    };
    let placements = [
        Placement::EveryTier,
        Placement::SharedOnly,
        Placement::MemoryOnly,
    ];
    let (value, said) = (value(from)?, value(from)?);
    let said = said.filter(|said| value.is_none() && said.head.is_some());
    Ok(Entry {
        logical: from.arbitrary()?,
        windows: Windows {
            created: Timestamp(times[0]),
            fresh_until: Timestamp(times[1]),
            revalidate_until: Timestamp(times[2]),
            error_until: Timestamp(times[3]),
        },
        time_to_idle_ms: times[4],
        load_ms: from.arbitrary()?,
        dependencies,
        policy: Arc::new(policy),
        placement: *from.choose(&placements)?,
        sealed: from.arbitrary()?,
        value,
        absent: said,
    })
}

/// Some value, or none.
pub(crate) fn value(from: &mut Unstructured<'_>) -> Result<Option<Value>> {
    if from.arbitrary()? {
        return Ok(None);
    }
    Ok(Some(Value {
        content_type: from.arbitrary()?,
        bytes: Bytes::copy_from_slice(from.arbitrary()?),
        head: head(from)?,
    }))
}

/// A status and header lines, where they may be those of a value.
fn head(from: &mut Unstructured<'_>) -> Result<Option<Arc<Head>>> {
    let status = from.arbitrary()?;
    let lines: Vec<(&str, &[u8])> = from.arbitrary()?;
    let lines = lines.into_iter();
    let lines = lines.map(|(name, value)| (name, Bytes::copy_from_slice(value)));
    Ok(Head::new(status, lines).unwrap_or_default())
}
