//! Configurations side by side.

use config_schema::Resolved;
use preset_tools::{Column, Comparison, compare};

use crate::args::DiffArgs;
use crate::output;

/// Prints the keys in which named configurations differ, or all keys.
pub fn show(configurations: &[(String, Resolved)], args: &DiffArgs) {
    let columns: Vec<_> = configurations
        .iter()
        .map(|(name, resolved)| (name.as_str(), resolved))
        .collect();
    let mut rows = compare(&columns);
    let (all, changed) = (rows.len(), rows.iter().filter(|row| !row.same).count());
    rows.retain(|row| args.all || !row.same);
    if args.json {
        output::json(&rows);
        return;
    }
    let blocks: Vec<String> = rows.iter().map(block).collect();
    output::text(blocks.join("\n"));
    output::note(match changed {
        0 => format!("no key differs of {all}"),
        1 => format!("1 key differs of {all}"),
        changed => format!("{changed} keys differ of {all}"),
    });
}

/// A key, its value in each configuration with origin and effect, and what the key does where no effect is known.
fn block(row: &Comparison) -> String {
    let width = |of: &dyn Fn(&Column) -> usize| row.columns.iter().map(of).max().unwrap_or(0);
    let names = width(&|column| column.name.chars().count());
    let values = width(&|column| column.toml().chars().count());
    let line = |column: &Column| {
        let (name, value, origin) = (&column.name, column.toml(), &column.origin);
        let effect = column.effect.iter().map(|effect| format!(" - {effect}"));
        let effect: String = effect.collect();
        format!("  {name:names$}  {value:values$}  {origin}{effect}\n")
    };
    let columns: String = row.columns.iter().map(line).collect();
    let told = row.columns.iter().any(|column| column.effect.is_some());
    let doc = if told {
        String::new()
    } else {
        format!("  {}\n", row.doc)
    };
    format!("{}\n{columns}{doc}", row.key)
}
