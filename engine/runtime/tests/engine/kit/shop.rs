use std::collections::HashMap;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all, ready};
use larder::Value;
use larder::origin::{Change, Fetched, Origin, OriginError, Wanted, Written};
use parking_lot::Mutex;

use super::gate::{Gate, Gates};

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    Load,
    /// Stops a write or delete that is committed and not answered yet.
    Write,
}

/// How calls go from now on.
#[derive(Clone, Default)]
struct Mood {
    load_error: Option<OriginError>,
    load_panics: bool,
    takes: Duration,
    /// Each takes a random part of that.
    wavers: bool,
    write_error: Option<OriginError>,
    /// Writes of these are not taken.
    refused: Vec<(String, OriginError)>,
    /// Writes of these values are not taken.
    refused_values: Vec<String>,
    write_panics: bool,
    /// Writes are answered without saying what is there now.
    mute: bool,
    /// More writes at once are too many to be taken in time.
    spoiled: Option<(String, OriginError)>,
    gets_through: Option<usize>,
}

impl Mood {
    async fn pass_time(&self) {
        let share = match self.wavers {
            true => fastrand::f64(),
            false => 1.0,
        };
        if !self.takes.is_zero() {
            tokio::time::sleep(self.takes.mul_f64(share)).await;
        }
    }
}

/// An origin in memory: it counts and logs what it is asked, stops at gates, and fails on demand.
///
/// A load takes the value that is there when it begins; a write is committed when it begins,
/// unless it is refused.
#[derive(Default)]
pub(crate) struct Shop {
    values: Mutex<HashMap<String, Value>>,
    log: Mutex<Vec<String>>,
    mood: Mutex<Mood>,
    gates: Gates<Call>,
    visits: Visits,
}

/// Counts the calls under way, and the most there ever were.
#[derive(Default)]
struct Visits(Mutex<(usize, usize)>);

struct Visit<'a>(&'a Visits);

impl Visits {
    fn enter(&self) -> Visit<'_> {
        let mut now_and_most = self.0.lock();
        now_and_most.0 += 1;
        now_and_most.1 = now_and_most.1.max(now_and_most.0);
        Visit(self)
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        self.0.0.lock().0 -= 1;
    }
}

impl Shop {
    /// Puts a value in behind the engine's back.
    pub(crate) fn set(&self, id: &str, value: &str) {
        let value = Value::new(value.to_owned());
        self.values.lock().insert(format!("/product/{id}"), value);
    }

    pub(crate) fn remove(&self, id: &str) {
        self.values.lock().remove(&format!("/product/{id}"));
    }

    pub(crate) fn holds(&self, id: &str) -> Option<String> {
        super::text(&self.values.lock().get(&format!("/product/{id}")).cloned())
    }

    /// Stops the next call of this kind.
    pub(crate) fn stop(&self, call: Call) -> Gate {
        self.gates.stop(call)
    }

    pub(crate) fn fail_loads(&self, error: Option<OriginError>) {
        self.mood.lock().load_error = error;
    }

    pub(crate) fn panic_in_loads(&self, panics: bool) {
        self.mood.lock().load_panics = panics;
    }

    pub(crate) fn slow_down(&self, ms: u64) {
        self.mood.lock().takes = Duration::from_millis(ms);
    }

    /// Every call takes any time up to so long, so that answers overtake each other.
    pub(crate) fn waver(&self, ms: u64) {
        self.slow_down(ms);
        self.mood.lock().wavers = true;
    }

    pub(crate) fn fail_writes(&self, error: Option<OriginError>) {
        self.mood.lock().write_error = error;
    }

    /// Takes no write of this one, or takes them again.
    pub(crate) fn refuse(&self, id: &str, error: Option<OriginError>) {
        let id = format!("/product/{id}");
        let refused = &mut self.mood.lock().refused;
        refused.retain(|(one, _)| *one != id);
        refused.extend(error.map(|error| (id, error)));
    }

    pub(crate) fn refuse_value(&self, value: &str) {
        self.mood.lock().refused_values.push(value.to_owned());
    }

    pub(crate) fn panic_in_writes(&self) {
        self.mood.lock().write_panics = true;
    }

    pub(crate) fn be_mute(&self) {
        self.mood.lock().mute = true;
    }

    /// Has time for so many writes at once.
    pub(crate) fn get_through(&self, most: usize) {
        self.mood.lock().gets_through = Some(most);
    }

