//! YAML out of which presets are made. What comes out is a preset; whatever is wrong has a place that is there.

#![no_main]

use config_schema::{Layers, Source, resolve};
use preset_tools::import_yaml;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match import_yaml(Source::new("fuzz.yaml", text)).preset {
        Ok(preset) => {
            let lookup = |_: &str| Some(Source::new("imported.toml", preset.clone()));
            let imported = resolve(&Layers::preset("imported"), &lookup);
            imported.expect("what is imported is a preset");
        }
        Err(errors) => {
            for error in errors.errors {
                if let (Some(source), Some(span)) = (&error.source, &error.span) {
                    assert!(source.text.get(span.clone()).is_some(), "{error}");
                }
            }
        }
    }
});
