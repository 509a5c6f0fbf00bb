//! Random layers against a plain reading of the rule "the highest layer that states a key decides it", and overrides all
//! that lower ones say.

use std::{collections::BTreeMap, fmt::Write};

use config_schema::{Bounds, Config, Key, Kind, Layers, Origin, Source, keys, resolve, to_toml};
use proptest::prelude::*;

use crate::{lookup_in, with_user};

const ACCUMULATION: [&str; 2] = [
    "training.update_freq",
    "memory_optimization.gradient_accumulation_steps",
];

/// A value of a key as TOML. Hidden sizes and heads are such that every mixture of layers divides, and so with all keys
/// that must fit together; side by side is nothing computed, so that dropout may be anything.
fn value(key: &'static Key) -> BoxedStrategy<String> {
    match key.path.as_str() {
        "model.num_hid" => (8..12_u32)
            .prop_map(|power| (1 << power).to_string())
            .boxed(),
        "model.heads" => (0..9_u32)
            .prop_map(|power| (1 << power).to_string())
            .boxed(),
        "xvlm.text_hidden" => (1..9_u32)
            .prop_map(|times| (times * 768).to_string())
            .boxed(),
        "xvlm.text_heads" => proptest::sample::select(vec!["1", "2", "3", "6", "12", "48"])
            .prop_map(str::to_owned)
            .boxed(),
        "xvlm.text_layers" => (12..=128_u32).prop_map(|layers| layers.to_string()).boxed(),
        "xvlm.fusion_layer" => (0..12_u32).prop_map(|layer| layer.to_string()).boxed(),
        "training.tune_xvlm" => Just("true".to_owned()).boxed(),
        // Weights have no place in some models.
        "xvlm.weights" => Just("''".to_owned()).boxed(),
        "family.may_differ" => {
            let names: Vec<String> = keys().map(|key| format!("'{}'", key.path)).collect();
            proptest::sample::subsequence(names, 0..=3)
                .prop_map(|names| format!("[{}]", names.join(", ")))
                .boxed()
        }
        "hardware.device" => prop_oneof![
            Just("'auto'".to_owned()),
            (0..9).prop_map(|index| format!("'cuda:{index}'"))
        ]
        .boxed(),
        "preset.min_device_memory" | "preset.min_host_memory" | "hardware.memory_budget" => {
            (1..99_u32).prop_map(|size| format!("'{size}GiB'")).boxed()
        }
        _ => of_kind(&key.kind),
    }
}

fn of_kind(kind: &Kind) -> BoxedStrategy<String> {
    match kind {
        Kind::Boolean => any::<bool>().prop_map(|value| value.to_string()).boxed(),
        Kind::Switch(words) => {
            let words = words.iter().map(|word| format!("'{word}'"));
            let values = words.chain(["true".to_owned(), "false".to_owned()]);
            proptest::sample::select(values.collect::<Vec<_>>()).boxed()
        }
        Kind::Integer { min, max } => (*min..=*max).prop_map(|value| value.to_string()).boxed(),
        Kind::Number(bounds) => {
            let Bounds { min, max } = *bounds;
            let (low, high) = (
                min.map_or(-1e3, |(end, _)| end),
                max.map_or(1e3, |(end, _)| end),
            );
            let bounds = *bounds;
            (low..=high)
                .prop_filter("an open end", move |number| bounds.contains(*number))
                .prop_map(|number| format!("{number:?}"))
                .boxed()
        }
        Kind::Text { .. } => "[^'\\p{C}]{0,12}"
            .prop_map(|text| format!("'{text}'"))
            .boxed(),
        Kind::Choice(values) => {
            let values = values.clone();
            proptest::sample::select(values)
                .prop_map(|value| format!("'{value}'"))
                .boxed()
        }
        Kind::Array { item, min, max } => {
            let items = proptest::collection::vec(of_kind(item), *min..=(*max).min(6));
            items
                .prop_map(|items| format!("[{}]", items.join(", ")))
                .boxed()
        }
    }
}

type Stated = BTreeMap<&'static str, String>;

/// Some of the keys with values, at most one spelling of accumulation.
fn layer() -> impl Strategy<Value = Stated> {
    let all: Vec<&'static Key> = keys().collect();
    let count = all.len();
    proptest::sample::subsequence(all, 0..=count).prop_flat_map(|chosen| {
        let values: Vec<_> = chosen.iter().map(|key| value(key)).collect();
        values.prop_map(move |values| {
            let mut stated: Stated = chosen
                .iter()
                .map(|key| key.path.as_str())
                .zip(values)
                .collect();
            if stated.contains_key(ACCUMULATION[0]) {
                stated.remove(ACCUMULATION[1]);
            }
            stated
        })
    })
}

/// A layer as a file, and the line of each key.
fn file(stated: &Stated, extends: Option<&str>) -> (String, BTreeMap<&'static str, usize>) {
    let mut text = extends
        .map(|name| format!("extends = '{name}'\n\n"))
        .unwrap_or_default();
    let mut lines = BTreeMap::new();
    let mut section = "";
    for (path, value) in stated {
        let (of, name) = path.split_once('.').unwrap();
        if of != section {
            section = of;
            writeln!(text, "# next\n[{section}]").unwrap();
        }
        lines.insert(*path, text.matches('\n').count() + 1);
        writeln!(text, "{name} = {value} # note").unwrap();
    }
    (text, lines)
}

