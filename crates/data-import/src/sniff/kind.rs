//! Which layout a file belongs to, by the names of its fields.

use serde_json::{Map, Value};

/// What a file is for a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    VqaQuestions,
    VqaAnnotations,
    OkVqaAnnotations,
    CfrQuestions,
    Gqa,
    VizWiz,
    TextVqa,
    TextVqaWords,
    GenomeAnswers,
    GenomeImages,
    Visual7w,
    Visual7wPointing,
    Xvlm,
    Lxmert,
    /// A list of texts.
    Texts,
    /// An object from text to whole number.
    TextNumbers,
    /// An object from name to text.
    NamedText,
    /// An object from name to list of texts.
    NamedTexts,
    /// An empty list or object, or a list of ids.
    Ids,
    Pickle,
    Other,
}

impl Kind {
    /// What a file is that begins with this value.
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Array(list) => list_kind(list),
            Value::Object(object) => object_kind(object),
            _ => Self::Other,
        }
    }
}

/// Whether a value is an object with these fields.
fn has(value: Option<&Value>, names: &[&str]) -> bool {
    let object = value.and_then(Value::as_object);
    object.is_some_and(|object| names.iter().all(|name| object.contains_key(*name)))
}

fn list_kind(list: &[Value]) -> Kind {
    let any = |names: &[&str]| list.iter().any(|one| has(Some(one), names));
    match list.first() {
        None | Some(Value::Number(_)) => Kind::Ids,
        Some(Value::String(_)) => Kind::Texts,
        Some(Value::Object(_)) => {
            if any(&["qas"]) {
                Kind::GenomeAnswers
            } else if any(&["img_id", "sent"]) {
                Kind::Lxmert
            } else if any(&["question_id", "question", "image"]) {
                Kind::Xvlm
            } else if any(&["question", "image"]) {
                Kind::VizWiz
            } else if any(&["image_id", "width", "height"]) && !any(&["question"]) {
                Kind::GenomeImages
            } else {
                Kind::Other
            }
        }
        Some(_) => Kind::Other,
    }
}

fn object_kind(object: &Map<String, Value>) -> Kind {
    let under = |name: &str| object.get(name).and_then(Value::as_array);
    let first = |name: &str| under(name).and_then(|list| list.first());
    let some = |name: &str, names: &[&str]| {
        under(name).is_some_and(|list| list.iter().any(|one| has(Some(one), names)))
    };
    if some("images", &["qa_pairs"]) {
        let pair = first("images").and_then(|image| image["qa_pairs"].get(0));
        let pointing = pair.is_some_and(|pair| pair["answer"].is_number());
        return if pointing {
            Kind::Visual7wPointing
        } else {
            Kind::Visual7w
        };
    }
    if under("boxes").is_some() && object.len() == 1 {
        return Kind::Visual7wPointing;
    }
    if let Some(questions) = under("questions") {
        let entities = questions.iter().any(|one| has(Some(one), &["entities"]));
        return if entities {
            Kind::CfrQuestions
        } else {
            Kind::VqaQuestions
        };
    }
    if let Some(annotations) = under("annotations") {
        let raw = annotations
            .iter()
            .any(|one| has(one["answers"].get(0), &["raw_answer"]));
        return if raw || object.contains_key("question_types") {
            Kind::OkVqaAnnotations
        } else {
            Kind::VqaAnnotations
        };
    }
    if under("data").is_some() {
        return if some("data", &["question", "image_id"]) {
            Kind::TextVqa
        } else if some("data", &["ocr_tokens"]) || some("data", &["ocr_info"]) {
            Kind::TextVqaWords
        } else {
            Kind::Other
        };
    }
    let all = |test: &dyn Fn(&Value) -> bool| !object.is_empty() && object.values().all(test);
    if object.is_empty() {
        Kind::Ids
    } else if object
        .values()
        .any(|value| has(Some(value), &["question", "imageId"]))
    {
        Kind::Gqa
    } else if all(&Value::is_string) {
        Kind::NamedText
    } else if all(&Value::is_u64) {
        Kind::TextNumbers
    } else if all(&|value| {
        let list = value.as_array();
        list.is_some_and(|list| list.iter().all(Value::is_string))
    }) {
        Kind::NamedTexts
    } else {
        Kind::Other
    }
}
