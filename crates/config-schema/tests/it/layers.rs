use config_schema::{Config, Device, Layers, Origin, Source, resolve, stated_preset};

use crate::{lookup_in, refused, resolved, with_environment, with_sets, with_user};

/// One key stated by ever more layers: value and origin come from the highest.
#[test]
fn higher_layers_win() {
    let presets = [
        ("base", "[training]\nepochs = 1\n"),
        ("overlay", "extends = 'base'\n[training]\nepochs = 2\n"),
    ];
    let mut layers = Layers {
        fallback_preset: "empty".to_owned(),
        ..Layers::default()
    };
    let check = |layers: &Layers, epochs: usize, origin: &str| {
        let lookup = |name: &str| match name {
            "empty" => Some(Source::new("empty.toml", "")),
            name => lookup_in(&presets)(name),
        };
        let resolved = resolve(layers, &lookup).unwrap();
        assert_eq!(resolved.config.training.epochs, epochs);
        assert_eq!(resolved.origins["training.epochs"].to_string(), origin);
    };
    check(&layers, 20, "default");
    layers.preset = Some("base".to_owned());
    check(&layers, 1, "preset base, configs/base.toml:2");
    layers.preset = Some("overlay".to_owned());
    check(&layers, 2, "preset overlay, configs/overlay.toml:3");
    layers.user = Some(Source::new("user.toml", "\n\n[training]\nepochs = 3\n"));
    check(&layers, 3, "user.toml:4");
    layers.environment = vec![("AOA_TRAINING__EPOCHS".to_owned(), "4".to_owned())];
    check(&layers, 4, "environment variable AOA_TRAINING__EPOCHS");
    layers.sets = vec!["training.epochs=5".to_owned()];
    check(&layers, 5, "--set training.epochs=5");
    layers.sets.push("training.epochs = 6".to_owned());
    check(&layers, 6, "--set training.epochs = 6");
}

#[test]
fn every_key_has_an_origin() {
    let origins = resolved(&Layers::preset("48gb")).origins;
    assert!(config_schema::keys().all(|key| origins.contains_key(&key.path)));
    assert_eq!(origins.len(), config_schema::keys().count());
}

#[test]
fn which_preset() {
    fn check(preset: Option<&str>, user: Option<&str>, stated: Option<&str>) {
        let layers = Layers {
            preset: preset.map(str::to_owned),
            fallback_preset: "cpu".to_owned(),
            user: user.map(|text| Source::new("user.toml", text)),
            ..Layers::default()
        };
        assert_eq!(
            stated_preset(&layers).as_deref(),
            stated,
            "{preset:?} {user:?}"
        );
        assert_eq!(
            resolved(&layers).preset,
            stated.unwrap_or("cpu"),
            "{preset:?} {user:?}"
        );
    }
    check(None, None, None);
    check(None, Some("[training]\nepochs = 1"), None);
    check(None, Some("extends = '24gb'"), Some("24gb"));
    check(Some("48gb"), None, Some("48gb"));
    check(Some("48gb"), Some("[training]\nepochs = 1"), Some("48gb"));
    check(Some("24gb"), Some("extends = '24gb'"), Some("24gb"));
}

#[test]
fn an_unreadable_file_states_no_preset() {
    let deep = format!("extends = '24gb'\na = {}", "[".repeat(10_000));
    for text in ["extends = 3", "extends", &deep] {
        assert_eq!(stated_preset(&with_user(text)), None);
        refused(&with_user(text));
    }
}

#[test]
fn a_long_chain_of_presets() {
    let length = 2000;
    let lookup = |name: &str| {
        let level: usize = name.parse().ok()?;
        let text = if level == 0 {
            "[training]\nepochs = 7\nseed = 9".to_owned()
        } else {
            format!("extends = '{}'\n[training]\nseed = {level}", level - 1)
        };
        Some(Source::new(name, text))
    };
    let resolved = resolve(&Layers::preset(length.to_string()), &lookup).unwrap();
    assert_eq!(resolved.config.training.epochs, 7);
    assert_eq!(resolved.config.training.seed, length);
}

/// Both spellings of accumulation, the layers from the lowest up, and what comes of them.
#[test]
fn accumulation_is_one_fact() {
    const FREQ: &str = "training.update_freq";
    const STEPS: &str = "memory_optimization.gradient_accumulation_steps";

    #[track_caller]
    fn check(base: &str, user: &str, sets: &[&str], expected: usize, origins: [&str; 2]) {
        let layers = Layers {
            user: Some(Source::new("user.toml", user)),
            sets: sets.iter().map(|&text| text.to_owned()).collect(),
            ..Layers::preset("base")
        };
        let resolved = resolve(&layers, &lookup_in(&[("base", base)])).unwrap();
        let config = &resolved.config;
        assert_eq!(config.training.update_freq, Some(expected));
        assert_eq!(
            config.memory_optimization.gradient_accumulation_steps,
            Some(expected)
        );
        assert_eq!(
            config.effective_batch(),
            config.training.batch_size * expected
        );
        assert_eq!(
            [FREQ, STEPS].map(|key| resolved.origins[key].to_string()),
            origins
        );
    }
    let freq = |value: usize| format!("{FREQ} = {value}\n");
    let steps = |value: usize| format!("{STEPS} = {value}\n");
    let from_freq = "derived from training.update_freq";
    let from_steps = "derived from memory_optimization.gradient_accumulation_steps";

    check("", "", &[], 1, ["default", "default"]);
    check(
        &freq(2),
        "",
        &[],
        2,
        ["preset base, configs/base.toml:1", from_freq],
    );
    check(
        &steps(2),
        "",
        &[],
        2,
        [from_steps, "preset base, configs/base.toml:1"],
    );
    check(&freq(2), &steps(3), &[], 3, [from_steps, "user.toml:1"]);
    check(
        &(freq(2) + &steps(2)),
        &freq(3),
        &[],
        3,
        ["user.toml:1", from_freq],
    );
    check(
        "",
        &(freq(4) + &steps(4)),
        &[],
        4,
        ["user.toml:1", "user.toml:2"],
    );
    check(
        &freq(2),
        &steps(3),
        &["training.update_freq=5"],
        5,
        ["--set training.update_freq=5", from_freq],
    );
}