    /// Fails at every batch with a write of this one, whole.
    pub(crate) fn spoil(&self, id: &str, error: OriginError) {
        self.mood.lock().spoiled = Some((id.to_owned(), error));
    }

    /// The most calls that were under way at once.
    pub(crate) fn peak(&self) -> usize {
        self.visits.0.lock().1
    }

    pub(crate) fn loads(&self) -> usize {
        let log = self.log.lock();
        log.iter().filter(|line| line.starts_with("load")).count()
    }

    /// What was asked since the last question.
    pub(crate) fn log(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock())
    }

    fn note(&self, verb: &str, wanted: Wanted<'_>) -> String {
        let id = format!("{}/{}/{}", wanted.tenant, wanted.resource, wanted.id);
        let mut line = format!("{verb} {id}");
        for (name, value) in wanted.attributes {
            line.push_str(&format!(" {name}={value}"));
        }
        self.log.lock().push(line);
        id
    }

    /// Commits, stops at the gate, and answers.
    async fn change(&self, id: String, value: Option<Value>) -> Result<Written, OriginError> {
        let mood = self.mood.lock().clone();
        if let Some(error @ (OriginError::Rejected(_) | OriginError::Unreachable(_))) =
            mood.write_error
        {
            return Err(error);
        }
        if let Some((_, error)) = mood.refused.iter().find(|(one, _)| *one == id) {
            return Err(error.clone());
        }
        if super::text(&value).is_some_and(|text| mood.refused_values.contains(&text)) {
            return Err(OriginError::Rejected("that value".into()));
        }
        let before = match &value {
            Some(value) => self.values.lock().insert(id, value.clone()),
            None => self.values.lock().remove(&id),
        };
        let _visit = self.visits.enter();
        self.gates.pass(Call::Write).await;
        mood.pass_time().await;
        assert!(!mood.write_panics, "told to panic after the commit");
        match mood.write_error {
            Some(error) => Err(error),
            None => Ok(Written {
                value: value.filter(|_| !mood.mute),
                existed: Some(before.is_some()),
                ..Written::default()
            }),
        }
    }
}

impl Origin for Shop {
    fn load<'a>(&'a self, wanted: Wanted<'a>) -> BoxFuture<'a, Result<Fetched, OriginError>> {
        Box::pin(async move {
            let id = self.note("load", wanted);
            let mood = self.mood.lock().clone();
            let value = self.values.lock().get(&id).cloned();
            let _visit = self.visits.enter();
            self.gates.pass(Call::Load).await;
            mood.pass_time().await;
            assert!(!mood.load_panics, "told to panic");
            match mood.load_error {
                Some(error) => Err(error),
                None => Ok(Fetched {
                    attributes: vec![("header.etag".into(), "v1".into())],
                    ..Fetched::of(value)
                }),
            }
        })
    }

    fn write<'a>(
        &'a self,
        wanted: Wanted<'a>,
        value: &'a Value,
    ) -> BoxFuture<'a, Result<Written, OriginError>> {
        let id = self.note("write", wanted);
        Box::pin(self.change(id, Some(value.clone())))
    }

    fn delete<'a>(&'a self, wanted: Wanted<'a>) -> BoxFuture<'a, Result<Written, OriginError>> {
        let id = self.note("delete", wanted);
        Box::pin(self.change(id, None))
    }

    fn apply<'a>(
        &'a self,
        changes: &'a [Change<'a>],
    ) -> BoxFuture<'a, Vec<Result<Written, OriginError>>> {
        let spoiled = self.mood.lock().spoiled.clone();
        let is_spoiled = |id: &str| changes.iter().any(|change| change.wanted.id == id);
        if let Some((_, error)) = spoiled.filter(|(id, _)| is_spoiled(id)) {
            return ready(vec![Err(error); changes.len()]).boxed();
        }
        let most = self.mood.lock().gets_through;
        let late = most.is_some_and(|most| changes.len() > most);
        let each = changes.iter().map(move |change| match change.value {
            _ if late => ready(Err(OriginError::Timeout { limit_ms: 1 })).boxed(),
            Some(value) => self.write(change.wanted, value),
            None => self.delete(change.wanted),
        });
        Box::pin(join_all(each))
    }

    fn summary(&self) -> String {
        "a shop in memory".into()
    }
}
