//! Settings, from JSON to the policy's own type.

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, IntoDeserializer, MapAccess};
use serde_json::{Map, Value};

use crate::error::Error;

/// The settings of a policy that has none: any setting is an error that names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}

/// Reads settings from a JSON object, as the engine hands them over; tests use it to make a policy
/// as an operator would. Nothing at all counts as `{}`, and `{}` will do for `()`.
///
/// # Errors
/// Names the setting and what is wrong with it.
pub fn parse_settings<T: DeserializeOwned>(json: &str) -> Result<T, Error> {
    let json = if json.trim().is_empty() { "{}" } else { json };
    let object: Map<String, Value> = serde_json::from_str(json)
        .map_err(|error| Error::new(format_args!("the settings are no JSON object: {error}")))?;
    let empty = object.is_empty();
    let fields = Fields {
        rest: object.into_iter(),
        value: None,
    };
    match T::deserialize(MapAccessDeserializer::new(fields)) {
        Ok(settings) => Ok(settings),
        // serde takes only null for `()`.
        Err(error) if empty => {
            T::deserialize(Value::Null).map_err(|_| Error::new(format_args!("settings: {error}")))
        }
        Err(error) => Err(Error::new(format_args!("settings: {error}"))),
    }
}

/// The fields of the object. serde names an unknown or missing field itself, but not the one whose
/// value is wrong: that is added here.
struct Fields {
    rest: serde_json::map::IntoIter,
    value: Option<(String, Value)>,
}

impl<'de> MapAccess<'de> for Fields {
    type Error = serde_json::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Self::Error> {
        self.value = self.rest.next();
        match &self.value {
            Some((name, _)) => seed
                .deserialize(name.as_str().into_deserializer())
                .map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, Self::Error> {
        let (name, value) = self.value.take().unwrap_or_default();
        seed.deserialize(value)
            .map_err(|error| Self::Error::custom(format_args!("`{name}`: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only parsed")]
    struct Sample {
        #[serde(default, with = "crate::duration::option")]
        ttl: Option<Duration>,
        #[serde(default)]
        names: Vec<String>,
        #[serde(default)]
        nested: Option<Nested>,
        strategy: crate::Strategy,
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only parsed")]
    struct Nested {
        jitter: u8,
    }

    #[test]
    fn errors_name_the_setting() {
        for (json, message) in [
            (
                r#"{"strategy":"bypass","ttl":"1 hour"}"#,
                "settings: `ttl`: invalid value: string \"1 hour\", expected a duration such as \"250ms\"",
            ),
            (
                r#"{"strategy":"bypass","ttl":60}"#,
                "settings: `ttl`: invalid type: integer `60`",
            ),
            (
                r#"{"strategy":"sometimes"}"#,
                "settings: `strategy`: unknown variant `sometimes`, expected one of `bypass`",
            ),
            (
                r#"{"strategy":"bypass","names":["a",2]}"#,
                "settings: `names`: invalid type: integer `2`",
            ),
            (
                "{\"strategy\":\"bypass\",\n \"nested\":{\"jitter\":300}}",
                "settings: `nested`: invalid value: integer `300`, expected u8",
            ),
            (
                r#"{"strategy":"bypass","names":["\"ttl\":"],"ttl":false}"#,
                "settings: `ttl`: invalid type: boolean `false`",
            ),
            (
                r#"{"stratgy":"bypass"}"#,
                "settings: unknown field `stratgy`, expected one of",
            ),
            (r#"{"ttl":"1s"}"#, "settings: missing field `strategy`"),
            ("[", "no JSON object"),
        ] {
            let error = parse_settings::<Sample>(json).unwrap_err().to_string();
            assert!(error.contains(message), "{json}: {error}");
        }
    }

    #[test]
    fn policies_without_settings_take_an_empty_object() {
        for json in ["", "{}", " { } ", "\n"] {
            assert_eq!(parse_settings::<()>(json), Ok(()), "{json:?}");
            assert_eq!(parse_settings(json), Ok(NoSettings {}), "{json:?}");
        }
        let error = parse_settings::<NoSettings>(r#"{"ttl":"1h"}"#).unwrap_err();
        assert!(error.to_string().contains("unknown field `ttl`"), "{error}");
        assert!(parse_settings::<()>(r#"{"ttl":"1h"}"#).is_err());
    }
}
