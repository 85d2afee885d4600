//! The policy `standard` in Rego, by regorus: interpreted, and compiled for its virtual machine.
//!
//! The time is that of building the input and of evaluating one rule; the answer stays a value of
//! regorus.

use std::hint::black_box;

use anyhow::Result;
use larder::Request;
use larder::core::Decision;
use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::vm::RegoVM;
use regorus::{Engine, Value};

use crate::question::Subject;
use crate::settings::Settings;

const POLICY: &str = include_str!("../policies/standard.rego");
const RULE: &str = "data.larder.decision";

fn engine(settings: &Settings) -> Result<Engine> {
    let mut engine = Engine::new();
    engine.add_policy("standard.rego".to_owned(), POLICY.to_owned())?;
    let data = serde_json::json!({ "settings": settings });
    engine.add_data_json(&data.to_string())?;
    Ok(engine)
}

fn input(request: &Request) -> Result<Value> {
    let text = |text: &str| Value::from(text);
    let pairs = request.attributes.iter();
    let attributes: Vec<Value> = pairs
        .map(|(name, value)| Value::from(vec![text(name), text(value)]))
        .collect();
    let mut input = Value::new_object();
    let fields = input.as_object_mut()?;
    fields.insert(text("operation"), text(request.operation.as_str()));
    fields.insert(text("resource"), text(&request.resource));
    fields.insert(text("id"), text(&request.id));
    fields.insert(text("attributes"), Value::from(attributes));
    Ok(input)
}

fn decision(answer: &Value) -> Result<Decision> {
    Ok(serde_json::from_str(&answer.to_json_str()?)?)
}

/// The interpreter, its engine prepared once.
pub struct Interpreted(Engine);

impl Interpreted {
    /// Prepares it.
    ///
    /// # Errors
    /// The policy does not compile.
    pub fn start(settings: &Settings) -> Result<Self> {
        Ok(Self(engine(settings)?))
    }

    fn ask(&mut self, request: &Request) -> Result<Value> {
        self.0.set_input(input(request)?);
        self.0.eval_rule(RULE.to_owned())
    }
}

impl Subject for Interpreted {
    fn name(&self) -> &'static str {
        "regorus, interpreter"
    }

    fn decide(&mut self, request: &Request) -> Result<Decision> {
        decision(&self.ask(request)?)
    }

    fn run(&mut self, request: &Request, times: u32) -> Result<()> {
        for _ in 0..times {
            black_box(self.ask(black_box(request))?);
        }
        Ok(())
    }
}

/// The virtual machine, its program compiled once.
pub struct Compiled(RegoVM);

impl Compiled {
    /// Compiles the policy.
    ///
    /// # Errors
    /// The policy does not compile.
    pub fn start(settings: &Settings) -> Result<Self> {
        let mut engine = engine(settings)?;
        let policy = engine.compile_with_entrypoint(&RULE.into())?;
        let mut machine = RegoVM::new();
        machine.load_program(Compiler::compile_from_policy(&policy, &[RULE])?);
        machine.set_data(engine.get_data())?;
        Ok(Self(machine))
    }

    fn ask(&mut self, request: &Request) -> Result<Value> {
        self.0.set_input(input(request)?);
        Ok(self.0.execute_entry_point_by_index(0)?)
    }
}

impl Subject for Compiled {
    fn name(&self) -> &'static str {
        "regorus, virtual machine"
    }

    fn decide(&mut self, request: &Request) -> Result<Decision> {
        decision(&self.ask(request)?)
    }

    fn run(&mut self, request: &Request, times: u32) -> Result<()> {
        for _ in 0..times {
            black_box(self.ask(black_box(request))?);
        }
        Ok(())
    }
}
