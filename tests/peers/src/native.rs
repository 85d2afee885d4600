//! The policy `standard` as a plain function, as somebody would write it into a program.

use std::hint::black_box;

use anyhow::Result;
use larder::core::{Decision, Freshness, Loading, Target};
use larder::{Operation, Request};

use crate::question::Subject;
use crate::settings::Settings;

/// Decides about `request`.
#[must_use]
pub fn decide(settings: &Settings, request: &Request) -> Decision {
    let mut entity = String::with_capacity(request.resource.len());
    push_escaped(&mut entity, &request.resource);
    let mut row = String::with_capacity(entity.len() + request.id.len() + 1);
    row.push_str(&entity);
    row.push(':');
    push_escaped(&mut row, &request.id);
    let mut key = row.clone();
    let (mut fields, mut volatile) = (0, false);
    for (name, value) in &request.attributes {
        if name == "query.field" {
            key.push(':');
            push_escaped(&mut key, value);
            fields += 1;
            volatile |= settings.volatile.contains(value);
        }
    }
    let (ttl_ms, reason) = match (volatile, fields) {
        (true, _) => (settings.volatile_ttl_ms, "volatile field"),
        (false, 0) => (settings.default_ttl_ms, "row"),
        (false, _) => (settings.default_ttl_ms, "field"),
    };
    let mut invalidates = Vec::new();
    if request.operation != Operation::Read {
        invalidates.push(Target::Tag(row.clone()));
        if settings.write_invalidates == "entity" {
            invalidates.push(Target::Tag(entity.clone()));
        }
    }
    Decision {
        freshness: Freshness {
            ttl_ms,
            jitter_percent: settings.jitter_percent,
            stale_while_revalidate_ms: settings.stale_while_revalidate_ms.min(ttl_ms),
            stale_if_error_ms: settings.stale_if_error_ms,
            time_to_idle_ms: 0,
            negative_ttl_ms: settings.negative_ttl_ms,
            early_refresh_beta: settings.early_refresh,
        },
        tags: vec![entity, row],
        loading: Loading {
            stampede: settings.stampede,
            ..Loading::default()
        },
        invalidates,
        reason: reason.to_owned(),
        ..Decision::new(settings.strategy, key)
    }
}

fn push_escaped(text: &mut String, part: &str) {
    if !part.contains([':', '%']) {
        return text.push_str(part);
    }
    for c in part.chars() {
        match c {
            ':' => text.push_str("%3A"),
            '%' => text.push_str("%25"),
            c => text.push(c),
        }
    }
}

/// Plain Rust as a subject.
pub struct Native(pub Settings);

impl Subject for Native {
    fn name(&self) -> &'static str {
        "native Rust"
    }

    fn decide(&mut self, request: &Request) -> Result<Decision> {
        Ok(decide(&self.0, request))
    }

    fn run(&mut self, request: &Request, times: u32) -> Result<()> {
        for _ in 0..times {
            black_box(decide(&self.0, black_box(request)));
        }
        Ok(())
    }
}
