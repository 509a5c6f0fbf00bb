//! Broken presets, each caught by the rule that it breaks and by no other.
//!
//! One file because all tests change sound presets through the helpers at its top.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use config_schema::{Config, ImageEncoder, MAX_TEXT_BYTES, Preload, Source, presets};
use preset_tools::preset_check::{Demand, Example, PresetCheck, PresetFile, Rule, Verdict};

/// Marks the line of a broken preset that the finding points at.
const MARK: &str = "# <-";

/// The first line of a broken preset that takes the place of a sound one.
const INSTEAD: &str = "# instead of ";

/// A preset's demand, roughly as a plan would tell it.
fn demand(_: &str, config: &Config) -> Demand {
    const GIB: f64 = (1_u64 << 30) as f64;
    let swin = config.model.image_encoder == ImageEncoder::Swin;
    if swin && !config.dataset.image_size.is_multiple_of(32) {
        return Demand {
            unbuildable: Some("the grid has an odd side".to_owned()),
            ..Demand::default()
        };
    }
    let savings = config.memory_optimization.gradient_checkpointing;
    let sample = if savings { 0.25 } else { 2.0 } * GIB;
    let part = config.memory_optimization.max_memory_usage;
    let memory = config.preset.min_device_memory.bytes();
    let images = config.dataset.shapes_train_images * config.dataset.image_size.pow(2) * 3;
    let waiting = config.memory_optimization.num_workers
        * config.memory_optimization.prefetch_factor
        * config.training.batch_size;
    let queue = waiting * config.dataset.image_size.pow(2) * 3;
    Demand {
        peak_bytes: Some((config.training.batch_size as f64 * sample) as u64),
        budget_bytes: config
            .hardware
            .memory_budget
            .bytes()
            .or_else(|| memory.map(|memory| (memory as f64 * part) as u64)),
        preload_bytes: (config.data_loading.preload_data == Preload::On).then_some(images as u64),
        queue_bytes: Some(queue as u64),
        ..Demand::default()
    }
}

fn sound() -> Vec<PresetFile> {
    let file = |preset: &presets::Preset| PresetFile {
        path: format!("configs/{}.toml", preset.name),
        content: Ok(preset.text.into()),
    };
    presets::embedded().iter().map(file).collect()
}

pub fn check(files: &[PresetFile], own: bool, left_out: &[Rule]) -> Verdict {
    let check = PresetCheck {
        folder: "configs",
        files,
        own,
        elsewhere: &presets::lookup,
        left_out,
    };
    check.run(&mut demand)
}

/// The sound presets, with other files among them or in their place.
pub fn with(files: Vec<PresetFile>) -> Vec<PresetFile> {
    let mut all = sound();
    for mut file in files {
        let text = String::from_utf8_lossy(file.content.as_deref().unwrap_or_default());
        let first = text.lines().next().unwrap_or_default();
        if let Some(name) = first.strip_prefix(INSTEAD) {
            file.path = format!("configs/{name}.toml");
            all.retain(|sound| sound.path != file.path);
        }
        all.push(file);
    }
    all
}

/// The files at a path, in folders too.
fn read(path: &Path, shown: &str, files: &mut Vec<PresetFile>) {
    if path.is_dir() {
        for (name, path) in children(path) {
            read(&path, &format!("{shown}/{name}"), files);
        }
    } else {
        files.push(PresetFile {
            path: shown.to_owned(),
            content: Ok(fs::read(path).unwrap()),
        });
    }
}

fn children(folder: &Path) -> BTreeMap<String, PathBuf> {
    let entry = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), entry.path())
    };
    fs::read_dir(folder).unwrap().map(entry).collect()
}

/// Every broken preset: the id of the rule that it breaks, its name, and its files.
fn broken() -> Vec<(String, String, Vec<PresetFile>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken-presets");
    let mut cases = Vec::new();
    for (rule, folder) in children(&folder) {
        for (name, path) in children(&folder) {
            let mut files = Vec::new();
            read(&path, &format!("configs/{name}"), &mut files);
            cases.push((rule.clone(), name, files));
        }
    }
    cases
}

