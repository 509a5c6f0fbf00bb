//! Members of a family are compared with one another.

use std::collections::BTreeSet;

use config_schema::{Key, Kind, Layers, keys};
use preset_tools::preset_check::{PresetFile, Rule};

use crate::preset_check::{breaks, check, overlay, with};

/// What a preset for less memory may have is what one of the alternatives for more memory has.
#[test]
fn presets_for_the_same_memory_are_alternatives() {
    let overlay = |batch_size, steps| {
        let text = format!(
            "extends = \"24gb\"\n[preset]\ndescription = \"20 GB\"\nmin_device_memory = \"19GiB\"\n\
             [training]\nbatch_size = {batch_size}\nupdate_freq = {steps}\n"
        );
        let file = PresetFile {
            path: "configs/20gb.toml".to_owned(),
            content: Ok(text.into_bytes()),
        };
        with(vec![file])
    };
    // More than `24gb-tight` has, and than `24gb`; as much as `24gb-headroom`.
    assert_eq!(check(&overlay(10, 3), false, &[]).findings, []);
    breaks(Rule::MonotoneBatch, "11 x 3", &overlay(11, 3), false);
}

#[test]
fn an_effective_batch_is_cured_by_its_steps_or_by_another_micro_batch() {
    let help = |batch_size: usize, steps: usize| {
        let text = format!(
            "extends = \"24gb\"\n[preset]\ndescription = \"mine\"\n[training]\nbatch_size = {batch_size}\n\
             update_freq = {steps}\n"
        );
        let file = PresetFile {
            path: "mine/mine.toml".to_owned(),
            content: Ok(text.into_bytes()),
        };
        let left_out = [Rule::MonotoneBatch, Rule::LearningRates];
        let mut verdict = check(&[file], false, &left_out);
        assert_eq!(verdict.findings.len(), 1, "{batch_size} x {steps}");
        verdict.findings.remove(0).help.unwrap()
    };
    assert_eq!(help(8, 3), "with `update_freq = 4` it is 8 x 4 = 32");
    assert_eq!(help(10, 4), "with `update_freq = 3` it is 10 x 3 = 30");
    assert_eq!(help(34, 2), "with `update_freq = 1` it is 34 x 1 = 34");
    let none =
        "no number of micro-batches of 12 samples comes near; 11 x 3 = 33 or 15 x 2 = 30 does";
    assert_eq!(help(12, 4), none);
    let none = "no number of micro-batches of 40 samples comes near; 34 x 1 = 34 does";
    assert_eq!(help(40, 1), none);
}

#[test]
fn a_family_of_one_is_a_warning_that_names_the_others() {
    let verdict = check(&[overlay("family.name = \"vpa\"")], false, &[]);
    let [finding] = &verdict.findings[..] else {
        panic!("{:?}", verdict.findings)
    };
    assert_eq!(finding.rule, Rule::FamilyMembers);
    assert!(finding.rule.warns() && !verdict.is_broken());
    assert_eq!(finding.line_column(), Some((2, 15)));
    let help = finding.help.as_deref().unwrap();
    assert!(help.contains("did you mean \"vqa\"?"), "{help}");
    // With another member the name is meant.
    let mut second = overlay("family.name = \"vpa\"");
    second.path = "mine/second.toml".to_owned();
    second.content = Ok(b"extends = \"mine\"\npreset.description = \"second\"\n".to_vec());
    let both = [overlay("family.name = \"vpa\""), second];
    assert_eq!(check(&both, false, &[]).findings, []);
}

/// A value of a key other than the one that it has, within its range.
fn another(key: &Key, is: &toml::Value) -> Option<String> {
    let candidates: &[&str] = match &key.kind {
        Kind::Boolean | Kind::Switch(_) => &["true", "false"],
        Kind::Integer { .. } => &["1", "2"],
        Kind::Number(_) => &["0.5", "0.25"],
        Kind::Text { .. } => &["\"a\"", "\"b\""],
        Kind::Choice(choices) => {
            let other = choices.iter().find(|choice| is.as_str() != Some(choice))?;
            return Some(format!("\"{other}\""));
        }
        Kind::Array { .. } => &["[0.25, 0.125]", "[0.5, 0.25]", "[2, 2]"],
    };
    let other = candidates.iter().find(|text| {
        let value = format!("x = {text}").parse::<toml::Table>().unwrap();
        value["x"] != *is
    });
    other.map(ToString::to_string)
}

/// The list is not written down anywhere: every key that a resumed run has to keep and that takes no memory is in it.
#[test]
fn every_key_that_decides_the_result_and_takes_no_memory_is_compared() {
    let base = crate::resolved(&Layers::preset("24gb")).config;
    let base = toml::Value::try_from(&base).unwrap();
    let mut compared = BTreeSet::new();
    for key in keys() {
        let is = &base[key.section()];
        let Some(is) = is.get(&key.name) else {
            continue;
        };
        let Some(value) = another(key, is) else {
            continue;
        };
        let verdict = check(&[overlay(&format!("{} = {value}", key.path))], false, &[]);
        if verdict
            .findings
            .iter()
            .any(|finding| finding.rule == Rule::FamilyResult)
        {
            compared.insert(key.path.as_str());
            // Unless the family says that members may differ in it.
            let text = format!(
                "{} = {value}\nfamily.may_differ = [\"{}\"]",
                key.path, key.path
            );
            let verdict = check(&[overlay(&text)], false, &[Rule::FamilyAgrees]);
            let rules = verdict.findings.iter().map(|finding| finding.rule);
            assert_eq!(
                rules.filter(|rule| *rule == Rule::FamilyResult).count(),
                0,
                "{text}"
            );
        }
    }
    for path in [
        "training.epochs",
        "training.max_steps",
        "training.seed",
        "optimizer.clip_norm",
        "optimizer.fine_betas",
        "optimizer.xvlm_weight_decay",
        "schedule.xvlm",
        "schedule.warmup_fraction",
        "model.fusion_ratio",
        "model.fusion_dropout",
        "xvlm.dropout",
        "xvlm.drop_path_rate",
        "xvlm.weights",
        "dataset.name",
        "dataset.validation_fraction",
        "data_loading.image_group_size",
        "augmentation.crop_scale",
        "augmentation.flip",
        "augmentation.operations",
        "training.ema",
        "evaluation.every_epochs",
        "evaluation.every_steps",
        "evaluation.patience",
    ] {
        assert!(compared.contains(path), "{path} is not among {compared:?}");
    }
    // `24gb` declares that dropout may differ; the others take memory, or change nothing of the result.
    for path in [
        "model.dropout",
        "model.aoa_layers",
        "dataset.image_size",
        "training.lr",
        "logging.every_steps",
        "checkpoint.keep_last",
        "dataset.root",
        "preset.description",
    ] {
        assert!(!compared.contains(path), "{path}");
    }
}

#[test]
fn a_key_that_may_differ_is_one_that_there_is() {
    let verdict = check(
        &[overlay("family.may_differ = [\"training.epoch\"]")],
        false,
        &[],
    );
    let [finding] = &verdict.findings[..] else {
        panic!("{:?}", verdict.findings)
    };
    assert_eq!(finding.rule, Rule::ValueRange);
    let help = finding.help.as_deref().unwrap();
    assert!(help.starts_with("did you mean `epochs`?"), "{help}");
}
