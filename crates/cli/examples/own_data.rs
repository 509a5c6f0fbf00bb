//! The program with a data set of your own: `cargo run --package cli --example own_data -- train`.
//!
//! A picture of one colour, and which colour it is. The loader, the checks, the answer list and the plan work as with any
//! other data set.

use std::process::ExitCode;
use std::sync::Arc;

use cli::Wiring;
use config_schema::Config;
use data_pipeline::{Answer, DataError, Sample, Source};
use trainer::Dataset;

const COLOURS: [(&str, [u8; 3]); 4] = [
    ("red", [220, 30, 30]),
    ("green", [30, 180, 30]),
    ("blue", [30, 30, 220]),
    ("grey", [128, 128, 128]),
];

/// One split.
struct Colours {
    samples: Vec<Sample>,
    /// How much brighter the pictures of the split are.
    brighter: u8,
}

impl Colours {
    fn new(pictures: usize, brighter: u8) -> Self {
        let sample = |image: usize| Sample {
            image,
            question: "which colour is it?".to_owned(),
            answers: vec![Answer::only(COLOURS[image % COLOURS.len()].0)],
            ..Sample::default()
        };
        Self {
            samples: (0..pictures).map(sample).collect(),
            brighter,
        }
    }
}

impl Source for Colours {
    fn samples(&self) -> &[Sample] {
        &self.samples
    }

    fn image_count(&self) -> usize {
        self.samples.len()
    }

    fn image_name(&self, image: usize) -> String {
        format!(
            "picture {image} of those that are brighter by {}",
            self.brighter
        )
    }

    /// A BMP of 16 by 16 pixels. Any format that the project decodes will do.
    fn encoded_image(&self, image: usize) -> Result<Vec<u8>, DataError> {
        const SIDE: u32 = 16;
        const HEAD: u32 = 54;
        let pixels = SIDE * SIDE * 3;
        let mut bmp = b"BM".to_vec();
        for number in [
            HEAD + pixels,
            0,
            HEAD,
            40,
            SIDE,
            SIDE,
            24 << 16 | 1,
            0,
            pixels,
            0,
            0,
            0,
            0,
        ] {
            bmp.extend(number.to_le_bytes());
        }
        let [red, green, blue] = COLOURS[image % COLOURS.len()].1;
        let shade = self
            .brighter
            .saturating_add((image / COLOURS.len() % 16) as u8);
        let pixel = [blue, green, red].map(|part: u8| part.saturating_add(shade));
        bmp.extend(pixel.repeat((SIDE * SIDE) as usize));
        Ok(bmp)
    }
}

struct OwnData;

impl Wiring for OwnData {
    type Model = aoa_model::Vqa;

    fn open_dataset(_settings: &Config) -> Result<Dataset, DataError> {
        Ok(Dataset {
            train: Arc::new(Colours::new(256, 0)),
            validation: Arc::new(Colours::new(64, 1)),
            test: Arc::new(Colours::new(64, 2)),
        })
    }
}

fn main() -> ExitCode {
    cli::run::<OwnData>()
}
