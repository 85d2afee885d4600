use std::sync::Arc;

use bytes::Bytes;
use larder_core::freshness::Windows;
use larder_core::{Dependency, Head, Identity, Placement, Value, Version};
use proptest::prelude::*;

use super::*;

fn head() -> impl Strategy<Value = Option<Arc<Head>>> {
    let value = prop::collection::vec(0x80..=u8::MAX, 0..9).prop_map(Bytes::from);
    let lines = prop::collection::vec(("x-[a-z]{0,9}", value), 0..4);
    (200..600u16, lines).prop_map(|(status, lines)| Head::new(status, lines).expect("headers"))
}

/// A value, or none and perhaps what the origin said of it.
fn value() -> impl Strategy<Value = (Option<Value>, Option<Value>)> {
    let bytes = prop::collection::vec(any::<u8>(), 0..64);
    let content_type = prop::option::of(".{0,12}");
    let value = (bytes, content_type, head()).prop_map(|(bytes, content_type, head)| Value {
        bytes: bytes.into(),
        content_type: content_type.map(Into::into),
        head,
    });
    (any::<bool>(), prop::option::of(value)).prop_map(|(there, value)| match there {
        true => (value, None),
        // Without a status nothing was said.
        false => (None, value.filter(|value| value.head.is_some())),
    })
}

fn dependencies() -> impl Strategy<Value = Vec<(Dependency, Version)>> {
    let one = (".{0,8}", ".{0,8}", any::<u64>(), any::<u64>());
    let one = one.prop_map(|(tenant, name, purge, expire)| {
        (Dependency::tag(&tenant, &name), Version { purge, expire })
    });
    prop::collection::vec(one, 0..5)
}

fn placement() -> impl Strategy<Value = Placement> {
    prop_oneof![
        Just(Placement::EveryTier),
        Just(Placement::SharedOnly),
        Just(Placement::MemoryOnly)
    ]
}

prop_compose! {
    fn entry()(
        names in (".{0,20}", ".{0,8}", ".{0,8}", ".{0,8}", ".{0,8}", ".{0,8}"),
        (value, absent) in value(),
        times in any::<[u64; 5]>(),
        load_ms: u32,
        dependencies in dependencies(),
        placement in placement(),
        sealed in prop::option::of(".{0,8}"),
    ) -> Entry {
        let (logical, name, version, revision, contract, settings) = names;
        let times = times.map(Timestamp);
        Entry {
            logical: logical.into(),
            value,
            absent,
            windows: Windows {
                created: times[0],
                fresh_until: times[1],
                revalidate_until: times[2],
                error_until: times[3],
            },
            time_to_idle_ms: times[4].0,
            load_ms,
            dependencies,
            policy: Arc::new(Identity { name, version, revision, contract, settings }),
            placement,
            sealed: sealed.map(Into::into),
        }
    }
}

fn encoded(entry: &Entry) -> Bytes {
    encode(entry, 7, Timestamp(9)).expect("short names").into()
}

proptest! {
    #[test]
    fn an_entry_comes_back_as_it_was(entry in entry(), id: u64, read: u64) {
        let bytes = encode(&entry, id, Timestamp(read)).expect("short names").into();
        let marks = Marks { id, expired: None, read: Timestamp(read), bans: 0 };
        prop_assert_eq!(decode(&bytes), Ok(Stored { entry, marks }));
    }

    #[test]
    fn what_is_cut_off_anywhere_before_the_payload_is_damage(entry in entry()) {
        let bytes = encoded(&entry);
        let kept = entry.value.as_ref().or(entry.absent.as_ref());
        let payload = kept.map_or(0, |value| value.bytes.len());
        for end in 0..bytes.len() - payload {
            prop_assert!(decode(&bytes.slice(..end)).is_err(), "cut at {end}");
        }
        let head = decode(&bytes.slice(..bytes.len() - payload)).expect("a whole head");
        prop_assert_eq!(head.entry.logical, entry.logical);
        prop_assert_eq!(head.entry.windows, entry.windows);
    }

    #[test]
    fn damage_never_panics(entry in entry(), at: prop::sample::Index, bit in 0..8u8) {
        let mut bytes = encoded(&entry).to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let _ = decode(&bytes.into());
    }

    #[test]
    fn random_bytes_are_damage(mut bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode(&bytes.clone().into());
        for (at, byte) in MAGIC.iter().enumerate().take(bytes.len()) {
            bytes[at] = *byte;
        }
        prop_assert!(decode(&bytes.into()).is_err());
    }
}

#[test]
fn a_count_is_not_believed() {
    let entry = crate::contract::subject::entry(
        &crate::contract::subject::key("k"),
        "v",
        Vec::new(),
        Timestamp(1),
    );
    let mut bytes = encoded(&entry).to_vec();
    let count = FIXED + 5 * 8;
    bytes[count..count + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let expected = Err(Damage::Short("its dependencies"));
    assert_eq!(decode(&bytes.into()), expected);
}

#[test]
fn another_format_is_told_from_damage() {
    let key = crate::contract::subject::key("k");
    let entry = crate::contract::subject::entry(&key, "v", Vec::new(), Timestamp(1));
    let mut bytes = encoded(&entry).to_vec();
    bytes[3] = b'2';
    assert_eq!(decode(&bytes.into()), Err(Damage::Format));
}

#[test]
fn too_many_names_are_refused() {
    let key = crate::contract::subject::key("k");
    let mut entry = crate::contract::subject::entry(&key, "v", Vec::new(), Timestamp(1));
    entry.logical = "x".repeat(MAX_HEAD).into();
    assert!(encode(&entry, 1, Timestamp(1)).is_err());
}

/// Entries as the builds write them that know of no status and no header lines: plain, without a
/// value, sealed, and without a type.
fn of_before() -> Vec<Entry> {
    let plain = Entry {
        logical: "t:n:k".into(),
        value: Some(Value::json("{}")),
        absent: None,
        windows: Windows {
            created: Timestamp(1),
            fresh_until: Timestamp(2),
            revalidate_until: Timestamp(3),
            error_until: Timestamp(4),
        },
        time_to_idle_ms: 5,
        load_ms: 6,
        dependencies: vec![(
            Dependency::tag("t", "a"),
            Version {
                purge: 7,
                expire: 8,
            },
        )],
        policy: Arc::new(Identity {
            name: "p".into(),
            version: "1".into(),
            revision: "r".into(),
            contract: "c".into(),
            settings: String::new(),
        }),
        placement: Placement::SharedOnly,
        sealed: None,
    };
    let with = |value, sealed: Option<&str>| Entry {
        value,
        sealed: sealed.map(Into::into),
        ..plain.clone()
    };
    vec![
        plain.clone(),
        with(None, None),
        with(plain.value.clone(), Some("key")),
        with(Some(Value::new("v")), None),
    ]
}

#[test]
fn entries_without_header_lines_are_read_and_written_as_builds_before_did() {
    let kept = include_str!("tests/format_1.hex").lines();
    let entries = of_before();
    assert_eq!(kept.clone().count(), entries.len());
    for (kept, entry) in kept.zip(entries) {
        let written = encode(&entry, 9, Timestamp(10)).expect("short names");
        assert_eq!(larder_core::Hex(&written).to_string(), kept);
        let read = decode(&written.into()).expect("an envelope");
        assert_eq!(read.entry, entry);
    }
}
