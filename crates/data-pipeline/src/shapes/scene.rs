use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Side of an image in pixels.
pub(super) const SIDE: usize = 64;

/// Least distance in pixels between the outlines of two objects, and between an outline and the border.
const GAP: f32 = 2.0;

/// Places tried for one object before the whole scene is laid out again.
const TRIES: usize = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    Red,
    Green,
    Blue,
    Yellow,
    Purple,
    Black,
}

impl Colour {
    pub(super) const ALL: [Self; 6] = [
        Self::Red,
        Self::Green,
        Self::Blue,
        Self::Yellow,
        Self::Purple,
        Self::Black,
    ];

    /// Red, green, blue in `0..=255`.
    pub(super) fn rgb(self) -> [f32; 3] {
        match self {
            Self::Red => [215.0, 35.0, 35.0],
            Self::Green => [40.0, 160.0, 60.0],
            Self::Blue => [35.0, 85.0, 215.0],
            Self::Yellow => [240.0, 205.0, 25.0],
            Self::Purple => [150.0, 55.0, 190.0],
            Self::Black => [25.0, 25.0, 25.0],
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Circle,
    Square,
    Triangle,
}

impl Shape {
    pub(super) const ALL: [Self; 3] = [Self::Circle, Self::Square, Self::Triangle];
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Object {
    pub(super) colour: Colour,
    pub(super) shape: Shape,
    /// Centre in pixels, x to the right and y downwards.
    pub(super) centre: [f32; 2],
    /// Radius of the circle around the shape in pixels.
    pub(super) radius: f32,
    /// Turn in radians.
    pub(super) angle: f32,
    /// Red, green, blue in `0..=255`: the colour with a little variation.
    pub(super) paint: [f32; 3],
}

/// Two or three objects that neither touch nor share both colour and shape.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scene {
    pub(super) objects: Vec<Object>,
    /// Red, green, blue in `0..=255`.
    pub(super) background: [f32; 3],
}

impl Scene {
    pub(super) fn generate(rng: &mut ChaCha8Rng) -> Self {
        let level = rng.random_range(215.0..245.0);
        let background = [0; 3].map(|_| level + rng.random_range(-8.0..8.0));
        let kinds = kinds(rng);
        let objects = loop {
            if let Some(objects) = place(&kinds, rng) {
                break objects;
            }
        };
        Self {
            objects,
            background,
        }
    }
}

/// Distinct pairs of colour and shape. In a third of the scenes most objects share their shape and in a third their
/// colour, so that high counts are not rare.
fn kinds(rng: &mut ChaCha8Rng) -> Vec<(Colour, Shape)> {
    let count = rng.random_range(2..=3);
    let shape = rng.random_bool(1.0 / 3.0).then(|| any(&Shape::ALL, rng));
    let colour = rng.random_bool(1.0 / 3.0).then(|| any(&Colour::ALL, rng));
    let mut kinds = Vec::with_capacity(count);
    while kinds.len() < count {
        let common = |rng: &mut ChaCha8Rng| rng.random_bool(0.75);
        let kind = (
            colour
                .filter(|_| common(rng))
                .unwrap_or_else(|| any(&Colour::ALL, rng)),
            shape
                .filter(|_| common(rng))
                .unwrap_or_else(|| any(&Shape::ALL, rng)),
        );
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

/// Any one of the items.
pub(super) fn any<T: Copy>(items: &[T], rng: &mut ChaCha8Rng) -> T {
    items[rng.random_range(0..items.len())]
}

fn place(kinds: &[(Colour, Shape)], rng: &mut ChaCha8Rng) -> Option<Vec<Object>> {
    let mut objects: Vec<Object> = Vec::with_capacity(kinds.len());
    for &(colour, shape) in kinds {
        let radius = rng.random_range(9.5..12.5);
        let angle = rng.random_range(-0.2..0.2);
        let tint = rng.random_range(-12.0..12.0);
        let paint = colour
            .rgb()
            .map(|level| (level + tint + rng.random_range(-6.0_f32..6.0)).clamp(0.0, 255.0));
        let (low, high) = (radius + GAP, SIDE as f32 - radius - GAP);
        let centre = (0..TRIES)
            .map(|_| [rng.random_range(low..high), rng.random_range(low..high)])
            .find(|centre| objects.iter().all(|other| clear(other, *centre, radius)))?;
        objects.push(Object {
            colour,
            shape,
            centre,
            radius,
            angle,
            paint,
        });
    }
    Some(objects)
}

fn clear(other: &Object, [x, y]: [f32; 2], radius: f32) -> bool {
    (other.centre[0] - x).hypot(other.centre[1] - y) >= other.radius + radius + GAP
}
