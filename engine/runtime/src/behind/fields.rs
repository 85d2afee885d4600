//! Rows as JSON objects: what comes of the fields of one write over those of another. Values stay
//! as they are spelled, so that no digit of a number is lost.

use std::collections::HashMap;
use std::fmt;

use larder_core::Value;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The fields of an object in their order, of those with one name the last.
#[derive(Default)]
pub(super) struct Fields<'a> {
    all: Vec<(String, &'a RawValue)>,
    places: HashMap<String, usize>,
}

impl<'a> Fields<'a> {
    /// None where the value is no object.
    pub(super) fn of(value: &'a Value) -> Option<Self> {
        serde_json::from_slice(&value.bytes).ok()
    }

    fn put(&mut self, name: String, value: &'a RawValue) {
        match self.places.get(&name) {
            Some(place) => self.all[*place].1 = value,
            None => {
                self.places.insert(name.clone(), self.all.len());
                self.all.push((name, value));
            }
        }
    }

    /// Puts the fields of a later write over these.
    fn take(&mut self, later: Self) {
        for (name, value) in later.all {
            self.put(name, value);
        }
    }

    /// Whether these are all of the fields that `others` name.
    fn name_all_of(&self, others: &Self) -> bool {
        let mut others = others.all.iter();
        others.all(|(name, _)| self.places.contains_key(name))
    }

    fn text(&self) -> String {
        let mut out = String::from("{");
        for (name, value) in &self.all {
            if out.len() > 1 {
                out.push(',');
            }
            out.push_str(&serde_json::Value::from(name.as_str()).to_string());
            out.push(':');
            out.push_str(value.get());
        }
        out.push('}');
        out
    }
}

/// What successive writes of some fields say together, the later over the earlier; none where one
/// of them is no object. A single one is what it is.
pub(super) fn together(values: &[Value]) -> Option<Value> {
    let (last, before) = values.split_last()?;
    if before.is_empty() {
        return Some(last.clone());
    }
    let mut fields = Fields::default();
    for value in values {
        fields.take(Fields::of(value)?);
    }
    Some(Value {
        bytes: fields.text().into(),
        ..last.clone()
    })
}

/// A row with the fields of a write over its own; none where either is no object, or the write
/// names what the row does not have, as nobody knows what becomes of that.
pub(super) fn over(row: &Value, written: &Value) -> Option<Value> {
    let (mut fields, written) = (Fields::of(row)?, Fields::of(written)?);
    if !fields.name_all_of(&written) {
        return None;
    }
    fields.take(written);
    Some(Value {
        bytes: fields.text().into(),
        ..row.clone()
    })
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Fields::default();
                while let Some((name, value)) = map.next_entry()? {
                    fields.put(name, value);
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: Option<Value>) -> Option<String> {
        value.map(|value| String::from_utf8_lossy(&value.bytes).into_owned())
    }

    #[test]
    fn later_fields_win_and_others_stay() {
        for (values, expected) in [
            (&[r#"{"a":1}"#, r#"{"b":2}"#][..], Some(r#"{"a":1,"b":2}"#)),
            (
                &[r#"{"a":1,"b":1}"#, r#"{"a":2}"#],
                Some(r#"{"a":2,"b":1}"#),
            ),
            (
                &[r#"{"a":1}"#, r#"{"b":2}"#, r#"{"a":null}"#],
                Some(r#"{"a":null,"b":2}"#),
            ),
            // As they are spelled: no number goes through one of the machine's.
            (
                &[
                    r#"{"a":12345678901234567890123,"b":0.10}"#,
                    r#"{"c": [1, {"x": 1e400}]}"#,
                ],
                Some(r#"{"a":12345678901234567890123,"b":0.10,"c":[1, {"x": 1e400}]}"#),
            ),
            // One name has many spellings.
            (&[r#"{"\u0061":1}"#, r#"{"a":2}"#], Some(r#"{"a":2}"#)),
            (
                &[r#"{"q\"\n":1}"#, r#"{"b":2}"#],
                Some(r#"{"q\"\n":1,"b":2}"#),
            ),
            (&[r#"{"a":1,"a":2}"#, "{}"], Some(r#"{"a":2}"#)),
            (&["{}", "{}"], Some("{}")),
            (&["[1]", "{}"], None),
            (&["{}", "no json"], None),
            (&["whatever it is"], Some("whatever it is")),
            (&[], None),
        ] {
            let values: Vec<_> = values.iter().map(|value| Value::json(*value)).collect();
            assert_eq!(text(together(&values)).as_deref(), expected, "{values:?}");
        }
    }

    #[test]
    fn a_row_shows_what_it_has_only() {
        for (row, written, expected) in [
            (
                r#"{"id":"x","a":1,"b":2}"#,
                r#"{"b":3}"#,
                Some(r#"{"id":"x","a":1,"b":3}"#),
            ),
            (r#"{"a":1}"#, r#"{"b":3}"#, None),
            ("1", r#"{"b":3}"#, None),
            (r#"{"a":1}"#, "3", None),
        ] {
            let made = over(&Value::json(row), &Value::json(written));
            assert_eq!(text(made).as_deref(), expected, "{row} {written}");
        }
    }
}
