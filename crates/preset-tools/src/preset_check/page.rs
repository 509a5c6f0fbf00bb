//! The page that documents the rules.

use std::fmt::Write;

use super::{Example, Rule};

const INTRODUCTION: &str = "\
# Rules of presets

<!-- Written by `cargo xtask docs`. -->

`aoa presets check` applies these rules to the presets in `configs/`, or with `--dir` to another folder. It reads every file in
the folder and its subfolders and reports all findings at once. The exit code is 2 if there is any error, and 0 if there are only
warnings. `--json` prints the findings as JSON.

A preset is named after its file, without `.toml`. In another folder, `extends = \"NAME\"` means the file `NAME.toml` in that folder.
If there is no such file, it means the built-in preset, as `--preset FILE` does.

The rules from `family-agrees` to `monotone-savings` compare the members of a family: the presets with one `family.name`, in the
folder and built in.

- Presets are ordered by `preset.min_device_memory`. Each is compared with the presets of the next larger memory.
- Presets for equal memory are alternatives and have no order, such as `24gb`, `24gb-headroom` and `24gb-tight`. Each is compared
  with `48gb`. A preset for less memory may have what any one of them has.
- A preset without `preset.min_device_memory` is for machines without a GPU and is not compared.

The examples leave out the description. An example without `extends` is an overlay on `24gb`.
";

/// The documentation of all rules, in Markdown: what `docs/preset-rules.md` holds.
pub fn rules_page() -> String {
    let mut page = INTRODUCTION.to_owned();
    for rule in Rule::ALL {
        let doc = rule.doc();
        let (language, wrong, mended) = match doc.example {
            Example::Toml { wrong, mended } => ("toml", wrong, mended),
            Example::Files { wrong, mended } => ("text", wrong, mended),
        };
        let _ = write!(
            page,
            "\n## {}\n\n{}\n\n{}\n\nWrong:\n\n```{language}\n{}\n```\n\nMended:\n\n```{language}\n{}\n```\n",
            doc.id,
            doc.title,
            doc.why,
            wrong.trim(),
            mended.trim()
        );
    }
    page
}