#[test]
fn without_statements_accumulation_is_one() {
    assert_eq!(Config::default().accumulation_steps(), 1);
    assert_eq!(Config::default().effective_batch(), 8);
}

#[test]
fn only_variables_of_the_configuration_are_read() {
    let found = resolved(&with_environment(&[
        ("PATH", "/bin"),
        ("AOA_HOME", "/x"),
        ("XAOA_TRAINING__EPOCHS", "3"),
        ("TRAINING__EPOCHS", "3"),
        ("AOA_training__seed", "5"),
    ]));
    assert_eq!(found.config.training.epochs, 20);
    assert_eq!(found.config.training.seed, 5);
}

/// The text of an override and the value that it means.
#[test]
fn override_values() {
    #[track_caller]
    fn check(set: &str, read: impl Fn(&Config) -> bool) {
        assert!(read(&resolved(&with_sets(&[set])).config), "{set}");
    }
    check("dataset.name=easy-vqa", |c| {
        c.dataset.name == config_schema::DatasetName::EasyVqa
    });
    check("dataset.name=\"easy-vqa\"", |c| {
        c.dataset.name == config_schema::DatasetName::EasyVqa
    });
    check("hardware.device=cuda:1", |c| {
        c.hardware.device == Device::Cuda(1)
    });
    check("dataset.root=C:\\data", |c| c.dataset.root == "C:\\data");
    check("dataset.root='a b'", |c| c.dataset.root == "a b");
    check("dataset.root=1", |c| c.dataset.root == "1");
    check("logging.run_dir=", |c| c.logging.run_dir.is_empty());
    check("logging.run_dir=a=b", |c| c.logging.run_dir == "a=b");
    check("training.lr= 1e-3", |c| {
        c.training.lr.to_bits() == 1e-3_f64.to_bits()
    });
    check("optimizer.clip_norm=1", |c| {
        c.optimizer.clip_norm.to_bits() == 1_f64.to_bits()
    });
    check("training.batch_size=0x10", |c| c.training.batch_size == 16);
    check("data_loading.streaming=true", |c| {
        c.data_loading.streaming == config_schema::Streaming::On
    });
    check("schedule.cfr_warmup_factors=[1, 2.0]", |c| {
        c.schedule.cfr_warmup_factors == [1.0, 2.0]
    });
}

#[test]
fn origins_know_their_layer() {
    let layers = Layers {
        sets: vec!["training.seed=2".to_owned()],
        ..with_user("training.epochs = 3\nmodel.heads = 4")
    };
    let origins = resolved(&layers).origins;
    let preset = Origin::Preset {
        preset: "24gb".to_owned(),
        file: "configs/24gb.toml".to_owned(),
        line: 27,
    };
    let file = |line| Origin::File {
        name: "user.toml".to_owned(),
        line,
    };
    let flag = Origin::Flag {
        text: "training.seed=2".to_owned(),
    };
    assert_eq!(origins["model.aoa_layers"], preset);
    assert_eq!(origins["training.epochs"], file(1));
    assert_eq!(origins["model.heads"], file(2));
    assert_eq!(origins["training.seed"], flag);
    assert_eq!(origins["checkpoint.keep_last"], Origin::Default);
}

#[test]
fn a_preset_by_path_extends_the_file_beside_it() {
    #[track_caller]
    fn check(presets: &[(&str, &str)], name: &str, expected: usize) {
        let resolved = resolve(&Layers::preset(name), &lookup_in(presets)).unwrap();
        assert_eq!(resolved.config.model.aoa_layers, expected);
    }
    let presets = [
        ("base", "model.aoa_layers = 1"),
        ("mine/base.toml", "extends = 'base'\nmodel.num_hid = 512"),
        ("mine/desk.toml", "model.aoa_layers = 2"),
        ("mine/lap.toml", "extends = 'desk'"),
        ("mine/top.toml", "extends = 'base'"),
    ];
    check(&presets, "mine/base.toml", 1);
    check(&presets, "mine/lap.toml", 2);
    check(&presets, "mine/top.toml", 1);
    // The file beside a preset comes before the program's preset of that name.
    let named_alike = [
        ("base", "model.aoa_layers = 1"),
        ("mine/base.toml", "extends = 'base'\nmodel.aoa_layers = 2"),
        ("mine/top.toml", "extends = 'base'"),
        ("other/top.toml", "extends = 'base'"),
    ];
    check(&named_alike, "mine/top.toml", 2);
    check(&named_alike, "mine/base.toml", 2);
    check(&named_alike, "other/top.toml", 1);
    // By name, there is nothing beside it.
    let by_name = [("lap", "extends = 'desk'"), ("desk.toml", "")];
    assert!(resolve(&Layers::preset("lap"), &lookup_in(&by_name)).is_err());
    let circle = [
        ("mine/a.toml", "extends = 'b'"),
        ("mine/b.toml", "extends = 'a'"),
    ];
    let errors = resolve(&Layers::preset("mine/a.toml"), &lookup_in(&circle)).unwrap_err();
    let message = errors.to_string();
    assert!(
        message.ends_with("mine/a.toml -> mine/b.toml -> mine/a.toml"),
        "{message}"
    );
}
