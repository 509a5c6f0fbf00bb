//! Which published splits go into which split of the folder.

use std::fmt;
use std::str::FromStr;

use crate::error::ImportError;
use crate::format::Format;
use crate::layouts::{Layout, MINIVAL, Split};

/// A published way to mix data sets, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recipe {
    /// Bottom-up and top-down attention (Anderson et al., 2018): trains on VQA v2's train questions, most of its val
    /// questions and Visual Genome; an eighth of the val images is held out.
    Butd,
    /// X-VLM (Zeng et al., 2022), as ALBEF before it: trains on train, val and Visual Genome, whose answers have half the weight.
    Xvlm,
}

impl Recipe {
    /// Every recipe.
    pub const ALL: [Self; 2] = [Self::Butd, Self::Xvlm];

    /// Its name in arguments.
    pub fn name(self) -> &'static str {
        match self {
            Self::Butd => "butd",
            Self::Xvlm => "xvlm",
        }
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Recipe {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = Self::ALL.into_iter();
        let found = all.find(|recipe| recipe.name() == text.to_lowercase());
        found.ok_or_else(|| format!("expected one of {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// A part of one of the layouts, by index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) layout: usize,
    pub(crate) part: usize,
}

/// The parts of each split, in the order in which they are read.
pub(crate) type Mix = [Vec<Chosen>; 3];

/// Parts that were asked for, for each split; nothing if the default is.
pub(crate) type Asked<'a> = [&'a [String]; 3];

/// Chooses the parts of each split.
pub(crate) fn choose(
    layouts: &[Box<dyn Layout>],
    asked: Asked<'_>,
    recipe: Option<Recipe>,
) -> Result<Mix, ImportError> {
    let mut mix: Mix = match recipe {
        Some(recipe) => of_recipe(layouts, recipe)?,
        None => Mix::default(),
    };
    for (parts, asked) in mix.iter_mut().zip(asked) {
        if !asked.is_empty() {
            parts.clear();
            for name in asked {
                for chosen in named(layouts, name)? {
                    if !parts.contains(&chosen) {
                        parts.push(chosen);
                    }
                }
            }
        }
    }
    if recipe.is_none() {
        let taken: Vec<Chosen> = mix.iter().flatten().copied().collect();
        for (split, asked) in Split::ALL.into_iter().zip(asked) {
            if asked.is_empty() {
                mix[split as usize] = defaults(layouts, split, &taken);
            }
        }
    }
    check(layouts, &mix)?;
    Ok(mix)
}

/// The parts that go into a split by themselves, but for what is taken already.
fn defaults(layouts: &[Box<dyn Layout>], split: Split, taken: &[Chosen]) -> Vec<Chosen> {
    let mut chosen = Vec::new();
    for (layout, of) in layouts.iter().enumerate() {
        for (part, about) in of.parts().iter().enumerate() {
            let one = Chosen { layout, part };
            let used = taken.iter().any(|other| overlap(layouts, *other, one));
            if about.split == Some(split) && !used {
                chosen.push(one);
            }
        }
    }
    chosen
}

/// Whether two parts share questions.
pub(crate) fn overlap(layouts: &[Box<dyn Layout>], one: Chosen, other: Chosen) -> bool {
    if one.layout != other.layout {
        return false;
    }
    let parts = layouts[one.layout].parts();
    let (a, b) = (&parts[one.part], &parts[other.part]);
    one == other || a.within == Some(b.name.as_str()) || b.within == Some(a.name.as_str())
}

/// Refuses questions that would be trained on and reported, or be there twice.
fn check(layouts: &[Box<dyn Layout>], mix: &Mix) -> Result<(), ImportError> {
    if mix[Split::Train as usize].is_empty() {
        return Err(ImportError::choice(
            format!(
                "no split is used for training; there are {}",
                names(layouts)
            ),
            "name the splits to train on with `--train`",
        ));
    }
    let all = Split::ALL
        .iter()
        .zip(mix)
        .flat_map(|(split, parts)| parts.iter().map(move |one| (*split, *one)));
    let all: Vec<(Split, Chosen)> = all.collect();
    for (at, (split, one)) in all.iter().enumerate() {
        for (before, other) in &all[..at] {
            // Validation on the test split is how some data sets are used.
            let trained = *split == Split::Train || *before == Split::Train;
            if overlap(layouts, *one, *other) && (trained || split == before) {
                let name = |chosen: Chosen| part_name(layouts, chosen);
                return Err(ImportError::choice(
                    format!(
                        "{} for {} and {} for {} have questions in common",
                        name(*other),
                        before.name(),
                        name(*one),
                        split.name()
                    ),
                    "name splits without common questions",
                ));
            }
        }
    }
    Ok(())
}

/// The parts of a name: `train`, `vqa2:train`, or `vqa2` for what it has to train on.
fn named(layouts: &[Box<dyn Layout>], name: &str) -> Result<Vec<Chosen>, ImportError> {
    let (format, part) = match name.split_once(':') {
        Some((format, part)) => (Some(format), part),
        None => (None, name),
    };
    let mut found = Vec::new();
    for (layout, of) in layouts.iter().enumerate() {
        if format.is_some_and(|format| format.parse() != Ok(of.format())) {
            continue;
        }
        let mut parts = of.parts().iter();
        if let Some(part) = parts.position(|one| one.name == part) {
            found.push(Chosen { layout, part });
        }
    }
    if let (true, None, Ok(format)) = (found.is_empty(), format, name.parse::<Format>()) {
        let layout = layouts.iter().position(|of| of.format() == format);
        if let Some(layout) = layout {
            let all = defaults(layouts, Split::Train, &[]);
            return Ok(all.into_iter().filter(|one| one.layout == layout).collect());
        }
    }
    match found.len() {
        1 => Ok(found),
        0 => Err(ImportError::choice(
            format!("there is no split `{name}`"),
            format!("the splits are {}", names(layouts)),
        )),
        _ => Err(ImportError::choice(
            format!("several data sets have a split `{name}`"),
            format!("name the data set, too: {}", names(layouts)),
        )),
    }
}

/// Every part, with its data set where there are several.
pub(crate) fn names(layouts: &[Box<dyn Layout>]) -> String {
    let mut names = Vec::new();
    for (layout, of) in layouts.iter().enumerate() {
        names.extend((0..of.parts().len()).map(|part| part_name(layouts, Chosen { layout, part })));
    }
    names.join(", ")
}

/// What to call a part.
pub(crate) fn part_name(layouts: &[Box<dyn Layout>], chosen: Chosen) -> String {
    let layout = &layouts[chosen.layout];
    let name = &layout.parts()[chosen.part].name;
    if layouts.len() == 1 {
        name.clone()
    } else {
        format!("{}:{name}", layout.format())
    }
}

fn of_recipe(layouts: &[Box<dyn Layout>], recipe: Recipe) -> Result<Mix, ImportError> {
    let find = |format: Format, name: &str| {
        let layout = layouts
            .iter()
            .position(|layout| layout.format() == format)?;
        let part = layouts[layout]
            .parts()
            .iter()
            .position(|part| part.name == name)?;
        Some(Chosen { layout, part })
    };
    let need = |format: Format, name: &str| {
        find(format, name).ok_or_else(|| {
            ImportError::choice(
                format!(
                    "the recipe {recipe} needs the split {name} of {format}, which is not there"
                ),
                format!(
                    "name the folder of {format}, too; found: {}",
                    names(layouts)
                ),
            )
        })
    };
    let (vqa, genome) = (Format::Vqa2, Format::VisualGenome);
    let optional = |found: Option<Chosen>| found.into_iter().collect();
    let test = find(vqa, "test").or_else(|| find(vqa, "testdev"));
    Ok(match recipe {
        Recipe::Butd => [
            vec![
                need(vqa, "train")?,
                need(vqa, "nominival")?,
                need(genome, "train")?,
            ],
            vec![need(vqa, MINIVAL)?],
            optional(test),
        ],
        Recipe::Xvlm => {
            let lists = layouts
                .iter()
                .position(|layout| layout.format() == Format::Xvlm);
            match lists {
                Some(layout) => {
                    let parts = layouts[layout].parts().iter().enumerate();
                    let of = |test: bool| {
                        let parts = parts.clone().filter(|(_, one)| {
                            one.split
                                .is_some_and(|split| (split == Split::Test) == test)
                        });
                        parts.map(|(part, _)| Chosen { layout, part }).collect()
                    };
                    [of(false), Vec::new(), of(true)]
                }
                None => [
                    vec![
                        need(vqa, "train")?,
                        need(vqa, "val")?,
                        need(genome, "train")?,
                    ],
                    Vec::new(),
                    optional(test),
                ],
            }
        }
    })
}
