use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::scene::{Colour, Object, Scene, Shape, any};

/// An object is the leftmost, rightmost, topmost or lowest only if all other centres lie this many pixels behind its own.
const CLEARLY: f32 = 12.0;

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

/// Where the outermost object of a direction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Leftmost,
    Rightmost,
    Topmost,
    Lowest,
}

/// A question about a scene, in no language yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    ColourOf(Shape),
    ShapeOf(Colour),
    Count(Wanted),
    OutermostColour(Side),
    OutermostShape(Side),
    OutermostHasColour(Side, Colour),
    OutermostHasShape(Side, Shape),
    Exists(Wanted),
}

/// The one right answer to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    Colour(Colour),
    Shape(Shape),
    Count(usize),
    YesNo(bool),
}

/// What an object must be to be meant; a part left open fits every object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) colour: Option<Colour>,
    pub(super) shape: Option<Shape>,
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

impl From<&Object> for Wanted {
    fn from(object: &Object) -> Self {
        Self {
            colour: Some(object.colour),
            shape: Some(object.shape),
        }
    }
}

/// A question on the topic and its one right answer, or nothing if the scene does not allow the topic.
///
/// Whether a yes/no question has the answer yes is decided by `yes` before anything else about it is, and never by
/// what the scene offers: half of them have, whatever they name.
pub(super) fn ask(
    topic: Topic,
    yes: bool,
    scene: &Scene,
    rng: &mut ChaCha8Rng,
) -> Option<(Question, Reply)> {
    match topic {
        Topic::Colour => colour(scene, rng),
        Topic::Shape => shape(scene, rng),
        Topic::Count => Some(count(scene, rng)),
        Topic::Position => position(yes, scene, rng),
        Topic::Existence => existence(yes, scene, rng),
    }
}

/// Asked only of a shape that occurs once.
fn colour(scene: &Scene, rng: &mut ChaCha8Rng) -> Option<(Question, Reply)> {
    let once = |object: &&Object| {
        let alone = Wanted {
            colour: None,
            ..Wanted::from(*object)
        };
        alone.count(scene) == 1
    };
    let object = any_of(scene.objects.iter().filter(once), rng)?;
    Some((
        Question::ColourOf(object.shape),
        Reply::Colour(object.colour),
    ))
}

/// Asked only of a colour that occurs once.
fn shape(scene: &Scene, rng: &mut ChaCha8Rng) -> Option<(Question, Reply)> {
    let once = |object: &&Object| {
        let alone = Wanted {
            shape: None,
            ..Wanted::from(*object)
        };
        alone.count(scene) == 1
    };
    let object = any_of(scene.objects.iter().filter(once), rng)?;
    Some((Question::ShapeOf(object.colour), Reply::Shape(object.shape)))
}

/// The answer is drawn first, from those the scene allows, then what to count: every answer is about as frequent as
/// the scenes that allow it.
fn count(scene: &Scene, rng: &mut ChaCha8Rng) -> (Question, Reply) {
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
    (Question::Count(wanted), Reply::Count(answer))
}

/// Asks what the outermost object of a direction is, or whether it is this or that; "no" goes with a colour or shape that
/// another object of the scene has.
fn position(yes: bool, scene: &Scene, rng: &mut ChaCha8Rng) -> Option<(Question, Reply)> {
    let (side, axis, towards) = any(
        &[
            (Side::Leftmost, 0, -1.0),
            (Side::Rightmost, 0, 1.0),
            (Side::Topmost, 1, -1.0),
            (Side::Lowest, 1, 1.0),
        ],
        rng,
    );
    let reach = |object: &Object| towards * object.centre[axis];
    let outermost = scene
        .objects
        .iter()
        .max_by(|a, b| reach(a).total_cmp(&reach(b)))?;
    let others = || scene.objects.iter().filter(|o| *o != outermost);
    if others().any(|other| reach(outermost) - reach(other) < CLEARLY) {
        return None;
    }
    let (colour, shape) = (outermost.colour, outermost.shape);
    Some(match rng.random_range(0..4) {
        0 => (Question::OutermostColour(side), Reply::Colour(colour)),
        1 => (Question::OutermostShape(side), Reply::Shape(shape)),
        2 => {
            // Drawn whatever the answer, so that both answers are asked for in the same scenes.
            let other = any_of(others().map(|o| o.colour).filter(|c| *c != colour), rng)?;
            let named = if yes { colour } else { other };
            (Question::OutermostHasColour(side, named), Reply::YesNo(yes))
        }
        _ => {
            let other = any_of(others().map(|o| o.shape).filter(|s| *s != shape), rng)?;
            let named = if yes { shape } else { other };
            (Question::OutermostHasShape(side, named), Reply::YesNo(yes))
        }
    })
}

/// Asks for a colour, a shape or both; for a colour or a shape only where both answers are possible, as which of them
/// the scene offers would otherwise tilt the answer.
fn existence(yes: bool, scene: &Scene, rng: &mut ChaCha8Rng) -> Option<(Question, Reply)> {
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
    Some((Question::Exists(wanted), Reply::YesNo(yes)))
}

fn any_of<T: Copy>(items: impl Iterator<Item = T>, rng: &mut ChaCha8Rng) -> Option<T> {
    let items: Vec<_> = items.collect();
    (!items.is_empty()).then(|| any(&items, rng))
}
