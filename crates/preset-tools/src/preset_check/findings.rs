//! What a check has found so far.

use std::{ops::Range, sync::Arc};

use config_schema::{ConfigError, Place, Source};

use super::{Fault, Finding, Rule};

/// Collects findings; those of rules that are left out are dropped.
#[derive(Debug)]
pub(super) struct Findings {
    left_out: Vec<Rule>,
    all: Vec<Finding>,
    before: Option<Rule>,
}

impl Findings {
    pub(super) fn new(left_out: &[Rule]) -> Self {
        Self {
            left_out: left_out.to_vec(),
            all: Vec::new(),
            before: None,
        }
    }

    pub(super) fn at(&mut self, (source, span): Place, fault: Fault, help: impl Into<String>) {
        self.add((source, Some(span)), fault, help);
    }

    pub(super) fn add(
        &mut self,
        place: (Arc<Source>, Option<Range<usize>>),
        fault: Fault,
        help: impl Into<String>,
    ) {
        self.push(place, fault, Some(help.into()));
    }

    pub(super) fn problem(&mut self, error: ConfigError, file: &Arc<Source>) {
        let place = match (error.source, error.span) {
            (Some(source), span) => (source, span),
            (None, _) => (Arc::clone(file), Some(0..0)),
        };
        self.push(place, Fault::Problem(error.problem), error.help);
    }

    fn push(
        &mut self,
        (source, span): (Arc<Source>, Option<Range<usize>>),
        fault: Fault,
        help: Option<String>,
    ) {
        let rule = fault.rule(self.before);
        self.before = Some(rule);
        // What is wrong with a preset is wrong with all that extend it, too, and is said once.
        let known = self.all.iter().any(|finding| {
            finding.rule == rule && finding.source.name == source.name && finding.span == span
        });
        if !known && !self.left_out.contains(&rule) {
            self.all.push(Finding {
                rule,
                source,
                span,
                fault,
                help,
            });
        }
    }

    pub(super) fn sorted(mut self) -> Vec<Finding> {
        self.all.sort_by(|a, b| {
            let place = |finding: &Finding| finding.span.as_ref().map(|span| span.start);
            let file = a.source.name.cmp(&b.source.name);
            file.then_with(|| place(a).cmp(&place(b)))
        });
        self.all
    }
}