/// File and line of every mark.
fn marks(files: &[PresetFile]) -> Vec<(String, usize)> {
    let of_file = |file: &PresetFile| {
        let text = String::from_utf8_lossy(file.content.as_deref().unwrap_or_default());
        let marked = text
            .lines()
            .enumerate()
            .filter(|(_, line)| line.contains(MARK));
        let places = marked.map(|(index, _)| (file.path.clone(), index + 1));
        places.collect::<Vec<_>>()
    };
    files.iter().flat_map(of_file).collect()
}

fn rule(id: &str) -> Rule {
    let found = Rule::ALL.into_iter().find(|rule| rule.id() == id);
    found.unwrap_or_else(|| panic!("there is no rule {id}"))
}

/// Asserts that the files break one rule, and that nothing is found without it.
#[track_caller]
pub fn breaks(expected: Rule, case: &str, files: &[PresetFile], own: bool) -> Verdict {
    let verdict = check(files, own, &[]);
    let shown: Vec<String> = verdict.findings.iter().map(ToString::to_string).collect();
    assert!(!shown.is_empty(), "{expected}: {case} is not caught");
    for finding in &verdict.findings {
        assert_eq!(finding.rule, expected, "{case}: {shown:#?}");
        assert!(finding.help.is_some(), "{finding} has no cure");
        assert!(!finding.message().contains('\n'), "{finding}");
        if let Some(span) = &finding.span {
            assert!(finding.source.text.get(span.clone()).is_some(), "{finding}");
        }
    }
    let without = check(files, own, &[expected]);
    assert_eq!(without.findings, [], "{case} without the rule");
    assert_eq!(without.rules, Rule::ALL.len() - 1);
    verdict
}

#[test]
fn the_presets_of_the_program_keep_every_rule() {
    let mut files = sound();
    files.push(PresetFile {
        path: "configs/schema.json".to_owned(),
        content: Ok(b"{}".to_vec()),
    });
    let verdict = check(&files, true, &[]);
    assert_eq!(verdict.findings, []);
    assert_eq!(verdict.rules, Rule::ALL.len());
    let names: Vec<&str> = verdict
        .presets
        .iter()
        .map(|preset| preset.name.as_str())
        .collect();
    let embedded: Vec<&str> = presets::embedded()
        .iter()
        .map(|preset| preset.name)
        .collect();
    assert_eq!(names, embedded);
    assert!(verdict.presets.iter().all(|preset| preset.demand.is_some()));
}

#[test]
fn every_broken_preset_is_caught_by_its_rule_and_by_no_other() {
    let cases = broken();
    assert!(cases.len() >= 40, "{}", cases.len());
    let mut misplaced = Vec::new();
    for (id, case, files) in &cases {
        let verdict = breaks(rule(id), case, &with(files.clone()), false);
        let mut places: Vec<(String, usize)> = verdict
            .findings
            .iter()
            .filter_map(|finding| {
                let (line, _) = finding.line_column()?;
                Some((finding.source.name.clone(), line))
            })
            .collect();
        // A byte that is not UTF-8 has no room for a mark.
        if id == "readable" {
            assert_eq!(places, [("configs/latin-1.toml".to_owned(), 4)]);
            continue;
        }
        let file = with(files.clone());
        places.sort();
        places.dedup();
        if places != marks(&file) {
            misplaced.push(format!(
                "{id}/{case}: {places:?} and not {:?}",
                marks(&file)
            ));
        }
    }
    assert!(misplaced.is_empty(), "{misplaced:#?}");
}

#[test]
fn every_rule_has_a_broken_preset() {
    let cases = broken();
    for rule in Rule::ALL {
        assert!(cases.iter().any(|(id, ..)| id == rule.id()), "{rule}");
    }
}

#[test]
fn examples_of_the_page_break_their_rule_and_are_mended() {
    let overlay = |text: &str| {
        let mut whole = text.to_owned();
        if !text.contains("extends") {
            whole = format!("extends = \"24gb\"\n{text}");
        }
        if !text.contains("description") {
            whole += "\n[preset]\ndescription = \"an example\"\n";
        }
        with(vec![PresetFile {
            path: "configs/example.toml".to_owned(),
            content: Ok(whole.into_bytes()),
        }])
    };
    let mut examples = 0;
    for rule in Rule::ALL {
        if let Example::Toml { wrong, mended } = rule.doc().example {
            breaks(rule, wrong, &overlay(wrong), false);
            assert_eq!(check(&overlay(mended), false, &[]).findings, [], "{mended}");
            examples += 1;
        }
    }
    assert_eq!(examples, Rule::ALL.len() - 3, "three rules are about files");
}

