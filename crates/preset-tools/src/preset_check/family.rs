//! Rules on the members of a family.

use std::collections::BTreeMap;

use config_schema::{
    ACCUMULATION, Family, Key, KeyPath, LearningRates, count, excerpt, keys, suggest, value_toml,
};

use super::{
    Fault,
    fault::MemberRate,
    findings::Findings,
    members::{Member, Presets},
    order,
};

const FAMILY: &str = "family.name";

const BATCH: &str = "training.batch_size";

/// The largest micro-batch that is looked at for a cure.
const MAX_BATCH: usize = 65_536;

/// The number of micro-batches, in both spellings.
const STEPS: &[&str] = &ACCUMULATION;

/// Keys that make up the effective batch.
const EFFECTIVE_BATCH: [&str; 3] = [BATCH, ACCUMULATION[0], ACCUMULATION[1]];

/// Learning rates that a family declares something about.
const RATES: [&str; 2] = ["training.lr", "training.xvlm_lr"];

pub(super) fn check(presets: &Presets, findings: &mut Findings) {
    let mut families: BTreeMap<&str, Vec<&Member>> = BTreeMap::new();
    for member in &presets.members {
        let name = member.config.family.name.as_str();
        families.entry(name).or_default().push(member);
    }
    for (name, members) in &families {
        if !members.iter().any(|member| presets.is_given(member)) {
            continue;
        }
        // A preset that does not resolve may be a member.
        if let [member] = members[..]
            && presets.all_resolve()
        {
            let others = families.keys().filter(|other| *other != name).copied();
            lone(member, others, presets, findings);
        }
        declarations(members, presets, findings);
        for member in members.iter().filter(|member| presets.is_given(member)) {
            effective_batch(member, findings);
        }
        results(members, presets, findings);
        learning_rates(members, presets, findings);
        order::check(members, presets, findings);
    }
}

/// A family of one may be a name that was misspelt.
fn lone<'a>(
    member: &Member,
    others: impl Iterator<Item = &'a str> + Clone,
    presets: &Presets,
    findings: &mut Findings,
) {
    let family = &member.config.family.name;
    let fault = Fault::LoneMember {
        preset: member.name.clone(),
        family: excerpt(family),
    };
    let help = format!(
        "name the family of the presets that it is to be compared with: {}",
        suggest::for_choice(family, others)
    );
    findings.at(presets.place(&[(member, FAMILY)]), fault, help);
}

/// All declare the same of the family.
fn declarations(members: &[&Member], presets: &Presets, findings: &mut Findings) {
    for key in keys().filter(|key| key.section() == "family") {
        for (member, usual) in unusual(members, &key.path) {
            let fault = Fault::FamilyDiffers {
                family: excerpt(&member.config.family.name),
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

/// All agree in the keys that decide the result and take no memory, unless the family declares that they may differ.
fn results(members: &[&Member], presets: &Presets, findings: &mut Findings) {
    let may_differ = |path: &str| {
        let declared = |member: &&Member| {
            let keys = &member.config.family.may_differ;
            keys.iter().any(|KeyPath(key)| key == path)
        };
        members.iter().any(declared)
    };
    let compared = |key: &&Key| {
        key.decides_the_result()
            && !key.takes_memory
            && !["preset", "family"].contains(&key.section())
            && !RATES.contains(&key.path.as_str())
            && !may_differ(&key.path)
    };
    for key in keys().filter(compared) {
        for (member, usual) in unusual(members, &key.path) {
            let fault = Fault::ResultDiffers {
                family: excerpt(&member.config.family.name),
                preset: member.name.clone(),
                here: member.key(&key.path),
                other: usual.name.clone(),
                there: usual.key(&key.path),
            };
            let place = presets.place(&[(member, &key.path), (usual, &key.path)]);
            let help = format!(
                "set `{} = {}` in `{}`, name the key in `family.may_differ`, or give the preset another `family.name`",
                key.path,
                usual.key(&key.path).value,
                member.name
            );
            findings.at(place, fault, help);
        }
    }
}

/// The members with another value of a key than most have, each with the first of those that have it.
fn unusual<'a>(members: &[&'a Member], path: &str) -> Vec<(&'a Member, &'a Member)> {
    let value = |member: &Member| value_toml(&member.config, path);
    let values: Vec<_> = members.iter().map(|member| value(member)).collect();
    let alike = |one: usize| values.iter().filter(|value| **value == values[one]).count();
    // The first of those that agree with the most.
    let Some(usual) = (0..members.len()).rev().max_by_key(|one| alike(*one)) else {
        return Vec::new();
    };
    let others = (0..members.len()).filter(|one| values[*one] != values[usual]);
    others.map(|one| (members[one], members[usual])).collect()
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
        family: excerpt(&family.name),
        promised: family.effective_batch,
        max_distance: family.max_distance,
    };
    let fitting = |batch_size: usize| fitting_steps(family, batch_size);
    let product = |(batch_size, steps): (usize, usize)| {
        format!("{batch_size} x {steps} = {}", batch_size * steps)
    };
    let (at_fault, help) = if let Some(steps) = fitting(batch_size) {
        let help = format!(
            "with `update_freq = {steps}` it is {}",
            product((batch_size, steps))
        );
        (STEPS, help)
    } else {
        let below = (1..batch_size).rev();
        let above = batch_size + 1..=family.effective_batch.min(MAX_BATCH);
        let nearest = [
            below.map(|size| (size, fitting(size))).find_map(both),
            above.map(|size| (size, fitting(size))).find_map(both),
        ];
        let nearest: Vec<String> = nearest.into_iter().flatten().map(product).collect();
        let help = format!(
            "no number of micro-batches of {} comes near; {} does",
            count(batch_size, "sample"),
            nearest.join(" or ")
        );
        ([BATCH].as_slice(), help)
    };
    // The highest layer that states a part of it broke what the lower had right.
    let stated = EFFECTIVE_BATCH
        .iter()
        .filter_map(|key| Some((key, member.stated(key)?)));
    let place = stated.max_by_key(|(key, stated)| (stated.layer, at_fault.contains(key)));
    let place = place
        .map_or(&member.home, |(_, stated)| &stated.place)
        .clone();
    findings.at(place, fault, help);
}

/// A number of micro-batches with which an effective batch lies as near as the family declares.
fn fitting_steps(family: &Family, batch_size: usize) -> Option<usize> {
    let promised = family.effective_batch;
    [promised / batch_size, promised.div_ceil(batch_size)]
        .into_iter()
        .filter(|steps| *steps > 0)
        .find(|steps| (steps * batch_size).abs_diff(promised) <= family.max_distance)
}

/// A size with its steps, where it has some.
fn both((size, steps): (usize, Option<usize>)) -> Option<(usize, usize)> {
    Some((size, steps?))
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
