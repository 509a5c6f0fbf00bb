use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use region_features::{Block, ENDING, Number, Writer};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, serialize};

use super::Layout;
use super::line::Line;
use super::written::written;
use crate::error::DataError;
use crate::inputs::{BOX_SIZE, RegionShape, Regions};
use crate::sample::Split;
use crate::source::Source;

/// Writes splits as a data set that [`Folder`](crate::Folder) reads: of each split the first `images` images, the questions
/// about them, and all inputs that the split has. How many questions there are.
///
/// # Errors
/// When the folder is not empty, an image cannot be read or a file not be written.
pub fn write(
    root: &Path,
    splits: &[(Split, &dyn Source)],
    images: usize,
) -> Result<usize, DataError> {
    let layout = Layout(root);
    let mut words = BTreeMap::new();
    let mut questions = 0;
    create(root)?;
    if let Some(path) = first_entry(root)? {
        return Err(DataError::Occupied { path });
    }
    for &(split, source) in splits {
        let inputs = source.inputs();
        let mut names = Vec::new();
        // One file of all images where they differ in the number of regions; else a file an image, as detectors write them.
        let mut store = match inputs.regions {
            Some(shape) if shape.varying => {
                create(&layout.features())?;
                let path = layout.features().join(format!("{}.{ENDING}", split.name()));
                Some(Writer::create(&path, Number::F32)?)
            }
            _ => None,
        };
        for image in 0..images.min(source.image_count()) {
            let encoded = inputs
                .images
                .then(|| source.encoded_image(image))
                .transpose()?;
            let jpeg = encoded
                .as_ref()
                .is_some_and(|bytes| bytes.starts_with(&[0xff, 0xd8]));
            let ending = if jpeg { "jpg" } else { "png" };
            let name = format!("{}-{image}.{ending}", split.name());
            if let Some(bytes) = encoded {
                create(&layout.images())?;
                file(&layout.image(&name), &bytes)?;
            }
            if let Some(store) = &mut store {
                let regions = source.regions(image)?;
                let block = Block {
                    rows: regions.shape.regions,
                    features: regions.features,
                    boxes: regions.boxes,
                };
                store.add(&name, &block)?;
            } else if inputs.regions.is_some() {
                create(&layout.features())?;
                features(&layout.features_of(&name), &source.regions(image)?)?;
            }
            if inputs.statistical_words.is_some() {
                words.insert(name.clone(), source.statistical_words(image));
            }
            names.push(name);
        }
        if let Some(store) = store {
            store.finish()?;
        }
        let answered = source.has_answers();
        let mut lines = String::new();
        for sample in source.samples() {
            let Some(image) = names.get(sample.image) else {
                continue;
            };
            let line = Line {
                image: image.into(),
                question: (&sample.question).into(),
                answers: answered.then(|| written(sample)),
                entities: inputs.entities.map(|_| sample.entities.clone()),
                fields: sample
                    .fields
                    .iter()
                    .map(|(name, value)| (name.into(), value.clone()))
                    .collect(),
            };
            lines += &json(&line);
            lines.push('\n');
            questions += 1;
        }
        file(&layout.questions(split), lines.as_bytes())?;
    }
    if !words.is_empty() {
        file(&layout.statistical_words(), json(&words).as_bytes())?;
    }
    Ok(questions)
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("strings and finite numbers are JSON")
}

/// Something that lies in a folder.
fn first_entry(folder: &Path) -> Result<Option<PathBuf>, DataError> {
    let failed = |source| DataError::Io {
        path: folder.to_owned(),
        source,
    };
    let entry = fs::read_dir(folder).map_err(failed)?.next();
    Ok(entry.transpose().map_err(failed)?.map(|entry| entry.path()))
}

fn create(folder: &Path) -> Result<(), DataError> {
    fs::create_dir_all(folder).map_err(|source| DataError::Io {
        path: folder.to_owned(),
        source,
    })
}

fn file(path: &Path, content: &[u8]) -> Result<(), DataError> {
    fs::write(path, content).map_err(|source| DataError::Io {
        path: path.to_owned(),
        source,
    })
}

fn features(path: &Path, regions: &Regions) -> Result<(), DataError> {
    let bytes = |numbers: &[f32]| -> Vec<u8> {
        let bytes = numbers.iter().map(|number| number.to_le_bytes());
        bytes.flatten().collect()
    };
    let RegionShape {
        regions: count,
        dim,
        ..
    } = regions.shape;
    let (features, boxes) = (bytes(&regions.features), bytes(&regions.boxes));
    let tensors = [
        (
            "regions",
            TensorView::new(Dtype::F32, vec![count, dim], &features),
        ),
        (
            "boxes",
            TensorView::new(Dtype::F32, vec![count, BOX_SIZE], &boxes),
        ),
    ]
    .map(|(name, view)| (name, view.expect("shape and numbers agree")));
    let content = serialize(tensors, None).expect("two tensors of known shape");
    file(path, &content)
}
