//! The policy for answers of language models: one entry for each model, prompt and set of
//! parameters, and none where the answer is meant to vary. Finding similar prompts is left out:
//! only equal inputs share an answer.

use larder_sdk::{duration, prelude::*};
use serde::Deserialize;
use sha2::{Digest, Sha256};

const MODEL: &str = "context.model";
const PROMPT: &str = "context.prompt";
const PROMPT_VERSION: &str = "context.prompt-version";
const TEMPERATURE: &str = "context.temperature";

/// Everything else that the application says.
const ALL: &str = "context.*";

/// What is known to shape an answer, and so is part of the key.
const INPUTS: [&str; 15] = [
    MODEL,
    PROMPT,
    PROMPT_VERSION,
    TEMPERATURE,
    "context.system",
    "context.messages",
    "context.tools",
    "context.response-format",
    "context.max-tokens",
    "context.top-p",
    "context.top-k",
    "context.stop",
    "context.seed",
    "context.frequency-penalty",
    "context.presence-penalty",
];

/// What providers take where a request names no temperature.
const USUAL_TEMPERATURE: f32 = 1.0;

/// Answers of language models.
#[derive(Debug)]
pub struct Llm {
    settings: Settings,
}

/// What an operator can change.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The caching pattern: `cache_aside` or `bypass`. Default: `cache_aside`.
    pub strategy: Strategy,
    /// How long an answer is kept. Default: 1d.
    #[serde(with = "duration")]
    pub ttl: Duration,
    /// Requests hotter than this are not cached; one without a temperature counts as 1.
    /// Default: 0.2.
    pub max_temperature: f32,
    /// Inputs that do not shape the answer, for example `context.trace-id`. Any other one that this
    /// policy does not know keeps a request out of the cache. Default: none.
    pub ignore: Vec<String>,
    /// How long a model may take to answer: as long as that, one caller has the right to ask it.
    /// Default: 1m.
    #[serde(with = "duration")]
    pub answer_within: Duration,
    /// How long others wait for that answer before they ask for themselves. Default: 30s.
    #[serde(with = "duration")]
    pub wait: Duration,
    /// Store answers encrypted, for prompts hold what users type. Default: false.
    pub encrypt: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            strategy: Strategy::CacheAside,
            ttl: days(1),
            max_temperature: 0.2,
            ignore: Vec::new(),
            answer_within: minutes(1),
            wait: seconds(30),
            encrypt: false,
        }
    }
}

impl Policy for Llm {
    type Settings = Settings;

    fn manifest() -> Manifest {
        Manifest::new("llm", env!("CARGO_PKG_VERSION"))
            .summary("Answers of language models, keyed by model, prompt and parameters")
            .reads_all(INPUTS)
            .reads(ALL)
    }

    fn new(settings: Settings) -> Result<Self, Error> {
        let max = settings.max_temperature;
        if !max.is_finite() || max < 0.0 {
            return Err(format!("settings: `max_temperature` is {max}; give 0 or more").into());
        }
        if !matches!(settings.strategy, Strategy::CacheAside | Strategy::Bypass) {
            return Err(
                "settings: `strategy` has to be `cache_aside` (or `bypass`): no origin is sent \
                 prompt and model (`context.*`), so the application asks the model, and puts the \
                 answer under its lease or gives it to get_or_load"
                    .into(),
            );
        }
        for name in &settings.ignore {
            if !name.starts_with("context.") || INPUTS.contains(&name.as_str()) {
                return Err(format!(
                    "settings: `ignore` names `{name}`; give inputs `context.…` that do not shape \
                     the answer"
                )
                .into());
            }
        }
        Ok(Self { settings })
    }

