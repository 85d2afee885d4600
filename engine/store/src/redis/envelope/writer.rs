//! From an entry to bytes.

use larder_core::{Entry, Head, Placement, Timestamp, Value};

use super::{FIXED, HEADED, HeadTooLong, MAGIC, MAX_HEAD, NEGATIVE, NEVER, SEALED, SET, TYPED};

/// The envelope of `entry`, stored by the fill that `id` names and last read at `read`.
///
/// # Errors
/// If the names around the value are longer than [`MAX_HEAD`] together.
pub fn encode(entry: &Entry, id: u64, read: Timestamp) -> Result<Vec<u8>, HeadTooLong> {
    let payload = kept(entry).map_or(&[][..], |value| &value.bytes);
    let names = names(entry);
    let head = FIXED + names.len();
    if head > MAX_HEAD {
        return Err(HeadTooLong(head));
    }
    let mut out = Vec::with_capacity(head + payload.len());
    out.extend_from_slice(MAGIC);
    out.push(flags(entry));
    out.push(placement(entry.placement));
    let (created, read) = (entry.windows.created.0, read.0);
    let text = format!("{head:010}{id:016x}{created:020}{NEVER}{read:020}{:020}", 0);
    out.extend_from_slice(text.as_bytes());
    debug_assert_eq!(out.len(), FIXED);
    out.extend_from_slice(&names);
    out.extend_from_slice(payload);
    Ok(out)
}

/// Its value, or what was said of there being none, which has a status.
fn kept(entry: &Entry) -> Option<&Value> {
    let said = entry.absent.as_ref();
    let said = said.filter(|said| said.head.is_some());
    entry.value.as_ref().or(said)
}

/// The status and header lines of what is kept.
fn lines(entry: &Entry) -> Option<&Head> {
    kept(entry)?.head.as_deref()
}

fn flags(entry: &Entry) -> u8 {
    let typed = kept(entry).and_then(|v| v.content_type.as_ref());
    let mut flags = 0;
    for (set, flag) in [
        (entry.value.is_none(), NEGATIVE),
        (typed.is_some(), TYPED),
        (entry.sealed.is_some(), SEALED),
        (lines(entry).is_some(), HEADED),
        (!entry.policy.settings.is_empty(), SET),
    ] {
        flags |= if set { flag } else { 0 };
    }
    flags
}

const fn placement(placement: Placement) -> u8 {
    match placement {
        Placement::EveryTier => b'e',
        Placement::SharedOnly => b's',
        Placement::MemoryOnly => b'm',
    }
}

/// All between the fixed part and the payload.
fn names(entry: &Entry) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let windows = &entry.windows;
    for number in [
        windows.fresh_until.0,
        windows.revalidate_until.0,
        windows.error_until.0,
        entry.time_to_idle_ms,
        u64::from(entry.load_ms),
    ] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    push_count(&mut out, entry.dependencies.len());
    for (of, version) in &entry.dependencies {
        push_text(&mut out, of.as_str());
        out.extend_from_slice(&version.purge.to_le_bytes());
        out.extend_from_slice(&version.expire.to_le_bytes());
    }
    push_text(&mut out, &entry.logical);
    let policy = &entry.policy;
    for text in [
        &policy.name,
        &policy.version,
        &policy.revision,
        &policy.contract,
    ] {
        push_text(&mut out, text);
    }
    if let Some(typed) = kept(entry).and_then(|v| v.content_type.as_ref()) {
        push_text(&mut out, typed);
    }
    if let Some(key) = &entry.sealed {
        push_text(&mut out, key);
    }
    if let Some(head) = lines(entry) {
        push(&mut out, &head.to_bytes());
    }
    if !policy.settings.is_empty() {
        push_text(&mut out, &policy.settings);
    }
    out
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    push(out, text.as_bytes());
}

fn push(out: &mut Vec<u8>, bytes: &[u8]) {
    push_count(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Counts beyond 32 bits are cut short; what they count is then longer than any head may be.
fn push_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&(count as u32).to_le_bytes());
}
