use std::fmt;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::scene::{Colour, Object, Scene, Shape, any};

/// Two objects are left, right, above or below of one another only if their centres lie this many pixels apart.
const CLEARLY: f32 = 16.0;

/// What a question asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Topic {
    Colour,
    Shape,
    Count,
    Position,
    Existence,
}

impl Topic {
    pub(super) const ALL: [Self; 5] = [
        Self::Colour,
        Self::Shape,
        Self::Count,
        Self::Position,
        Self::Existence,
    ];
}

/// What an object must be to be meant; a part left open fits every object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wanted {
    colour: Option<Colour>,
    shape: Option<Shape>,
}

impl Wanted {
    fn colours() -> impl Iterator<Item = Self> {
        Colour::ALL.into_iter().map(|colour| Self {
            colour: Some(colour),
            shape: None,
        })
    }

    fn shapes() -> impl Iterator<Item = Self> {
        Shape::ALL.into_iter().map(|shape| Self {
            colour: None,
            shape: Some(shape),
        })
    }

    fn pairs() -> impl Iterator<Item = Self> {
        Self::colours().flat_map(|wanted| {
            Self::shapes().map(move |s| Self {
                shape: s.shape,
                ..wanted
            })
        })
    }

    fn anything() -> Self {
        Self {
            colour: None,
            shape: None,
        }
    }

    fn count(self, scene: &Scene) -> usize {
        let fits = |object: &&Object| {
            self.colour.is_none_or(|colour| colour == object.colour)
                && self.shape.is_none_or(|shape| shape == object.shape)
        };
        scene.objects.iter().filter(fits).count()
    }
}

/// "red circle", "circle", "red object", "object".
impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(colour) = self.colour {
            write!(f, "{} ", colour.name())?;
        }
        f.write_str(self.shape.map_or("object", Shape::name))
    }
}

impl From<&Object> for Wanted {
    fn from(object: &Object) -> Self {
        Self {
            colour: Some(object.colour),
            shape: Some(object.shape),
        }
    }
}

/// A question on the topic and its one right answer, or nothing where the scene does not allow the topic.
///
/// Whether a yes/no question has the answer yes is decided by `yes` before anything else about it is, and never by
/// what the scene offers: half of them have, whatever they name.
pub(super) fn ask(
    topic: Topic,
    yes: bool,
    scene: &Scene,
    rng: &mut ChaCha8Rng,
) -> Option<(String, String)> {
    match topic {
        Topic::Colour => colour(scene, rng),
        Topic::Shape => shape(scene, rng),
        Topic::Count => Some(count(scene, rng)),
        Topic::Position => position(yes, scene, rng),
        Topic::Existence => existence(yes, scene, rng),
    }
}

/// Asked only of a shape that occurs once.
fn colour(scene: &Scene, rng: &mut ChaCha8Rng) -> Option<(String, String)> {
    let once = |object: &&Object| {
        let alone = Wanted {
            colour: None,
            ..Wanted::from(*object)
        };
        alone.count(scene) == 1
    };
    let object = any_of(scene.objects.iter().filter(once), rng)?;
    let name = object.shape.name();
    let question = match rng.random_range(0..3) {
        0 => format!("what color is the {name}?"),
        1 => format!("what is the color of the {name}?"),
        _ => format!("which color does the {name} have?"),
    };
    Some((question, object.colour.name().to_owned()))
}

/// Asked only of a colour that occurs once.
fn shape(scene: &Scene, rng: &mut ChaCha8Rng) -> Option<(String, String)> {
    let once = |object: &&Object| {
        let alone = Wanted {
            shape: None,
            ..Wanted::from(*object)
        };
        alone.count(scene) == 1
    };
    let object = any_of(scene.objects.iter().filter(once), rng)?;
    let name = object.colour.name();
    let question = match rng.random_range(0..3) {
        0 => format!("what shape is the {name} object?"),
        1 => format!("what is the shape of the {name} object?"),
        _ => format!("which shape does the {name} object have?"),
    };
    Some((question, object.shape.name().to_owned()))
}

/// The answer is drawn first, from those the scene allows, then what to count: every answer is about as frequent as
/// the scenes that allow it.
fn count(scene: &Scene, rng: &mut ChaCha8Rng) -> (String, String) {
    let mut counted: Vec<_> = Wanted::shapes()
        .chain(Wanted::colours())
        .chain([Wanted::anything()])
        .map(|wanted| (wanted.count(scene), wanted))
        .collect();
    let mut answers: Vec<_> = counted.iter().map(|(count, _)| *count).collect();
    answers.sort_unstable();
    answers.dedup();
    let answer = any(&answers, rng);
    counted.retain(|(count, _)| *count == answer);
    let (_, wanted) = any(&counted, rng);
    let question = match rng.random_range(0..3) {
        0 => format!("how many {wanted}s are there?"),
        1 => format!("how many {wanted}s are in the image?"),
        _ => format!("what is the number of {wanted}s?"),
    };
    (question, answer.to_string())
}

fn position(yes: bool, scene: &Scene, rng: &mut ChaCha8Rng) -> Option<(String, String)> {
    let axis = rng.random_range(0..2);
    let objects = &scene.objects;
    let ordered = objects.iter().flat_map(|low| {
        let high = objects.iter();
        high.filter(move |high| high.centre[axis] - low.centre[axis] >= CLEARLY)
            .map(move |high| (low, high))
    });
    let (low, high) = any_of(ordered, rng)?;
    // The first object is the lower one of the axis in "left of" and "above", the higher one in the others.
    let towards_low = rng.random_bool(0.5);
    let relation = match (axis, towards_low) {
        (0, true) => ["left of", "to the left of"],
        (0, false) => ["right of", "to the right of"],
        (_, true) => ["above", "higher than"],
        (_, false) => ["below", "lower than"],
    };
    let (first, second) = if towards_low == yes {
        (low, high)
    } else {
        (high, low)
    };
    let question = format!(
        "is the {} {} the {}?",
        Wanted::from(first),
        any(&relation, rng),
        Wanted::from(second)
    );
    Some((question, yes_no(yes)))
}

/// Asks for a colour, a shape or both; for a colour or a shape only where both answers are possible, as which of them
/// the scene offers would otherwise tilt the answer.
fn existence(yes: bool, scene: &Scene, rng: &mut ChaCha8Rng) -> Option<(String, String)> {
    let candidates: Vec<_> = match rng.random_range(0..4) {
        0 => Wanted::shapes().collect(),
        1 => Wanted::colours().collect(),
        _ => Wanted::pairs().collect(),
    };
    let (there, not_there): (Vec<Wanted>, Vec<Wanted>) = candidates
        .into_iter()
        .partition(|wanted| wanted.count(scene) > 0);
    if there.is_empty() || not_there.is_empty() {
        return None;
    }
    let wanted = any(if yes { &there } else { &not_there }, rng);
    let question = match rng.random_range(0..3) {
        0 => format!("is there a {wanted}?"),
        1 => format!("does the image contain a {wanted}?"),
        _ => format!("is a {wanted} present?"),
    };
    Some((question, yes_no(yes)))
}

fn any_of<T: Copy>(items: impl Iterator<Item = T>, rng: &mut ChaCha8Rng) -> Option<T> {
    let items: Vec<_> = items.collect();
    (!items.is_empty()).then(|| any(&items, rng))
}

fn yes_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}