    fn decide(&self, request: &Request) -> Result<Decision, Error> {
        let model = request.attribute(MODEL).unwrap_or("unknown");
        let name = key([&request.resource, model, &fingerprint(request)]);
        if let Some(reason) = self.reason_to_bypass(request) {
            return Ok(Decision::bypass(name).because(reason));
        }
        let mut decision = Decision::new(self.settings.strategy, name)
            .ttl(self.settings.ttl)
            .jitter(10)
            // An answer takes seconds and money: one in the whole cluster is enough.
            .one_load_per_cluster()
            .hard_timeout(self.settings.answer_within)
            .soft_timeout(self.settings.wait)
            .tag(key(["model", model]))
            .because("same model, prompt and parameters");
        decision.encrypt = self.settings.encrypt;
        if let Some(version) = request.attribute(PROMPT_VERSION) {
            decision = decision.tag(key(["prompt-version", version]));
        }
        Ok(decision)
    }
}

impl Llm {
    /// An input that may shape the answer, and is no part of the key.
    fn unknown<'a>(&self, request: &'a Request) -> Option<&'a str> {
        let mut names = request.attributes.iter().map(|(name, _)| name.as_str());
        names.find(|name| {
            !INPUTS.contains(name) && !self.settings.ignore.iter().any(|known| known == name)
        })
    }

    fn reason_to_bypass(&self, request: &Request) -> Option<String> {
        if let Some(name) = self.unknown(request) {
            return Some(format!(
                "`{name}` is no input that this policy knows, and may shape the answer; if it does \
                 not, name it in the setting `ignore`"
            ));
        }
        if request.attribute(MODEL).is_none() {
            return Some(format!("no `{MODEL}` is given"));
        }
        if request
            .attribute(PROMPT)
            .or(request.attribute("context.messages"))
            .is_none()
        {
            return Some(format!(
                "neither `{PROMPT}` nor `context.messages` is given"
            ));
        }
        let max = self.settings.max_temperature;
        let mut temperatures = request.attributes_named(TEMPERATURE).peekable();
        if temperatures.peek().is_none() && USUAL_TEMPERATURE > max {
            return Some(format!(
                "no temperature is given, which counts as 1; above {max}"
            ));
        }
        temperatures.find_map(|text| match text.trim().parse::<f32>() {
            Ok(temperature) if temperature <= max => None,
            Ok(temperature) => Some(format!("temperature {temperature} is above {max}")),
            Err(_) => Some(format!("`{TEMPERATURE}` is no number")),
        })
    }
}

