//! Configuration files: as a preset under check, and as the user's file. Whatever is wrong has a place that is there.

#![no_main]

use config_schema::preset_check::{Demand, PresetCheck, PresetFile};
use config_schema::{Layers, Source, presets, resolve};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let file = PresetFile {
        path: "fuzz/fuzz.toml".to_owned(),
        content: Ok(data.to_vec()),
    };
    let check = PresetCheck {
        folder: "fuzz",
        files: &[file],
        own: false,
        elsewhere: &presets::lookup,
        left_out: &[],
    };
    for finding in check.run(&mut |_, _| Demand::default()).findings {
        let span = finding.span.clone().unwrap_or_default();
        assert!(finding.source.text.get(span).is_some(), "{finding}");
        assert!(!finding.message().contains('\n'), "{finding}");
    }

    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let layers = Layers {
        fallback_preset: "24gb".to_owned(),
        user: Some(Source::new("fuzz.toml", text)),
        sets: text.lines().map(str::to_owned).collect(),
        ..Layers::default()
    };
    match resolve(&layers, &presets::lookup) {
        Ok(resolved) => {
            let again = Layers {
                user: Some(Source::new("again.toml", resolved.annotated_toml())),
                ..Layers::default()
            };
            let again = resolve(&again, &presets::lookup);
            assert_eq!(again.map(|again| again.config), Ok(resolved.config));
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
