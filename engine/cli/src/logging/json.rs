//! A line of the log as one JSON object, in which no key is there twice.
//!
//! The formatter that comes with `tracing-subscriber` puts fields beside `level` and `target`
//! without looking whether one is called so, and readers of JSON differ in which of two they take.

use std::collections::HashSet;
use std::fmt;

use serde::Serializer as _;
use serde::ser::SerializeMap as _;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, Scope};

/// The format: `timestamp`, `level`, what the line says, `target`, and the spans around it.
pub(super) struct OneObject;

impl<S, N> FormatEvent<S, N> for OneObject
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        // Lines of libraries that use `log` come under a target of the bridge's, with their own
        // among the fields.
        let bridged = event.normalized_metadata();
        let meta = bridged.as_ref().unwrap_or_else(|| event.metadata());
        let mut fields = Fields::keeping(&["timestamp", "level", "target", "spans"]);
        event.record(&mut fields);
        if bridged.is_some() {
            fields.all.retain(|(name, _)| !name.starts_with("log."));
        }
        let spans = spans(context);
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut line = Vec::new();
        let written = (|| {
            let mut json = serde_json::Serializer::new(&mut line);
            let mut map = json.serialize_map(None)?;
            map.serialize_entry("timestamp", &time)?;
            map.serialize_entry("level", meta.level().as_str())?;
            for (name, value) in &fields.all {
                map.serialize_entry(name, value)?;
            }
            map.serialize_entry("target", meta.target())?;
            if !spans.is_empty() {
                map.serialize_entry("spans", &spans)?;
            }
            map.end()
        })();
        written.map_err(|_: serde_json::Error| fmt::Error)?;
        let line = String::from_utf8(line).map_err(|_| fmt::Error)?;
        writeln!(writer, "{line}")
    }
}

/// The spans around an event, outermost first, each with its name among its fields.
fn spans<S, N>(context: &FmtContext<'_, S, N>) -> Vec<Value>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    let scope = context.event_scope().into_iter();
    let scope = scope.flat_map(Scope::from_root);
    scope
        .map(|span| {
            let mut fields = Fields::keeping(&[]);
            fields.add("name", Value::from(span.name()));
            if let Some(formatted) = span.extensions().get::<FormattedFields<N>>()
                && let Ok(Value::Object(own)) = serde_json::from_str(&formatted.fields)
            {
                for (name, value) in own {
                    fields.add(&name, value);
                }
            }
            Value::Object(fields.all.into_iter().collect())
        })
        .collect()
}

/// Fields under names that are there once: a name that is taken gets a number.
struct Fields {
    taken: HashSet<String>,
    all: Vec<(String, Value)>,
}

impl Fields {
    fn keeping(names: &[&str]) -> Self {
        Self {
            taken: names.iter().map(|name| (*name).to_owned()).collect(),
            all: Vec::new(),
        }
    }

