//! Help for a name that does not exist: the name that was meant, or all there are.

use crate::schema::{self, Key};

/// What other programs call `lr`. In letters it is nearer to another key.
const LEARNING_RATE: &str = "learning_rate";

/// The help for a key that does not exist. `section` is the section it stands in, `None` at the top level.
pub(crate) fn for_key(section: Option<&str>, name: &str) -> Option<String> {
    for_keys(section, &similar_keys(section, name))
}

/// The help that names the keys that were meant; `section` is the one in which they were looked for. `None` for no key.
pub fn for_keys(section: Option<&str>, best: &[&'static Key]) -> Option<String> {
    let paths: Vec<String> = best.iter().map(|key| format!("`{}`", key.path)).collect();
    match best {
        [] => None,
        [key] if Some(key.section()) == section => {
            Some(format!("did you mean `{}`? {}", key.name, key.doc))
        }
        [key] => Some(format!(
            "did you mean `{}`? It belongs in section [{}]. {}",
            key.path,
            key.section(),
            key.doc
        )),
        _ => Some(format!("did you mean {}?", paths.join(" or "))),
    }
}

/// The keys meant, best reading only: the same name in other letters before a similar name, and the section the name
/// stands in before the others.
pub fn similar_keys(section: Option<&str>, name: &str) -> Vec<&'static Key> {
    let wanted = match normal(name) {
        name if name == LEARNING_RATE => "lr".to_owned(),
        name => name,
    };
    let here = |key: &&Key| Some(key.section()) == section;
    let same: Vec<&Key> = schema::keys()
        .filter(|key| normal(&key.name) == wanted)
        .collect();
    if let Some(key) = same.iter().copied().find(here) {
        return vec![key];
    }
    if !same.is_empty() {
        return same;
    }
    let similar = |key: &&'static Key| distance(&key.name, &wanted).map(|d| (d, *key));
    let nearest_here = schema::keys()
        .filter(here)
        .filter_map(|key| similar(&key))
        .min_by_key(|(d, _)| *d);
    if let Some((_, key)) = nearest_here {
        return vec![key];
    }
    let everywhere: Vec<(usize, &Key)> = schema::keys().filter_map(|key| similar(&key)).collect();
    let Some(least) = everywhere.iter().map(|(d, _)| *d).min() else {
        return Vec::new();
    };
    let nearest = everywhere.iter().filter(|(d, _)| *d == least);
    nearest.map(|(_, key)| *key).collect()
}

/// The key that an environment variable names without the two underscores between section and key, or with a slip.
pub(crate) fn for_variable(rest: &str) -> Option<&'static Key> {
    let wanted = normal(rest).replace('_', "");
    let joined = |key: &Key| key.path.replace(['.', '_'], "");
    let exact = schema::keys().find(|key| joined(key) == wanted);
    let near = || {
        let near = schema::keys().filter_map(|key| {
            // Of names this long a third would be another word.
            let distance = distance(&joined(key), &wanted)?;
            (distance <= 2).then_some((distance, key))
        });
        near.min_by_key(|(distance, _)| *distance)
            .map(|(_, key)| key)
    };
    exact.or_else(near)
}

/// The help for a section where a key should be.
pub(crate) fn for_section_alone(name: &str) -> Option<String> {
    let mut sections = schema::sections().iter();
    let section = sections.find(|section| section.name == normal(name))?;
    let key = section.keys.first()?;
    Some(format!(
        "`{name}` is a section: name one of its keys, such as `{}`",
        key.path
    ))
}

/// The help for a section that does not exist.
pub(crate) fn for_section(name: &str) -> Option<String> {
    similar_section(name).or_else(|| for_key(None, name))
}

/// The help that names the section that was meant, `None` where no name of a section is near.
pub fn similar_section(name: &str) -> Option<String> {
    let sections = schema::sections()
        .iter()
        .map(|section| section.name.as_str());
    let section = nearest(name, sections)?;
    Some(format!("did you mean [{section}]?"))
}

/// All sections, for one that resembles none of them.
pub fn sections_there_are() -> String {
    let names = schema::sections()
        .iter()
        .map(|section| format!("[{}]", section.name));
    format!("the sections are {}", names.collect::<Vec<_>>().join(", "))
}

