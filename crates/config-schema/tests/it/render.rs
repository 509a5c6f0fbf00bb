use config_schema::{
    Config, Layers, Source, default_toml, json_schema, keys, presets, resolve, to_toml,
};

use crate::{lookup_in, resolved, with_sets, with_user};

/// A configuration on which accumulation is stated, as resolution leaves it.
fn stated(mut config: Config) -> Config {
    config.training.update_freq = Some(config.accumulation_steps());
    config.memory_optimization.gradient_accumulation_steps = config.training.update_freq;
    config
}

#[test]
fn the_default_text_is_the_default_configuration() {
    let text = default_toml();
    let parsed: Config = toml::from_str(&text).unwrap();
    assert_eq!(parsed, Config::default());
    // And it is complete: on top of a preset with other values it gives the defaults, but for what it cannot state.
    let found = resolved(&with_user(&text)).config;
    let mut expected = stated(Config::default());
    expected.training.update_freq = Some(4);
    expected.memory_optimization.gradient_accumulation_steps = Some(4);
    assert_eq!(found, expected);
}

#[test]
fn the_default_text_documents_every_key() {
    let text = default_toml();
    for key in keys() {
        let documented = format!("# Takes {}.", key.kind);
        assert!(
            text.contains(&format!("\n{} = ", key.name)) || key.default.is_null(),
            "{}",
            key.path
        );
        assert!(
            text.replace("\n# ", " ").contains(&documented[1..]),
            "{}",
            key.path
        );
    }
    assert!(
        text.lines().all(|line| line.chars().count() <= 101),
        "comments are wrapped"
    );
}

#[test]
fn texts_of_presets_read_back() {
    for preset in presets::embedded() {
        let resolved = resolved(&Layers::preset(preset.name));
        let plain = with_user(&to_toml(&resolved.config));
        assert_eq!(
            crate::resolved(&plain).config,
            resolved.config,
            "{}",
            preset.name
        );
        let annotated = crate::resolved(&with_user(&resolved.annotated_toml()));
        assert_eq!(annotated.config, resolved.config, "{}", preset.name);
        assert_eq!(annotated.preset, preset.name);
    }
}

#[test]
fn annotations_name_origins() {
    let text = resolved(&with_sets(&["training.epochs=3"])).annotated_toml();
    for line in [
        "extends = \"24gb\"",
        "epochs = 3  # --set training.epochs=3",
        "aoa_layers = 4  # preset 24gb, configs/24gb.toml:27",
        "seed = 1  # default",
        "gradient_accumulation_steps = 4  # derived from training.update_freq",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} not in\n{text}"
        );
    }
}

#[test]
fn provenance_names_what_was_overridden() {
    let presets = [
        ("base", "training.epochs = 1\n"),
        ("overlay", "extends = 'base'\ntraining.epochs = 2\n"),
    ];
    let layers = Layers {
        user: Some(Source::new("my.toml", "training.epochs = 3\n")),
        environment: vec![("AOA_TRAINING__EPOCHS".to_owned(), "4".to_owned())],
        sets: ["training.epochs=5", "training.epochs=6"]
            .map(str::to_owned)
            .into(),
        ..Layers::preset("overlay")
    };
    let found = resolve(&layers, &lookup_in(&presets)).unwrap();
    let text = found.provenance_toml();
    let epochs = "\
epochs = 6  # --set training.epochs=6
#   overrides 5 (--set training.epochs=5)
#   overrides 4 (environment variable AOA_TRAINING__EPOCHS)
#   overrides 3 (my.toml:1)
#   overrides 2 (preset overlay, configs/overlay.toml:2)
#   overrides 1 (preset base, configs/base.toml:1)
#   overrides 20 (default)
max_steps = 0  # default
";
    assert!(text.contains(epochs), "{text}");
    let read = Layers {
        user: Some(Source::new("read.toml", text)),
        ..Layers::default()
    };
    let again = resolve(&read, &lookup_in(&presets)).unwrap();
    assert_eq!(again.config, found.config);
}

#[test]
fn a_line_break_in_an_origin_stays_in_its_comment() {
    let layers = Layers {
        user: Some(Source::new("a\nb.toml", "training.epochs = 3")),
        sets: vec!["logging.run_dir=x\ntraining.epochs = 9".to_owned()],
        ..Layers::preset("24gb")
    };
    let resolved = resolved(&layers);
    let again = crate::resolved(&with_user(&resolved.annotated_toml()));
    assert_eq!(again.config, resolved.config);
    assert_eq!(again.config.training.epochs, 3);
}

#[test]
fn a_preset_name_is_quoted() {
    let name = "odd \"name\"\\";
    let presets = [(name, "training.epochs = 2")];
    let lookup = lookup_in(&presets);
    let found = resolve(&Layers::preset(name), &lookup).unwrap();
    let user = Layers {
        user: Some(Source::new("user.toml", found.annotated_toml())),
        ..Layers::default()
    };
    assert_eq!(resolve(&user, &lookup).unwrap().preset, name);
}

#[test]
fn the_schema_carries_docs_ranges_and_choices() {
    let schema = json_schema();
    let key = |section: &str, key: &str| schema["properties"][section]["properties"][key].clone();
    assert_eq!(key("training", "batch_size")["maximum"], 65_536);
    assert_eq!(
        key("memory_optimization", "max_memory_usage")["exclusiveMinimum"],
        0.0
    );
    assert!(
        key("model", "num_hid")["description"]
            .as_str()
            .unwrap()
            .contains("Hidden size")
    );
    assert!(key("dataset", "name").to_string().contains("easy-vqa"));
}
