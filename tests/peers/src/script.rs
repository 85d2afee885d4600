//! The policy `standard` as a script, by rhai.
//!
//! The time is that of building the request and of running the script, which is compiled once; the
//! answer stays a value of rhai.

use std::hint::black_box;

use anyhow::{Result, anyhow};
use larder::Request;
use larder::core::Decision;
use rhai::serde::{from_dynamic, to_dynamic};
use rhai::{AST, Array, Dynamic, Engine, Map, Scope};

use crate::question::Subject;
use crate::settings::Settings;

const SCRIPT: &str = include_str!("../policies/standard.rhai");

/// The script with its settings.
pub struct Script {
    engine: Engine,
    script: AST,
    scope: Scope<'static>,
}

impl Script {
    /// Compiles the script.
    ///
    /// # Errors
    /// The script does not compile.
    pub fn start(settings: &Settings) -> Result<Self> {
        let engine = Engine::new();
        let script = engine.compile(SCRIPT)?;
        let mut scope = Scope::new();
        let settings = to_dynamic(settings).map_err(|error| anyhow!("{error}"))?;
        scope.push_constant_dynamic("settings", settings);
        Ok(Self {
            engine,
            script,
            scope,
        })
    }

    fn ask(&mut self, request: &Request) -> Result<Dynamic> {
        let settings = self.scope.len();
        self.scope.push_constant_dynamic("request", input(request));
        let answer = self
            .engine
            .eval_ast_with_scope::<Dynamic>(&mut self.scope, &self.script);
        self.scope.rewind(settings);
        answer.map_err(|error| anyhow!("{error}"))
    }
}

fn input(request: &Request) -> Dynamic {
    let pairs = request.attributes.iter();
    let attributes: Array = pairs
        .map(|(name, value)| Dynamic::from_array(vec![name.into(), value.into()]))
        .collect();
    let mut input = Map::new();
    input.insert("operation".into(), request.operation.as_str().into());
    input.insert("resource".into(), (&request.resource).into());
    input.insert("id".into(), (&request.id).into());
    input.insert("attributes".into(), attributes.into());
    input.into()
}

impl Subject for Script {
    fn name(&self) -> &'static str {
        "rhai"
    }

    fn decide(&mut self, request: &Request) -> Result<Decision> {
        // By way of JSON: rhai's numbers do not become narrower ones.
        let answer: serde_json::Value =
            from_dynamic(&self.ask(request)?).map_err(|error| anyhow!("{error}"))?;
        Ok(serde_json::from_value(answer)?)
    }

    fn run(&mut self, request: &Request, times: u32) -> Result<()> {
        for _ in 0..times {
            let _ = black_box(self.ask(black_box(request))?);
        }
        Ok(())
    }
}