/// All keys of a section, for one that resembles none of any; at the top level, where keys are.
pub(crate) fn keys_there_are(section: Option<&str>) -> String {
    let section = schema::sections()
        .iter()
        .find(|known| Some(known.name.as_str()) == section);
    let Some(section) = section else {
        return format!("keys stand in sections; {}", sections_there_are());
    };
    let names = section.keys.iter().map(|key| key.name.as_str());
    let names: Vec<&str> = names.collect();
    format!("the keys of [{}] are {}", section.name, names.join(", "))
}

/// The help for a string that is not in a list: the nearest, and the whole list.
pub fn for_choice<'a>(text: &str, choices: impl Iterator<Item = &'a str> + Clone) -> String {
    let listed: Vec<String> = choices
        .clone()
        .map(|choice| format!("\"{choice}\""))
        .collect();
    let listed = format!("known: {}", listed.join(", "));
    match nearest(text, choices) {
        Some(choice) => format!("did you mean \"{choice}\"? ({listed})"),
        None => listed,
    }
}

fn nearest<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = normal(text);
    let near = candidates.filter_map(|name| distance(name, &wanted).map(|d| (d, name)));
    near.min_by_key(|(d, _)| *d).map(|(_, name)| name)
}

/// A name as keys are spelt, in small letters with underscores: the guide writes `AOA_layers`, other programs `batch-size`.
pub fn normal(name: &str) -> String {
    name.trim().to_lowercase().replace(['-', ' '], "_")
}

/// Edits between a name and a normalised text, where they are few enough to be slips of the hand: one in three letters.
fn distance(name: &str, wanted: &str) -> Option<usize> {
    let name = normal(name);
    let limit = (name.chars().count() / 3).max(1);
    // The distance is at least the difference in length, and costs the product of both lengths to find.
    if wanted.len().abs_diff(name.len()) > 4 * limit {
        return None;
    }
    let edits = strsim::osa_distance(&name, wanted);
    (edits <= limit).then_some(edits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(section: Option<&str>, name: &str, expected: &[&str]) {
        let found: Vec<&str> = similar_keys(section, name)
            .iter()
            .map(|key| key.path.as_str())
            .collect();
        assert_eq!(found, expected, "{name:?} in {section:?}");
    }

    #[test]
    fn keys() {
        check(Some("training"), "bach_size", &["training.batch_size"]);
        check(Some("evaluation"), "batch-size", &["evaluation.batch_size"]);
        check(None, "lr", &["training.lr"]);
        check(Some("model"), "lr", &["training.lr"]);
        check(Some("training"), "learning_rate", &["training.lr"]);
        check(None, "learning-rate", &["training.lr"]);
        check(Some("family"), "learning_rates", &["family.learning_rates"]);
        check(Some("model"), "AOA_layers", &["model.aoa_layers"]);
        check(None, "AOA_layers", &["model.aoa_layers"]);
        check(
            None,
            "batch_size",
            &["training.batch_size", "evaluation.batch_size"],
        );
        check(
            Some("training"),
            "num_worker",
            &["memory_optimization.num_workers"],
        );
        check(Some("training"), "colour", &[]);
        check(None, &"x".repeat(1 << 20), &[]);
    }

    #[test]
    fn sections() {
        assert_eq!(
            for_section("trainig").as_deref(),
            Some("did you mean [training]?")
        );
        assert_eq!(
            for_section("data-loading").as_deref(),
            Some("did you mean [data_loading]?")
        );
        assert!(for_section("lr").is_some_and(|help| help.contains("`training.lr`")));
        assert_eq!(for_section("zebra"), None);
    }

    #[test]
    fn choices() {
        let choices = ["shapes", "easy-vqa"];
        let help = |text| for_choice(text, choices.into_iter());
        assert_eq!(
            help("easy_vqa"),
            "did you mean \"easy-vqa\"? (known: \"shapes\", \"easy-vqa\")"
        );
        assert_eq!(help("coco"), "known: \"shapes\", \"easy-vqa\"");
    }
}