fn json(config: &Config, path: &str) -> serde_json::Value {
    let (section, name) = path.split_once('.').unwrap();
    serde_json::to_value(config).unwrap()[section][name].clone()
}

/// A TOML value as JSON, read by another way than the crate's.
fn expected_json(path: &str, value: &str) -> serde_json::Value {
    let (section, name) = path.split_once('.').unwrap();
    let config: Config = toml::from_str(&format!("[{section}]\n{name} = {value}")).unwrap();
    json(&config, path)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_highest_layer_decides(
        base in layer(), overlay in layer(), user in layer(), environment in layer(), sets in layer(), again in layer(),
    ) {
        let (base_text, base_lines) = file(&base, None);
        let (overlay_text, overlay_lines) = file(&overlay, Some("base"));
        let (user_text, user_lines) = file(&user, Some("overlay"));
        // Flags given twice are one layer, in which both spellings of accumulation must agree.
        let mut again = again;
        again.retain(|path, _| !ACCUMULATION.contains(path));
        let variable = |path: &str| format!("AOA_{}", path.replacen('.', "__", 1).to_uppercase());
        let assignment = |path: &str, value: &str| format!("{path}={value}");
        let flags = sets.iter().chain(&again).map(|(path, value)| assignment(path, value));
        let layers = Layers {
            user: Some(Source::new("user.toml", user_text)),
            environment: environment.iter().map(|(path, value)| (variable(path), value.clone())).collect(),
            sets: flags.collect(),
            ..Layers::default()
        };
        let presets = [("base", base_text.as_str()), ("overlay", overlay_text.as_str())];
        let resolved = resolve(&layers, &lookup_in(&presets)).unwrap_or_else(|errors| panic!("{errors}"));

        let preset = |preset: &str, lines: &BTreeMap<_, _>, path| Origin::Preset {
            preset: preset.to_owned(), file: format!("configs/{preset}.toml"), line: lines[path],
        };
        let origin = |level: usize, path: &'static str, value: &str| match level {
            0 => preset("base", &base_lines, path),
            1 => preset("overlay", &overlay_lines, path),
            2 => Origin::File { name: "user.toml".to_owned(), line: user_lines[path] },
            3 => Origin::Environment { variable: variable(path) },
            _ => Origin::Flag { text: assignment(path, value) },
        };
        let stack = [&base, &overlay, &user, &environment, &sets, &again];
        let provenance = resolved.provenance();
        let declared: Vec<&str> = keys().map(|key| key.path.as_str()).collect();
        let found: Vec<&str> = provenance.iter().map(|one| one.key.as_str()).collect();
        prop_assert_eq!(found, declared);
        for (key, found) in keys().zip(provenance) {
            let path = key.path.as_str();
            let twin = ACCUMULATION.iter().find(|twin| ACCUMULATION.contains(&path) && **twin != path);
            let default = if twin.is_some() { serde_json::json!(1) } else { key.default.clone() };
            // Everything that any layer gives to the key, the lowest first.
            let mut given = vec![(default, Origin::Default)];
            for (level, layer) in stack.iter().enumerate() {
                if let Some(value) = layer.get(path) {
                    given.push((expected_json(path, value), origin(level, path, value)));
                } else if let Some((twin, value)) = twin.and_then(|twin| Some((twin, layer.get(twin)?))) {
                    given.push((expected_json(twin, value), Origin::Derived { from: (*twin).to_owned() }));
                }
            }
            let (value, origin) = given.pop().unwrap();
            prop_assert_eq!(&resolved.origins[path], &origin, "{}", path);
            prop_assert_eq!(json(&resolved.config, path), value.clone(), "{}", path);
            prop_assert_eq!((found.value, found.origin), (value, origin), "{}", path);
            let overrides: Vec<_> = found.overrides.into_iter().map(|one| (one.value, one.origin)).collect();
            given.reverse();
            prop_assert_eq!(overrides, given, "{}", path);
        }
    }

    #[test]
    fn configurations_read_back(stated in layer()) {
        let config = resolve(&with_user(&file(&stated, None).0), &config_schema::presets::lookup).unwrap().config;
        let again = resolve(&with_user(&to_toml(&config)), &config_schema::presets::lookup).unwrap().config;
        prop_assert_eq!(config, again);
    }

    #[test]
    fn the_effective_batch_is_the_product(batch_size in 1..=65_536_usize, steps in 1..=4096_usize, spelling in 0..2_usize) {
        let text = format!("training.batch_size = {batch_size}\n{} = {steps}", ACCUMULATION[spelling]);
        let config = resolve(&with_user(&text), &config_schema::presets::lookup).unwrap().config;
        prop_assert_eq!(config.effective_batch(), batch_size * steps);
        prop_assert_eq!(config.accumulation_steps(), steps);
        prop_assert_eq!(config.training.update_freq, config.memory_optimization.gradient_accumulation_steps);
    }
}