    fn add(&mut self, name: &str, value: Value) {
        let name = name.strip_prefix("r#").unwrap_or(name);
        let others = (2..).map(|number: u32| format!("{name}_{number}"));
        let mut names = std::iter::once(name.to_owned()).chain(others);
        if let Some(free) = names.find(|name| !self.taken.contains(name)) {
            self.taken.insert(free.clone());
            self.all.push((free, value));
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field.name(), Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field.name(), Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field.name(), Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field.name(), Value::from(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field.name(), Value::from(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field.name(), Value::from(format!("{value:?}")));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use parking_lot::Mutex;
    use serde::de::{Deserializer as _, Error as _, MapAccess, SeqAccess, Visitor};
    use tracing_log::log;
    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::fmt::format::JsonFields;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    /// Fails where a key is there twice, at any depth.
    struct Once;

    impl<'de> serde::de::DeserializeSeed<'de> for Once {
        type Value = ();

        fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
            from.deserialize_any(self)
        }
    }

    impl<'de> Visitor<'de> for Once {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("JSON")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            let mut seen = HashSet::new();
            while let Some(key) = map.next_key::<String>()? {
                map.next_value_seed(Once)?;
                if !seen.insert(key.clone()) {
                    return Err(A::Error::custom(format!("`{key}` is there twice")));
                }
            }
            Ok(())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
            while seq.next_element_seed(Once)?.is_some() {}
            Ok(())
        }

        fn visit_str<E>(self, _: &str) -> Result<(), E> {
            Ok(())
        }

        fn visit_bool<E>(self, _: bool) -> Result<(), E> {
            Ok(())
        }

        fn visit_u64<E>(self, _: u64) -> Result<(), E> {
            Ok(())
        }

        fn visit_i64<E>(self, _: i64) -> Result<(), E> {
            Ok(())
        }

        fn visit_f64<E>(self, _: f64) -> Result<(), E> {
            Ok(())
        }

        fn visit_unit<E>(self) -> Result<(), E> {
            Ok(())
        }
    }

    fn check(line: &str) -> serde_json::Result<()> {
        let mut json = serde_json::Deserializer::from_str(line);
        json.deserialize_any(Once)?;
        json.end()
    }

    fn lines(log: impl FnOnce()) -> Vec<String> {
        let lines = Lines::default();
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(lines.clone())
            .fmt_fields(JsonFields::new())
            .event_format(OneObject);
        let all = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(all, log);
        let bytes = lines.0.lock().clone();
        let text = String::from_utf8(bytes).expect("is UTF-8");
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_parser_sees_keys_that_are_there_twice() {
        check(r#"{"a": 1, "b": [{"a": null}, 1.5, -1, true]}"#).unwrap();
        for twice in [r#"{"a": 1, "a": 1}"#, r#"{"b": [{"a": 1, "a": 2}]}"#] {
            assert!(check(twice).is_err(), "{twice}");
        }
    }

    #[test]
    fn no_key_is_there_twice_whatever_fields_are_called() {
        let error: Box<dyn std::error::Error> = "no".into();
        let all = lines(|| {
            tracing::info!("plain");
            tracing::info!(level = "local", target = "t", timestamp = 1, "taken names");
            tracing::warn!(message = "a field", "and a format");
            tracing::warn!(message = "alone");
            tracing::error!(error = &*error, "with {}", "an error");
            tracing::debug!(r#type = 1, same = 1, same = 2, same_2 = 3, "twice itself");
            let outer = tracing::info_span!("outer", name = "n", key = 1, level = 2);
            outer.in_scope(|| {
                let late = tracing::field::Empty;
                let inner = tracing::info_span!("inner", key = 2, key = 3, late);
                inner.in_scope(|| {
                    inner.record("late", 1);
                    inner.record("late", 2);
                    tracing::trace!(key = 4, spans = "s", span = "x", "in spans");
                });
            });
            tracing::info!(
                not = f64::NAN,
                half = 0.5,
                no = -1,
                yes = true,
                "kinds\n\"of\" values"
            );
        });
        assert_eq!(all.len(), 8, "{all:#?}");
        for line in &all {
            check(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        }
        let read = |at: usize| serde_json::from_str::<Value>(&all[at]).expect("is JSON");
        let taken = read(1);
        assert_eq!(
            (&taken["level"], &taken["level_2"], &taken["message"]),
            (&"INFO".into(), &"local".into(), &"taken names".into())
        );
        let spans = &read(6)["spans"];
        assert_eq!(
            (&spans[0]["name"], &spans[0]["name_2"], &spans[1]["late"]),
            (&"outer".into(), &"n".into(), &2.into())
        );
        assert_eq!(read(7)["message"], "kinds\n\"of\" values");
    }

    #[test]
    fn a_line_of_a_library_that_uses_log_has_its_own_target() {
        let line = lines(|| {
            let record = log::Record::builder()
                .args(format_args!("gone"))
                .level(log::Level::Warn)
                .target("notify::inotify")
                .file(Some("src/inotify.rs"))
                .line(Some(1))
                .build();
            log::Log::log(&tracing_log::LogTracer::new(), &record);
        })
        .remove(0);
        let read: Value = serde_json::from_str(&line).expect("is JSON");
        assert_eq!(read["target"], "notify::inotify", "{line}");
        assert_eq!(read["level"], "WARN", "{line}");
        assert_eq!(
            read.as_object().map(serde_json::Map::len),
            Some(4),
            "{line}"
        );
    }

    #[test]
    fn the_order_is_that_in_which_one_reads() {
        let line = lines(|| tracing::warn!(policy = "a", "it failed")).remove(0);
        let at = |key: &str| line.find(&format!("\"{key}\":")).expect(key);
        assert!(line.starts_with("{\"timestamp\":\""), "{line}");
        assert!(
            at("level") < at("message") && at("message") < at("target"),
            "{line}"
        );
    }
}
