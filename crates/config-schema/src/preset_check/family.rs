//! Rules on the members of a family.

use std::collections::BTreeMap;

use super::{
    Fault,
    check::{Findings, Member, Presets},
    fault::MemberRate,
    order,
};
use crate::{LearningRates, render, schema};

const BATCH: &str = "training.batch_size";

/// Keys that make up the effective batch.
const EFFECTIVE_BATCH: [&str; 3] = [
    BATCH,
    "training.update_freq",
    "memory_optimization.gradient_accumulation_steps",
];

/// Learning rates that a family declares something about.
const RATES: [&str; 2] = ["training.lr", "training.xvlm_lr"];

pub(super) fn check(presets: &Presets, findings: &mut Findings) {
    let mut families: BTreeMap<&str, Vec<&Member>> = BTreeMap::new();
    for member in &presets.members {
        let name = member.config.family.name.as_str();
        families.entry(name).or_default().push(member);
    }
    for members in families.into_values() {
        if !members.iter().any(|member| presets.is_given(member)) {
            continue;
        }
        declarations(&members, presets, findings);
        for member in members.iter().filter(|member| presets.is_given(member)) {
            effective_batch(member, findings);
        }
        learning_rates(&members, presets, findings);
        order::check(&members, presets, findings);
    }
}

/// All declare the same of the family. What most of them declare is taken for right.
fn declarations(members: &[&Member], presets: &Presets, findings: &mut Findings) {
    for key in schema::keys().filter(|key| key.section() == "family") {
        let value = |member: &Member| render::value_of(&member.config, &key.path);
        let alike = |one: &Member| {
            let value_of_one = value(one);
            members
                .iter()
                .filter(|other| value(other) == value_of_one)
                .count()
        };
        // The first of those that agree with the most.
        let Some(usual) = members.iter().rev().max_by_key(|member| alike(member)) else {
            continue;
        };
        for member in members
            .iter()
            .filter(|member| value(member) != value(usual))
        {
            let fault = Fault::FamilyDiffers {
                family: member.config.family.name.clone(),
                preset: member.name.clone(),
                here: member.key(&key.path),
                other: usual.name.clone(),
                there: usual.key(&key.path),
            };
            let place = presets.place(&[(member, &key.path), (usual, &key.path)]);
            let help = "members of a family declare the same under [family]; a preset that goes its own way has another \
                        `family.name`";
            findings.at(place, fault, help);
        }
    }
}

/// The effective batch is as near to the one that is promised as is declared.
fn effective_batch(member: &Member, findings: &mut Findings) {
    let settings = &member.config;
    let family = &settings.family;
    let effective = settings.effective_batch();
    if effective.abs_diff(family.effective_batch) <= family.max_distance {
        return;
    }
    let batch_size = settings.training.batch_size;
    let fault = Fault::EffectiveBatch {
        preset: member.name.clone(),
        batch_size,
        steps: settings.accumulation_steps(),
        effective,
        family: family.name.clone(),
        promised: family.effective_batch,
        max_distance: family.max_distance,
    };
    // The highest layer that states a part of it broke what the lower had right.
    let stated = EFFECTIVE_BATCH.iter().filter_map(|key| member.stated(key));
    let place = stated.max_by_key(|(layer, _)| *layer);
    let place = place.map_or(&member.home, |(_, place)| place).clone();
    let steps = [
        family.effective_batch / batch_size,
        family.effective_batch.div_ceil(batch_size),
    ];
    let near = |steps: &usize| {
        *steps > 0 && (steps * batch_size).abs_diff(family.effective_batch) <= family.max_distance
    };
    let help = match steps.into_iter().find(near) {
        Some(steps) => format!(
            "with `update_freq = {steps}` it is {batch_size} x {steps} = {}",
            batch_size * steps
        ),
        None => format!(
            "no number of micro-batches of {batch_size} samples comes near: take a `batch_size` that divides {}",
            family.effective_batch
        ),
    };
    findings.at(place, fault, help);
}

/// Learning rates go with the micro-batches as the family declares.
fn learning_rates(members: &[&Member], presets: &Presets, findings: &mut Findings) {
    let [first, others @ ..] = members else {
        return;
    };
    let declared = first.config.family.learning_rates;
    let batch = |member: &Member| member.config.training.batch_size;
    for path in RATES {
        let rate = |member: &Member| match path {
            "training.lr" => member.config.training.lr,
            _ => member.config.training.xvlm_lr,
        };
        let broken: Vec<(&Member, &Member)> = match declared {
            LearningRates::Free => Vec::new(),
            LearningRates::Equal => others
                .iter()
                .filter(|other| rate(other).total_cmp(&rate(first)).is_ne())
                .map(|other| (*other, *first))
                .collect(),
            LearningRates::Falling => {
                order::exceeding(members, |member| Some(batch(member) as u64), rate)
            }
        };
        let described = |member: &Member| MemberRate {
            preset: member.name.clone(),
            batch_size: batch(member),
            key: member.key(path),
        };
        for (lower, higher) in broken {
            let fault = Fault::LearningRate {
                lower: described(lower),
                higher: described(higher),
                declared,
            };
            let values = [
                (lower, path),
                (higher, path),
                (lower, BATCH),
                (higher, BATCH),
            ];
            let help = format!(
                "set `{path} = {}` in `{}`; `family.learning_rates` says what is promised",
                higher.key(path).value,
                lower.name
            );
            findings.at(presets.place(&values), fault, help);
        }
    }
}
