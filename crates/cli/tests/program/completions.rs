//! What a shell offers for a word.

use std::process::Command;

use crate::support::Place;

/// What Bash offers at the end of a command line, by the script that the program prints.
fn offered(place: &Place, words: &[&str]) -> Vec<String> {
    let script = place.ok(&["completions", "bash"]).stdout;
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_aoa"));
    let path = format!(
        "{}:{}",
        program.parent().expect("a folder").display(),
        std::env::var("PATH").expect("a path")
    );
    let quoted: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
    let test = format!(
        "{script}\nCOMP_WORDS=(aoa {}); COMP_CWORD={}; _aoa; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        quoted.join(" "),
        words.len()
    );
    let output = Command::new("bash")
        .args(["-c", &test])
        .env("PATH", path)
        .current_dir(place.path())
        .output()
        .expect("bash");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn bash_offers_keys_values_presets_and_data_sets() {
    let place = Place::new();
    place.file("mine.toml", "");
    let check = |words: &[&str], expected: &[&str]| {
        assert_eq!(offered(&place, words), expected, "{words:?}");
    };
    check(&["train", "--set", "training.x"], &["training.xvlm_lr="]);
    // Bash cuts words at each `=` and `:`.
    check(
        &["train", "--set", "model.fine_form", "="],
        &["compact", "cfr"],
    );
    check(&["train", "--set", "model.fine_form", "=", "cf"], &["cfr"]);
    check(
        &["plan", "--set", "data_loading.preload_data", "=", "t"],
        &["true"],
    );
    check(
        &["train", "--set", "hardware.device", "=", "cuda", ":"],
        &["0"],
    );
    check(&["train", "--dataset", "e"], &["easy-vqa"]);
    check(&["train", "--dataset", "=", "sh"], &["shapes"]);
    check(
        &["train", "--preset", "24gb-"],
        &["24gb-headroom", "24gb-tight"],
    );
    check(&["plan", "--preset", "m"], &["mine.toml"]);
    check(&["presets", "show", "48"], &["48gb"]);
    check(&["presets", "der"], &["derive"]);
    check(&["data", "import", "x", "--recipe", ""], &["butd", "xvlm"]);
    check(
        &["data", "import", "x", "--format", "v"],
        &["vqa2", "vizwiz", "visual-genome", "visual7w"],
    );
    check(
        &["data", "import-features", "x", "--format", "l"],
        &["lxmert-tsv"],
    );
    check(&["predict", "--layout", "ok"], &["okvqa"]);
    check(&["predict", "--format", "j"], &["jsonl"]);
    check(&["eval", "--metric", "v"], &["vqa", "vizwiz", "visual7w"]);
    // A number has no values by name.
    check(&["train", "--set", "training.epochs", "="], &[]);
}

#[test]
fn every_shell_has_a_script() {
    let place = Place::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = place.ok(&["completions", shell]).stdout;
        assert!(script.contains("_AOA_COMPLETE"), "{shell}: {script}");
    }
}
