//! The check of a folder.

use std::sync::Arc;

use config_schema::{Config, ConfigErrors, Layers, Problem, Source, presets, resolve_with_places};

use super::{
    Fault, Finding, PresetFile, Rule, family,
    files::{self, NamedText},
    findings::Findings,
    members::{Demand, Member, Presets},
    single,
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

impl Verdict {
    /// Whether there is a finding that is more than a warning.
    pub fn is_broken(&self) -> bool {
        self.findings.iter().any(|finding| !finding.rule.warns())
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
            let demand = member
                .as_ref()
                .map(|member| demand(&text.name, &member.config));
            seen.push(CheckedPreset {
                name: text.name.clone(),
                file: text.source.name.clone(),
                demand,
            });
            members.extend(member);
        }
        let mut all = Presets {
            members,
            given: texts.iter().map(|text| text.source.name.clone()).collect(),
        };
        let asked = seen.iter().filter_map(|preset| preset.demand.as_ref());
        for (member, demand) in all.members.iter().zip(asked) {
            single::demand(member, demand, &all, &mut findings);
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

    /// A preset that resolves; otherwise `None` and at least one finding.
    fn member(
        &self,
        text: &NamedText,
        texts: &[NamedText],
        findings: &mut Findings,
    ) -> Option<Member> {
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
            member(preset.name, &text, &presets::lookup).ok()
        })
        .collect()
}

/// The preset of a text, which is `named` in `lookup`.
fn member(
    named: &str,
    text: &NamedText,
    lookup: &dyn Fn(&str) -> Option<Source>,
) -> Result<Member, ConfigErrors> {
    let (resolved, places) = resolve_with_places(&Layers::preset(named), lookup)?;
    let beginning = || (Arc::clone(&text.source), 0..0);
    Ok(Member {
        name: text.name.clone(),
        // What a preset does not state comes from where it extends another.
        home: places.extends.unwrap_or_else(beginning),
        config: resolved.config,
        origins: resolved.origins,
        stated: places.stated,
    })
}