#[test]
fn files_that_no_folder_of_tests_can_hold() {
    let file = |path: &str, content: Result<Vec<u8>, String>| PresetFile {
        path: path.to_owned(),
        content,
    };
    let refused = file("configs/16gb.toml", Err("permission denied".to_owned()));
    breaks(Rule::Readable, "no permission", &with(vec![refused]), false);
    let endless = file("configs/16gb.toml", Ok(vec![b'#'; MAX_TEXT_BYTES + 1]));
    breaks(Rule::Readable, "too large", &with(vec![endless]), false);
    let empty = check(&[], false, &[]);
    assert_eq!(empty.findings.len(), 1);
    assert_eq!(empty.findings[0].rule, Rule::Readable);
    assert_eq!(empty.presets, []);
}

#[test]
fn the_folder_of_the_program_holds_its_presets_and_no_others() {
    let stray = PresetFile {
        path: "configs/old/16gb.toml".to_owned(),
        content: Ok(b"extends = \"24gb\"\n[preset]\ndescription = \"16 GB\"\n".to_vec()),
    };
    let files = with(vec![stray]);
    assert_eq!(check(&files, false, &[]).findings, []);
    let verdict = breaks(Rule::Reachable, "a stray file", &files, true);
    assert_eq!(verdict.findings.len(), 1);
    assert_eq!(verdict.findings[0].source.name, "configs/old/16gb.toml");

    let mut files = sound();
    files.remove(3);
    assert_eq!(check(&files, false, &[]).findings, []);
    let verdict = breaks(Rule::Reachable, "a file lost", &files, true);
    assert!(
        verdict.findings[0].message().contains("`24gb-tight`"),
        "{}",
        verdict.findings[0]
    );
}

#[test]
fn all_findings_come_at_once_and_by_place() {
    let files: Vec<PresetFile> = broken()
        .into_iter()
        .flat_map(|(_, _, files)| files)
        .collect();
    let verdict = check(&with(files), false, &[]);
    let mut broken: Vec<Rule> = verdict
        .findings
        .iter()
        .map(|finding| finding.rule)
        .collect();
    broken.sort_unstable();
    broken.dedup();
    assert!(broken.len() > 10, "{broken:?}");
    let places: Vec<_> = verdict
        .findings
        .iter()
        .map(|finding| (finding.source.name.clone(), finding.line_column()))
        .collect();
    assert!(places.is_sorted());
}

/// A folder of one's own has overlays only; what they extend comes from the program and is compared with.
#[test]
fn overlays_by_themselves_are_compared_with_the_presets_of_the_program() {
    let overlay = |text: &str| {
        let text = format!("extends = \"24gb\"\n[preset]\ndescription = \"mine\"\n{text}");
        vec![PresetFile {
            path: "mine/16gb.toml".to_owned(),
            content: Ok(text.into_bytes()),
        }]
    };
    let sound = overlay("min_device_memory = \"15GiB\"\n");
    let verdict = check(&sound, false, &[]);
    assert_eq!(verdict.findings, []);
    assert_eq!(verdict.presets.len(), 1);
    let wider = overlay("min_device_memory = \"15GiB\"\n[model]\nnum_hid = 1024\n");
    let verdict = breaks(Rule::MonotoneWidth, "wider", &wider, false);
    assert_eq!(verdict.findings[0].source.name, "mine/16gb.toml");
    // 24gb states the value, but that file is not the one that is checked.
    let inherited = overlay("min_device_memory = \"75GiB\"\n");
    let verdict = check(&inherited, false, &[]);
    assert!(!verdict.findings.is_empty());
    for finding in &verdict.findings {
        assert_eq!(finding.source.name, "mine/16gb.toml", "{finding}");
        assert_eq!(finding.line_column(), Some((4, 21)), "{finding}");
    }
}

