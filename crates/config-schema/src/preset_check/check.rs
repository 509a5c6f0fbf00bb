//! The check of a folder.

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use super::{
    Fault, Finding, PresetFile, Rule, family,
    files::{self, NamedText},
    single,
};
use crate::{
    Config, Origin, Problem,
    error::{ConfigError, ConfigErrors, Report},
    layer::{self, Place},
    presets, render,
    resolve::{Layers, Values, resolve_with_values},
    source::Source,
    warning::{StatedKey, Warning},
};

/// What a check needs: the files, and what is known of what is not among them.
#[derive(Clone, Copy)]
pub struct PresetCheck<'a> {
    /// Name of the folder.
    pub folder: &'a str,
    /// All that is in the folder and in those within it.
    pub files: &'a [PresetFile],
    /// Whether the program was built from these files: then each is part of it, and all of its presets are among them.
    pub own: bool,
    /// Finds a preset that none of the files is.
    pub elsewhere: &'a dyn Fn(&str) -> Option<Source>,
    /// Rules that are not applied.
    pub left_out: &'a [Rule],
}

/// What training with a preset asks for, as far as the caller knows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Demand {
    /// Peak of device memory by plan, in bytes; `None` where there is no plan.
    pub peak_bytes: Option<u64>,
    /// The budget to compare it with, in bytes; `None` where the preset names no memory.
    pub budget_bytes: Option<u64>,
    /// Host memory that preloaded images take before compression, in bytes; `None` where none are, or where it is not
    /// known.
    pub preload_bytes: Option<u64>,
    /// Why the settings do not describe a model, where they do not.
    pub unbuildable: Option<String>,
    /// Why there is no plan for another reason.
    pub unplanned: Option<String>,
}

/// A preset that was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedPreset {
    /// Its name.
    pub name: String,
    /// Its file.
    pub file: String,
    /// What it asks for; `None` where it does not resolve.
    pub demand: Option<Demand>,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The presets that were seen, in the order of the files.
    pub presets: Vec<CheckedPreset>,
    /// Number of rules that were applied.
    pub rules: usize,
    /// All breaches of them, by file and place.
    pub findings: Vec<Finding>,
}

impl std::fmt::Debug for PresetCheck<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PresetCheck")
            .field("folder", &self.folder)
            .field("files", &self.files)
            .field("own", &self.own)
            .field("left_out", &self.left_out)
            .finish_non_exhaustive()
    }
}

impl PresetCheck<'_> {
    /// Applies every rule. `demand` is asked once for each preset that resolves, by name.
    pub fn run(&self, demand: &mut dyn FnMut(&str, &Config) -> Demand) -> Verdict {
        let mut findings = Findings::new(self.left_out);
        let texts = files::named(self.files, self.own, &mut findings);
        self.nothing_missing(&texts, &mut findings);

        let mut members = Vec::new();
        let mut seen = Vec::new();
        for text in &texts {
            let member = self.member(text, &texts, &mut findings);
            let demand = member.as_ref().map(|(member, warnings)| {
                single::in_effect(member, warnings, &mut findings);
                demand(&text.name, &member.config)
            });
            seen.push(CheckedPreset {
                name: text.name.clone(),
                file: text.source.name.clone(),
                demand,
            });
            members.extend(member.map(|(member, _)| member));
        }
        let mut all = Presets {
            members,
            given: texts.iter().map(|text| text.source.name.clone()).collect(),
        };
        for (member, preset) in all.checked_with(&seen) {
            single::demand(member, preset, &all, &mut findings);
        }
        if !self.own {
            all.members.extend(of_the_program(&texts));
        }
        single::described(&all, &mut findings);
        family::check(&all, &mut findings);
        Verdict {
            presets: seen,
            rules: Rule::ALL
                .iter()
                .filter(|rule| !self.left_out.contains(rule))
                .count(),
            findings: findings.sorted(),
        }
    }

    /// Every preset of the program has been seen, and at least one preset.
    fn nothing_missing(&self, texts: &[NamedText], findings: &mut Findings) {
        let folder = || (Arc::new(Source::new(self.folder, "")), None);
        if self.files.is_empty() {
            let help = "name a folder that has presets, with `--dir`";
            findings.add(folder(), Fault::NoPreset, help);
        } else if self.own {
            let unseen = presets::embedded()
                .iter()
                .filter(|preset| texts.iter().all(|text| text.name != preset.name));
            for preset in unseen {
                let name = preset.name.to_owned();
                let help = "put the file back, or take the name out of `EMBEDDED` in \
                            crates/config-schema/src/presets.rs";
                findings.add(folder(), Fault::NotSeen { name }, help);
            }
        }
    }

    /// A preset that resolves, with its warnings; otherwise `None` and at least one finding.
    fn member(
        &self,
        text: &NamedText,
        texts: &[NamedText],
        findings: &mut Findings,
    ) -> Option<(Member, Vec<Warning>)> {
        // Only the program's own presets are known by name; others are known by path, as `--preset` would have it.
        let named = |text: &NamedText| {
            let by_name = if self.own {
                &text.name
            } else {
                &text.source.name
            };
            by_name.clone()
        };
        let lookup = |name: &str| match texts.iter().find(|text| named(text) == name) {
            Some(text) => Some(Source::clone(&text.source)),
            None => (self.elsewhere)(name),
        };
        match member(&named(text), text, &lookup) {
            Ok(found) => Some(found),
            Err(ConfigErrors { errors }) => {
                for mut error in errors {
                    if let Problem::UnknownPreset { name } = &error.problem {
                        error.help = Some(files::known_names(name, text, texts));
                    }
                    findings.problem(error, &text.source);
                }
                None
            }
        }
    }
}

