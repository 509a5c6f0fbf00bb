//! `aoa data import-features`: published region features to one file.

use config_schema::count;
use data_import::{FeatureRequest, Listed, Progress, import_features, list_features};
use file_kind::counted;

use crate::args::ImportFeaturesArgs;
use crate::bar::LineBar;
use crate::failure::Failure;
use crate::output;

/// Bytes that the bar counts as one.
const MEGABYTE: u64 = 1_000_000;

pub fn run(args: &ImportFeaturesArgs) -> Result<(), Failure> {
    let request = FeatureRequest::from(args);
    let line = LineBar::new("MB read");
    let progress = |Progress { done, total }: Progress| {
        line.bar.set_length((total / MEGABYTE).max(1));
        line.bar.set_position(done / MEGABYTE);
    };
    if args.to.is_none() {
        let listed = list_features(&request, &progress, &mut |image| show(&image, args.json));
        line.bar.finish_and_clear();
        let format = listed?;
        output::note(format!(
            "recognised {format}; `--to FOLDER` writes these features to a data set"
        ));
        return Ok(());
    }
    let report = import_features(&request, &progress);
    line.bar.finish_and_clear();
    let report = report?;
    if args.json {
        output::json(&report);
        return Ok(());
    }
    let counts = if report.fewest == report.most {
        count(report.most, "region")
    } else {
        format!("{} to {} regions", report.fewest, report.most)
    };
    output::line(format!("recognised {}", report.format));
    output::line(format!(
        "{}: {} with {counts}, {} each in {} bits; {} MB",
        report.written.display(),
        count(report.images as usize, "image"),
        count(report.channels, "feature"),
        report.bits,
        report.bytes.div_ceil(MEGABYTE)
    ));
    if report.repeated > 0 {
        output::note(format!(
            "note: {} again with equal regions; each was read once",
            counted(report.repeated, "image occurs", "images occur")
        ));
    }
    output::note(
        "a data set with this file in its `features` trains on regions; `aoa data check` reads each of them",
    );
    Ok(())
}

/// One image of a list.
fn show(image: &Listed, json: bool) {
    if json {
        output::json(image);
        return;
    }
    let size = match (image.width, image.height) {
        (Some(width), Some(height)) => format!(", {width} x {height} pixels"),
        _ => String::new(),
    };
    output::line(format!(
        "{}: {} of {}{size} ({})",
        image.image,
        count(image.regions, "region"),
        count(image.channels, "feature"),
        image.file.display()
    ));
}
