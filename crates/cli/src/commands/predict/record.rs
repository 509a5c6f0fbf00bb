//! What is written about an answered question.

use data_pipeline::{AnswerList, Sample, Source};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use trainer::{Answer, Prediction};

/// Names that a record has for itself, so that fields of the question with such a name are written with `source_` in front.
const OWN: [&str; 6] = [
    "image", "question", "answer", "answers", "branches", "entities",
];

/// Field of the id, which stands first.
const ID: &str = "question_id";

/// A question with its answers, as a line of JSON.
pub struct Record<'a> {
    sample: &'a Sample,
    image: String,
    /// The most probable answers, of which there is at least one.
    answers: Vec<Answer>,
    /// The first answer of each branch of the model.
    branches: Vec<(&'static str, String)>,
}

impl<'a> Record<'a> {
    /// The question of a prediction with its `top_k` most probable answers.
    pub fn of(
        source: &'a dyn Source,
        list: &AnswerList,
        prediction: &Prediction,
        top_k: usize,
    ) -> Self {
        let sample = &source.samples()[prediction.sample];
        let first = |probabilities: &[f32]| {
            let ranked = list.ranked(probabilities, 1);
            ranked
                .first()
                .map_or_else(String::new, |(answer, _)| (*answer).to_owned())
        };
        let answers = list.ranked(&prediction.probabilities, top_k);
        Self {
            sample,
            image: source.image_id(sample.image),
            answers: answers.into_iter().map(Answer::from).collect(),
            branches: prediction
                .branches
                .iter()
                .map(|(name, probabilities)| (*name, first(probabilities)))
                .collect(),
        }
    }
}

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(id) = self.sample.fields.get(ID) {
            map.serialize_entry(ID, id)?;
        }
        map.serialize_entry("image", &self.image)?;
        map.serialize_entry("question", &self.sample.question)?;
        map.serialize_entry("answer", &self.answers.first().map(|first| &first.answer))?;
        map.serialize_entry("answers", &self.answers)?;
        if !self.branches.is_empty() {
            map.serialize_entry("branches", &Branches(&self.branches))?;
        }
        if !self.sample.entities.is_empty() {
            map.serialize_entry("entities", &self.sample.entities)?;
        }
        for (name, value) in self.sample.fields.iter() {
            if OWN.contains(&name) {
                // A question that was itself read from such records may have the name already.
                let mut free = format!("source_{name}");
                while self.sample.fields.contains_key(&free) {
                    free.insert_str(0, "source_");
                }
                map.serialize_entry(&free, value)?;
            } else if name != ID {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}

struct Branches<'a>(&'a [(&'static str, String)]);

impl Serialize for Branches<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, answer)| (name, answer)))
    }
}