/// A digest of all that shapes the answer. Every text is preceded by its length, so that no text
/// can be taken for the end of another one.
fn fingerprint(request: &Request) -> String {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    add(&request.id);
    for name in INPUTS {
        for value in request.attributes_named(name) {
            add(name);
            add(value);
        }
    }
    let mut text = String::with_capacity(64);
    for byte in hash.finalize() {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
    text
}

register!(Llm);

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn llm(settings: &str) -> Result<Llm, Error> {
        larder_sdk::parse_settings(settings).and_then(Llm::new)
    }

    fn ask(temperature: &str) -> Request {
        Request::read("completion", "summary")
            .with(MODEL, "small-2")
            .with(PROMPT, "Sum this up.")
            .with(TEMPERATURE, temperature)
    }

    fn decide(request: &Request) -> Decision {
        llm("{}").unwrap().decide(request).unwrap()
    }

    #[test]
    fn equal_inputs_share_an_answer_in_any_order() {
        let decision = decide(&ask("0").with(PROMPT_VERSION, "7"));
        assert_eq!(decision.strategy, Strategy::CacheAside);
        let digest = decision.key.strip_prefix("completion:small-2:").unwrap();
        assert_eq!(digest.len(), 64);
        assert_eq!(decision.tags, ["model:small-2", "prompt-version:7"]);

        let mut turned = ask("0").with(PROMPT_VERSION, "7");
        turned.attributes.reverse();
        assert_eq!(decide(&turned).key, decision.key);
    }

    #[test]
    fn whatever_shapes_the_answer_is_part_of_the_key() {
        let mut keys = HashSet::new();
        assert!(keys.insert(decide(&ask("0")).key));
        for name in INPUTS {
            let request = ask("0").with(name, "0.1");
            assert!(keys.insert(decide(&request).key), "{name}");
        }
        let mut other = ask("0");
        other.id = "translation".to_owned();
        assert!(keys.insert(decide(&other).key), "the id");
    }

    #[test]
    fn texts_cannot_be_shifted_from_one_input_into_the_next() {
        let request = |prompt: &str, system: &str| {
            fingerprint(
                &Request::read("completion", "1")
                    .with(PROMPT, prompt)
                    .with("context.system", system),
            )
        };
        assert_ne!(request("ab", "c"), request("a", "bc"));
        assert_ne!(
            request("a", "context.system"),
            request("acontext.system", "")
        );
    }

    #[test]
    fn what_the_policy_does_not_know_keeps_a_request_out_of_the_cache() {
        for name in [
            "context.tool-choice",
            "context.n",
            "context.logit-bias",
            "context.",
        ] {
            let request = ask("0").with(name, "1");
            let decision = decide(&request);
            assert_eq!(decision.strategy, Strategy::Bypass, "{name}");
            assert!(decision.reason.contains(&format!("`{name}`")));
            assert!(decision.reason.contains("`ignore`"));
        }
        let ignoring = llm(r#"{"ignore": ["context.trace-id"]}"#).unwrap();
        let traced = |id: &str| ask("0").with("context.trace-id", id);
        let one = ignoring.decide(&traced("a")).unwrap();
        assert_eq!(one.strategy, Strategy::CacheAside);
        assert_eq!(one.key, ignoring.decide(&traced("b")).unwrap().key);
        let other = ignoring
            .decide(&traced("a").with("context.n", "2"))
            .unwrap();
        assert_eq!(other.strategy, Strategy::Bypass);
    }

    #[test]
    fn one_caller_may_take_as_long_as_a_model_does_and_others_wait() {
        let decision = decide(&ask("0"));
        assert_eq!(decision.loading.stampede, Stampede::PerCluster);
        assert_eq!(decision.loading.hard_timeout, minutes(1));
        assert_eq!(decision.loading.soft_timeout, seconds(30));
    }

    #[test]
    fn settings_that_could_only_go_wrong_are_refused() {
        for (settings, message) in [
            (
                r#"{"strategy": "read_through"}"#,
                "no origin is sent prompt and model",
            ),
            (r#"{"strategy": "write_through"}"#, "`cache_aside`"),
            (r#"{"strategy": "write_behind"}"#, "`cache_aside`"),
            (r#"{"ignore": ["trace-id"]}"#, "`ignore` names `trace-id`"),
            (r#"{"ignore": ["context.prompt"]}"#, "do not shape"),
            (r#"{"max_temperature": -1}"#, "give 0 or more"),
        ] {
            let error = llm(settings).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        assert!(llm(r#"{"strategy": "bypass"}"#).is_ok());
    }

    #[test]
    fn answers_meant_to_vary_are_not_cached() {
        let unnamed = Request::read("completion", "1")
            .with(MODEL, "m")
            .with(PROMPT, "p");
        let hot = Request::read("completion", "1").with(TEMPERATURE, "0");
        for (settings, request, reason) in [
            ("{}", ask("0.2"), None),
            ("{}", ask("0.21"), Some("0.21 is above 0.2")),
            ("{}", ask("NaN"), Some("NaN is above")),
            ("{}", ask("warm"), Some("no number")),
            ("{}", unnamed.clone(), Some("no temperature")),
            (r#"{"max_temperature": 1}"#, unnamed, None),
            ("{}", hot.clone(), Some("no `context.model`")),
            ("{}", hot.with(MODEL, "m"), Some("neither `context.prompt`")),
        ] {
            let decision = llm(settings).unwrap().decide(&request).unwrap();
            let bypassed = decision.strategy == Strategy::Bypass;
            assert_eq!(bypassed, reason.is_some(), "{}", decision.reason);
            assert!(
                decision.reason.contains(reason.unwrap_or("same")),
                "{}",
                decision.reason
            );
        }
    }
}
