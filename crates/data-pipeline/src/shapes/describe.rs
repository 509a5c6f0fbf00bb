use super::language::Language;
use super::scene::{Colour, Object, SIDE, Scene, Shape};
use crate::inputs::{RegionShape, Regions};

/// Most objects of a scene.
const OBJECTS: usize = 3;

/// Colour and shape as one number each that is 1, place and radius as fractions of the image's side.
const FEATURES: usize = Colour::ALL.len() + Shape::ALL.len() + 3;

/// Size of the region features of an image.
pub(super) const REGIONS: RegionShape = RegionShape {
    regions: OBJECTS,
    dim: FEATURES,
    varying: false,
};

/// What a perfect detector would say: a region an object, zeros behind the last.
pub(super) fn regions(scene: &Scene) -> Regions {
    let mut features = Vec::with_capacity(OBJECTS * FEATURES);
    let mut boxes = Vec::with_capacity(OBJECTS * 6);
    for object in &scene.objects {
        let Object {
            colour,
            shape,
            centre,
            radius,
            ..
        } = *object;
        let is = |same: bool| if same { 1.0 } else { 0.0 };
        features.extend(Colour::ALL.map(|other| is(other == colour)));
        features.extend(Shape::ALL.map(|other| is(other == shape)));
        let [x, y, radius] = [centre[0], centre[1], radius].map(|pixels| pixels / SIDE as f32);
        features.extend([x, y, radius]);
        boxes.extend([
            x - radius,
            y - radius,
            x + radius,
            y + radius,
            2.0 * radius,
            2.0 * radius,
        ]);
    }
    features.resize(OBJECTS * FEATURES, 0.0);
    boxes.resize(OBJECTS * 6, 0.0);
    Regions::of_image(OBJECTS, FEATURES, features, boxes)
}

/// The colours and shapes of a scene, each once.
pub(super) fn statistical_words(scene: &Scene, language: Language) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let objects = || scene.objects.iter();
    let colours = objects().map(|object| language.colour(object.colour));
    let shapes = objects().map(|object| language.shape(object.shape));
    for word in colours.chain(shapes) {
        if !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    }
    words
}