/// The presets of the program that no file of the folder takes the place of, to compare with.
fn of_the_program(texts: &[NamedText]) -> Vec<Member> {
    presets::embedded()
        .iter()
        .filter(|preset| texts.iter().all(|text| text.name != preset.name))
        .filter_map(|preset| {
            let text = NamedText {
                name: preset.name.to_owned(),
                source: Arc::new(presets::lookup(preset.name)?),
            };
            let (member, _) = member(preset.name, &text, &presets::lookup).ok()?;
            Some(member)
        })
        .collect()
}

/// The preset of a text, which is `named` in `lookup`.
fn member(
    named: &str,
    text: &NamedText,
    lookup: &dyn Fn(&str) -> Option<Source>,
) -> Result<(Member, Vec<Warning>), ConfigErrors> {
    let (resolved, values) = resolve_with_values(&Layers::preset(named), lookup)?;
    // What a preset does not state comes from where it extends another.
    let source = &text.source;
    let extends = layer::read_file(source, Some(named), &mut Report::default()).extends;
    let member = Member {
        name: text.name.clone(),
        home: extends.map_or((Arc::clone(source), 0..0), |(_, place)| place),
        config: resolved.config,
        values,
    };
    Ok((member, resolved.warnings))
}

/// A preset that resolves.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: String,
    /// Where its file says what it extends, else the file's beginning.
    pub(super) home: Place,
    pub(super) config: Config,
    values: Values,
}

impl Member {
    /// A key with its value and who decided it.
    pub(super) fn key(&self, path: &str) -> StatedKey {
        let origin = self.values.get(path).map(|value| value.origin.clone());
        StatedKey {
            key: path.to_owned(),
            value: render::value_of(&self.config, path).unwrap_or_default(),
            origin: origin.unwrap_or(Origin::Default),
        }
    }

    /// Where a key is stated, and in the how-manieth layer.
    pub(super) fn stated(&self, path: &str) -> Option<&(usize, Place)> {
        self.values.get(path)?.stated.as_ref()
    }
}

/// The presets that resolve.
#[derive(Debug)]
pub(super) struct Presets {
    pub(super) members: Vec<Member>,
    /// Names of the files that are checked. The others are there to be compared with.
    given: BTreeSet<String>,
}

impl Presets {
    pub(super) fn is_given(&self, member: &Member) -> bool {
        self.given.contains(&member.home.0.name)
    }

    /// The place to show for values of presets, the one most at fault first: a statement in a file that is checked, else
    /// what such a file extends.
    pub(super) fn place(&self, values: &[(&Member, &str)]) -> Place {
        let stated = values
            .iter()
            .filter_map(|(member, path)| member.stated(path))
            .map(|(_, place)| place)
            .find(|(source, _)| self.given.contains(&source.name));
        let home = || {
            let members = || values.iter().map(|(member, _)| member);
            let given = members().find(|member| self.is_given(member));
            given.or(members().next()).map(|member| &member.home)
        };
        let nowhere = || (Arc::new(Source::new("", "")), 0..0);
        stated.or_else(home).cloned().unwrap_or_else(nowhere)
    }

    fn checked_with<'a>(
        &'a self,
        seen: &'a [CheckedPreset],
    ) -> impl Iterator<Item = (&'a Member, &'a Demand)> {
        let asked = seen.iter().filter_map(|preset| preset.demand.as_ref());
        self.members.iter().zip(asked)
    }
}

/// Collects findings; those of rules that are left out are dropped.
#[derive(Debug)]
pub(super) struct Findings {
    left_out: Vec<Rule>,
    all: Vec<Finding>,
    before: Option<Rule>,
}

impl Findings {
    fn new(left_out: &[Rule]) -> Self {
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

    fn problem(&mut self, error: ConfigError, file: &Arc<Source>) {
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

    fn sorted(mut self) -> Vec<Finding> {
        self.all.sort_by(|a, b| {
            let place = |finding: &Finding| finding.span.as_ref().map(|span| span.start);
            let file = a.source.name.cmp(&b.source.name);
            file.then_with(|| place(a).cmp(&place(b)))
        });
        self.all
    }
}
