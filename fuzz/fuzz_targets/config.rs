//! Configuration files, and assignments in place of files of one line. Whatever is wrong has a place that is there; what is
//! right reads back, and can be checked as a preset.

#![no_main]

use config_schema::{ConfigErrors, Layers, Resolved, Source, presets, resolve};
use preset_tools::preset_check::{Demand, PresetCheck, PresetFile};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        check(data);
        return;
    };
    let user = Some(Source::new("fuzz.toml", text));
    if let Ok(resolved) = read(user, Vec::new()) {
        let text = resolved.annotated_toml();
        let again = read(Some(Source::new("again.toml", text)), Vec::new());
        assert_eq!(again.map(|again| again.config), Ok(resolved.config));
        check(data);
    }
    if text.lines().count() == 1 {
        let _ = read(None, vec![text.to_owned()]);
    }
});

fn read(user: Option<Source>, sets: Vec<String>) -> Result<Resolved, ConfigErrors> {
    let layers = Layers {
        fallback_preset: "24gb".to_owned(),
        user,
        sets,
        ..Layers::default()
    };
    let resolved = resolve(&layers, &presets::lookup);
    if let Err(ConfigErrors { errors }) = &resolved {
        for error in errors {
            if let (Some(source), Some(span)) = (&error.source, &error.span) {
                assert!(source.text.get(span.clone()).is_some(), "{error}");
            }
            assert!(!error.message().contains('\n'), "{error}");
        }
    }
    resolved
}

fn check(data: &[u8]) {
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
}
