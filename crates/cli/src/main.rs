//! The program `aoa`: the command line around the project's own model, data sets and probe. A fork names its own here; see
//! docs/forks.md.

use std::collections::BTreeMap;
use std::process::ExitCode;

use aoa_model::Vqa;
use aoa_model::weights::{NoSuchPart, PublishedPart, TensorBytes, export_part};
use config_schema::Config;
use trainer::{Dataset, ReadableSplits};

struct Aoa;

impl cli::Wiring for Aoa {
    type Model = Vqa;

    fn readable_dataset(settings: &Config) -> ReadableSplits {
        Dataset::readable(settings)
    }

    fn published(
        model: &Vqa,
        part: PublishedPart,
    ) -> Result<BTreeMap<String, TensorBytes>, NoSuchPart> {
        export_part(part, model)
    }
}

fn main() -> ExitCode {
    cli::run::<Aoa>()
}
