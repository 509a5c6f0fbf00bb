//! The lists of X-VLM, ALBEF and BLIP: votes as texts, and of Visual Genome one answer that weighs half.

use serde_json::Value;

use super::layout::{Job, Layout, Part, Split, check_image, check_question, of, twice};
use crate::error::{ImportError, Place};
use crate::format::Format;
use crate::json::{Fields, Item, OneOrMore, QuestionId, Shape, Text, element, need, stream};
use crate::record::{Answers, GENOME_WEIGHT, Record, Rest, Weights, share};
use crate::sniff::{Kind, Sniffed, part_of};

pub(super) struct Xvlm {
    parts: Vec<Part>,
}

impl Xvlm {
    pub(super) fn find(files: &[Sniffed]) -> Result<Self, ImportError> {
        let mut parts: Vec<(u8, Part)> = Vec::new();
        for file in of(files, Kind::Xvlm) {
            let name = file.stem();
            if let Some((_, known)) = parts.iter().find(|(_, part)| part.name == name) {
                return Err(twice(&name, &known.files[0], &file.path));
            }
            let first = &file.head[0];
            let answered = !first["answer"].is_null();
            let (order, split) = match part_of(&name) {
                _ if !answered => (3, Some(Split::Test)),
                _ if first["dataset"] == "vg" => (2, Some(Split::Train)),
                Some("val" | "minival") => (1, Some(Split::Validation)),
                Some(part) if part.starts_with("test") => (3, Some(Split::Test)),
                // Whatever has answers besides is trained on.
                _ => (0, Some(Split::Train)),
            };
            let files = vec![file.path.clone()];
            parts.push((
                order,
                Part {
                    name,
                    split,
                    files,
                    within: None,
                },
            ));
        }
        parts.sort_by(|(a, one), (b, other)| (a, &one.name).cmp(&(b, &other.name)));
        Ok(Self {
            parts: parts.into_iter().map(|(_, part)| part).collect(),
        })
    }
}

#[derive(Default)]
#[expect(
    clippy::option_option,
    reason = "`null` is no answer; a second field is an error"
)]
struct Asked {
    id: Option<QuestionId>,
    image: Option<Text>,
    question: Option<Text>,
    answer: Option<Option<OneOrMore>>,
    data_set: Option<Text>,
    others: Vec<(String, Value)>,
}

element!(Asked {
    "question_id" => id,
    "image" => image,
    "question" => question,
    "answer" => answer,
    "dataset" => data_set,
    ..others
});

/// Answers, and their weights where the list gives any. The error says why answers are invalid.
fn answers(
    answer: Option<OneOrMore>,
    genome: bool,
) -> Result<(Answers, Option<Weights>), &'static str> {
    Ok(match answer {
        None => (Answers::None, None),
        Some(OneOrMore::More(list)) if list.is_empty() => (Answers::None, None),
        Some(OneOrMore::One(answer)) => {
            let weight = if genome { GENOME_WEIGHT } else { 1.0 };
            let weights = vec![(answer.clone(), weight)];
            (Answers::Right(answer), Some(weights))
        }
        Some(OneOrMore::More(mut list)) if genome => match (list.pop(), list.is_empty()) {
            (Some(answer), true) => answers(Some(OneOrMore::One(answer)), genome)?,
            _ => return Err("a question of `vg` has one answer, not a list of several"),
        },
        Some(OneOrMore::More(list)) => {
            let votes = Answers::Votes(list);
            let weights = share(&votes);
            (votes, weights)
        }
    })
}

impl Layout for Xvlm {
    fn format(&self) -> Format {
        Format::Xvlm
    }

    fn parts(&self) -> &[Part] {
        &self.parts
    }

    fn read(&self, part: usize, job: &mut Job<'_>) -> Result<(), ImportError> {
        let input = self.parts[part].input(job.meter);
        let mut rest = String::new();
        stream(input, Shape::List, &mut |item: Item<Fields<Asked>>| {
            let Fields(Asked {
                id,
                image,
                question,
                answer,
                data_set,
                others: mut fields,
            }) = item.value;
            let id = need(id, "question_id", input, &Place::Element(item.index))?;
            let place = Place::Question(id.text.clone());
            let Text(image) = need(image, "image", input, &place)?;
            check_image(&image, input, &place)?;
            let Text(question) = need(question, "question", input, &place)?;
            check_question(&question, input, &place)?;
            let folder = match data_set.as_ref().map(|Text(name)| name.as_str()) {
                None | Some("vqa") => "vqa",
                Some("vg") => "vg",
                Some(other) => {
                    return Err(ImportError::content(
                        input.path,
                        place,
                        format!(
                            "`dataset` is `{other}`: the lists have questions of `vqa` and `vg`"
                        ),
                        "write which of the two it is, or leave the element out",
                    ));
                }
            };
            let wrong = |problem| {
                ImportError::content(
                    input.path,
                    Place::Question(id.text.clone()),
                    problem,
                    "write the answer as text",
                )
            };
            let (answers, weights) = answers(answer.flatten(), folder == "vg").map_err(wrong)?;
            if let Some(Text(name)) = data_set {
                fields.push(("dataset".to_owned(), name.into()));
            }
            rest.clear();
            job.style.rest(
                &Rest {
                    answers: &answers,
                    weights,
                    fields: &fields,
                    ..Rest::default()
                },
                &mut rest,
            );
            (job.sink)(&Record {
                id: &id,
                folder,
                image: &image,
                question: &question,
                answered: answers != Answers::None,
                rest: &rest,
            })
        })
    }

    fn below(&self, folder: &str) -> Vec<String> {
        let names: &[&str] = match folder {
            "vg" => &["vg", "visualgenome", "visual_genome", "VG"],
            _ => &["vqa", "coco", "mscoco", "COCO"],
        };
        let within = names.iter().map(|name| format!("images/{name}"));
        names
            .iter()
            .map(|name| (*name).to_owned())
            .chain(within)
            .collect()
    }
}
