//! `aoa data shard`: images of a folder one behind the other in TAR files.

use config_schema::count;
use data_import::Staging;
use data_pipeline::folder::Packing;
use data_pipeline::{DataError, folder};
use file_kind::quoted;

use crate::args::ShardArgs;
use crate::bar::LineBar;
use crate::commands::common::checking_threads;
use crate::failure::Failure;
use crate::figures::size;
use crate::output;

pub fn run(args: &ShardArgs) -> Result<(), Failure> {
    let staging = Staging::begin(&args.to)?;
    let mut current: Option<(Packing, LineBar)> = None;
    let mut progress = |packing: Packing, done: usize, of: usize| {
        let line = match current.take().filter(|(shown, _)| *shown == packing) {
            Some((_, line)) => line,
            None => LineBar::new(match packing {
                Packing::Checked => "images checked",
                Packing::Written => "images written",
            }),
        };
        line.bar.set_length(of as u64);
        line.bar.set_position(done as u64);
        if done == of {
            line.bar.finish_and_clear();
        }
        current = Some((packing, line));
    };
    let threads = checking_threads();
    let written = folder::shard(
        &args.folder,
        staging.folder(),
        args.limit(),
        threads,
        &mut progress,
    );
    if let Some((_, line)) = current {
        line.bar.finish_and_clear();
    }
    let written = written.map_err(|error| match error {
        // The name of the folder while it is written says nothing to anybody.
        DataError::Io { path, source } if path.starts_with(staging.folder()) => {
            let name = path.strip_prefix(staging.folder()).unwrap_or(&path);
            Failure::Write {
                path: args.to.join(name),
                source,
            }
        }
        other => other.into(),
    })?;
    staging.publish()?;
    if args.json {
        output::json(&serde_json::json!({ "folder": args.to, "splits": written }));
        return Ok(());
    }
    for split in &written {
        output::line(format!(
            "{}: {} about {} in {}, {}",
            split.split,
            count(split.samples, "question"),
            count(split.images, "image"),
            count(split.shards, "shard"),
            size(split.bytes)
        ));
    }
    if args.folder.join("features").exists() {
        output::note(format!(
            "note: region features are not put into shards; copy or link {} to {} to train with them",
            quoted(args.folder.join("features")),
            quoted(args.to.join("features"))
        ));
    }
    output::note(format!(
        "train on it with --dataset folder --data-root {}; samples are streamed through a buffer of \
         `data_loading.shuffle_buffer_size`",
        quoted(&args.to)
    ));
    Ok(())
}
