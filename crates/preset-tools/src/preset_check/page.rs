//! The page that documents the rules.

use std::fmt::Write;

use super::{Example, Rule};

const INTRODUCTION: &str = "\
# Rules of presets

<!-- Written by `cargo xtask docs`. -->

`aoa presets check` applies these rules to the presets in `configs/`, or to those in another folder with `--dir`. It reads
everything in the folder and the folders within it, reports all that it finds at once, and ends with exit code 2 if there
is anything but warnings. `--json` prints the same for a program.

A file is named by what stands before `.toml`. In another folder, `extends` with a name means the file of that name beside it
or, where there is none, the program's preset. That is how `--preset FILE` reads it.

The rules from `family-agrees` to `monotone-savings` compare the members of a family, which are the presets of one
`family.name`: those of the folder with one another and with those of the program. Presets are ordered by `preset.min_device_memory`, and each is compared with those
of the next larger memory, which is as good as with all. Presets for the same memory are alternatives to one another, as
`24gb`, `24gb-headroom` and `24gb-tight` are: they have no order among them, each is compared with `48gb`, and a preset for
less memory may have what one of them has. A preset without `preset.min_device_memory` is for no GPU and is not compared.

In the examples, a text without `extends` is an overlay on `24gb`, and a description goes without saying.
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