#[test]
fn a_base_that_is_broken_is_reported_once() {
    let base = presets::lookup("24gb").unwrap();
    let text = base.text.replace("aoa_layers = 4", "aoa_layers = four");
    let file = PresetFile {
        path: base.name,
        content: Ok(format!("{INSTEAD}24gb\n{text}").into_bytes()),
    };
    let verdict = breaks(
        Rule::ValidToml,
        "a word without quotes",
        &with(vec![file]),
        true,
    );
    assert_eq!(verdict.findings.len(), 1);
    let unresolved = verdict
        .presets
        .iter()
        .filter(|preset| preset.demand.is_none());
    let names: BTreeSet<&str> = unresolved.map(|preset| preset.name.as_str()).collect();
    assert_eq!(
        names,
        BTreeSet::from(["24gb", "24gb-headroom", "24gb-tight"])
    );
}

#[test]
fn the_name_nearest_to_an_unknown_one_may_be_a_file_of_the_folder() {
    let file = |name: &str, extends: &str| PresetFile {
        path: format!("mine/{name}.toml"),
        content: Ok(
            format!("extends = \"{extends}\"\n[preset]\ndescription = \"{name}\"\n").into(),
        ),
    };
    let verdict = check(
        &[file("desktop", "24gb"), file("laptop", "destop")],
        false,
        &[],
    );
    assert_eq!(verdict.findings.len(), 1);
    let help = verdict.findings[0].help.as_deref().unwrap();
    assert!(help.starts_with("did you mean \"desktop\"?"), "{help}");
    assert!(help.contains("\"24gb\""), "{help}");
    // But never the file itself.
    let verdict = check(&[file("p5", "5")], false, &[]);
    let help = verdict.findings[0].help.as_deref().unwrap();
    assert!(
        help.starts_with("known: ") && !help.contains("p5"),
        "{help}"
    );
}

#[test]
fn a_file_takes_what_lies_beside_it_for_what_it_extends() {
    let file = |path: &str, extends: &str, text: &str| PresetFile {
        path: path.to_owned(),
        content: Ok(
            format!("extends = \"{extends}\"\n{text}[preset]\ndescription = \"{path}\"\n").into(),
        ),
    };
    let files = [
        // Its own name means the preset of the program.
        file("mine/24gb.toml", "24gb", "model.num_hid = 512\n"),
        file("mine/tight.toml", "24gb", ""),
        file("mine/desktop.toml", "24gb", "model.num_hid = 640\n"),
        file("mine/laptop.toml", "desktop", ""),
        file("mine/more/other.toml", "24gb", ""),
    ];
    let mut widths = BTreeMap::new();
    let check = PresetCheck {
        folder: "mine",
        files: &files,
        own: false,
        elsewhere: &presets::lookup,
        left_out: &[],
    };
    let verdict = check.run(&mut |name, config| {
        widths.insert(name.to_owned(), config.model.num_hid);
        Demand::default()
    });
    assert_eq!(verdict.findings, []);
    let expected = [
        ("24gb", 512),
        ("desktop", 640),
        ("laptop", 640),
        ("other", 768),
        ("tight", 512),
    ];
    assert_eq!(
        widths,
        expected
            .map(|(name, width)| (name.to_owned(), width))
            .into()
    );
}

#[test]
fn presets_by_path_are_found_where_the_caller_looks() {
    let file = PresetFile {
        path: "mine/16gb.toml".to_owned(),
        content: Ok(b"extends = \"other/base.toml\"\n[preset]\ndescription = \"mine\"\n".to_vec()),
    };
    let elsewhere = |name: &str| (name == "other/base.toml").then(|| Source::new(name, ""));
    let check = PresetCheck {
        folder: "mine",
        files: &[file],
        own: false,
        elsewhere: &elsewhere,
        left_out: &[Rule::EffectiveBatch, Rule::FamilyResult],
    };
    assert_eq!(check.run(&mut demand).findings, []);
}

#[test]
fn ids_are_distinct_and_in_kebab_case() {
    let mut ids: Vec<&str> = Rule::ALL.iter().map(|rule| rule.id()).collect();
    for id in &ids {
        let letters = |c: char| c.is_ascii_lowercase() || c == '-';
        assert!(id.chars().all(letters) && !id.starts_with('-'), "{id}");
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), Rule::ALL.len());
}

/// A preset of `mine/`, an overlay on `24gb`.
pub fn overlay(text: &str) -> PresetFile {
    PresetFile {
        path: "mine/mine.toml".to_owned(),
        content: Ok(
            format!("extends = \"24gb\"\n{text}\n[preset]\ndescription = \"mine\"\n").into(),
        ),
    }
}
