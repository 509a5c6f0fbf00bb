//! The import: recognise, choose, read, write.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::answers;
use crate::error::{ImportError, Place};
use crate::finish::{Written, finish};
use crate::format::Format;
use crate::images::Bases;
use crate::layouts::{self, Job, Layout, Split};
use crate::mix::{self, Chosen, Mix, Recipe};
use crate::record::Style;
use crate::report::{Report, SplitReport};
use crate::sniff::{self, Kind, Sniffed};
use crate::write::{Lines, Staging};

/// Most files of no layout that a note names.
const MOST_UNKNOWN: usize = 6;

/// What to import.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Folders with the files of data sets, or the files themselves.
    pub sources: Vec<PathBuf>,
    /// The folder to write; new or empty.
    pub to: PathBuf,
    /// Layouts to read, where files could be meant for several; none to recognise them.
    pub formats: Vec<Format>,
    /// Folders of images, where they do not lie beside the files. With the name of a folder of images, such as
    /// `train2014`, for those alone.
    pub images: Vec<(Option<String>, PathBuf)>,
    /// Parts of each split; none for those the layout has there.
    pub train: Vec<String>,
    /// Parts to validate on.
    pub validation: Vec<String>,
    /// Parts to report.
    pub test: Vec<String>,
    /// A published mix of parts.
    pub recipe: Option<Recipe>,
    /// Fields of the source that are not kept with the questions.
    pub leave_out: Vec<String>,
}

/// How far an import is, in bytes of the files that it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read.
    pub done: u64,
    /// Bytes that there are to read.
    pub total: u64,
}

/// Imports data sets into a folder. `observe` is told how far it is, from another thread, about ten times a second.
///
/// # Errors
/// When files are not recognised or could be meant for several layouts, a file is not what its layout says, a part is
/// asked for that is not there, or the folder cannot be written. Nothing is written then.
pub fn import(
    request: &Request,
    observe: &(dyn Fn(Progress) + Sync),
) -> Result<Report, ImportError> {
    let staging = Staging::begin(&request.to)?;
    let meter = AtomicU64::new(0);
    let files = sniff::all(&request.sources)?;
    let formats = recognise(&request.formats, &request.sources, &files)?;
    let bases = Bases::new(&request.sources, &request.images)?;
    let layouts = formats
        .iter()
        .map(|format| layouts::layout(*format, &files, &bases, &meter))
        .collect::<Result<Vec<_>, _>>()?;
    let asked = [&request.train, &request.validation, &request.test];
    let mix = mix::choose(&layouts, asked.map(Vec::as_slice), request.recipe)?;

    meter.store(0, Ordering::Relaxed);
    let total = bytes(&layouts, &mix, &files);
    let written = watched(&meter, total, observe, || {
        splits(request, &staging, &layouts, &mix, &meter)
    })?;
    let mut report = finish(&staging, &layouts, &bases, &written)?;
    report
        .notes
        .extend(answers::write(&staging, &layouts, &files, &request.to)?);
    staging.publish()?;
    report.folder.clone_from(&request.to);
    report.notes.extend(unread(&layouts, &mix, &files));
    Ok(report)
}

/// Parts and files that are there and were not read.
fn unread(layouts: &[Box<dyn Layout>], mix: &Mix, files: &[Sniffed]) -> Vec<String> {
    let mut notes = Vec::new();
    let mut parts = Vec::new();
    for (layout, of) in layouts.iter().enumerate() {
        for (part, about) in of.parts().iter().enumerate() {
            let chosen = Chosen { layout, part };
            let read = mix
                .iter()
                .flatten()
                .any(|one| mix::overlap(layouts, *one, chosen));
            if !read && about.within.is_none() {
                parts.push(mix::part_name(layouts, chosen));
            }
        }
    }
    if !parts.is_empty() {
        notes.push(format!(
            "not read: {}; `--train`, `--validation` and `--test` name splits",
            parts.join(", ")
        ));
    }
    let unknown: Vec<String> = files
        .iter()
        .filter(|file| file.kind == Kind::Other)
        .take(MOST_UNKNOWN)
        .map(|file| format!("`{}` ({})", file.path.display(), file.description()))
        .collect();
    if !unknown.is_empty() {
        notes.push(format!("files that no layout has: {}", unknown.join(", ")));
    }
    notes
}

/// The layouts that are to be read.
pub(crate) fn recognise(
    asked: &[Format],
    sources: &[PathBuf],
    files: &[Sniffed],
) -> Result<Vec<Format>, ImportError> {
    let found = layouts::formats(files);
    let names = |formats: &[Format]| {
        let names: Vec<_> = formats.iter().map(|format| format.name()).collect();
        names.join(", ")
    };
    if !asked.is_empty() {
        let mut wanted = asked.to_vec();
        // Questions without annotations are recognised as VQA v2; the layout of OK-VQA says what is missing.
        let questions = files.iter().any(|file| file.kind == Kind::VqaQuestions);
        let missing = wanted
            .iter()
            .find(|format| !(found.contains(format) || **format == Format::OkVqa && questions));
        if let Some(missing) = missing {
            return Err(unrecognised(&format!("files of {missing}"), files));
        }
        wanted.sort();
        wanted.dedup();
        return Ok(wanted);
    }
    if found.is_empty() {
        return Err(unrecognised("files of a layout that is known", files));
    }
    // Several sources are meant as a mix; several layouts in one folder may be an accident.
    for source in sources {
        let within: Vec<Sniffed> = files
            .iter()
            .filter(|file| file.path.starts_with(source))
            .cloned()
            .collect();
        let within = layouts::formats(&within);
        if within.len() > 1 {
            return Err(ImportError::choice(
                format!(
                    "`{}` has files of several layouts: {}",
                    source.display(),
                    names(&within)
                ),
                format!(
                    "say which is meant with `--format`, for example `--format {}`; repeat it to mix them",
                    within[0]
                ),
            ));
        }
    }
    Ok(found)
}

/// There are no files of a layout: what there is instead.
fn unrecognised(wanted: &str, files: &[Sniffed]) -> ImportError {
    if files.iter().any(|file| file.kind == Kind::Visual7wPointing) {
        return ImportError::choice(
            "the pointing questions of Visual7W are answered with boxes, which is not read",
            "take the telling questions, `dataset_v7w_telling.json`",
        );
    }
    let seen: Vec<String> = files
        .iter()
        .take(12)
        .map(|file| format!("`{}`: {}", file.path.display(), file.description()))
        .collect();
    let more = files.len().saturating_sub(seen.len());
    let seen = match (seen.len(), more) {
        (0, _) => "no file that ends with .json is there".to_owned(),
        (_, 0) => format!("found {}", seen.join("; ")),
        (_, more) => format!("found {}; and {more} more", seen.join("; ")),
    };
    ImportError::choice(
        format!("there are no {wanted}; {seen}"),
        "unpack the archives as they were downloaded, and name their folder; docs/real-data.md has the files of each layout",
    )
}

/// Bytes that will be read.
fn bytes(layouts: &[Box<dyn Layout>], mix: &Mix, files: &[Sniffed]) -> u64 {
    let paths = mix
        .iter()
        .flatten()
        .flat_map(|chosen| layouts[chosen.layout].parts()[chosen.part].files.iter());
    let size = |path: &PathBuf| {
        files
            .iter()
            .find(|file| file.path == *path)
            .map(|file| file.bytes)
    };
    paths.filter_map(size).sum()
}

/// Does the work while a thread tells how far it is.
fn watched<T: Send>(
    meter: &AtomicU64,
    total: u64,
    observe: &(dyn Fn(Progress) + Sync),
    work: impl FnOnce() -> T + Send,
) -> T {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let done = meter.load(Ordering::Relaxed).min(total);
                observe(Progress { done, total });
                thread::park_timeout(std::time::Duration::from_millis(100));
            }
            observe(Progress { done: total, total });
        });
        let result = work();
        over.store(true, Ordering::Relaxed);
        watcher.thread().unpark();
        result
    })
}

/// Writes all splits, each in a thread of its own.
fn splits(
    request: &Request,
    staging: &Staging,
    layouts: &[Box<dyn Layout>],
    mix: &Mix,
    meter: &AtomicU64,
) -> Result<Vec<Written>, ImportError> {
    let style = Style {
        leave_out: request.leave_out.iter().cloned().collect(),
        weights: request.recipe == Some(Recipe::Xvlm),
        vote_lengths: BTreeSet::new(),
    };
    thread::scope(|scope| {
        let style = &style;
        let threads: Vec<_> = Split::ALL
            .into_iter()
            .zip(mix)
            .filter(|(_, parts)| !parts.is_empty())
            .map(|(split, parts)| {
                scope.spawn(move || {
                    write_split(split, parts, staging, layouts, style.clone(), meter)
                })
            })
            .collect();
        // All are waited for, so that none writes on behind an error of another.
        let results: Vec<_> = threads
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect();
        results
            .into_iter()
            .map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

fn write_split(
    split: Split,
    parts: &[Chosen],
    staging: &Staging,
    layouts: &[Box<dyn Layout>],
    mut style: Style,
    meter: &AtomicU64,
) -> Result<Written, ImportError> {
    let mut lines = Lines::create(staging.path(&format!("{}.jsonl", split.name())), split)?;
    let mut read = Vec::new();
    let mut words = Vec::new();
    let entities = layouts.iter().any(|layout| layout.has_entities());
    for chosen in parts {
        let layout = &layouts[chosen.layout];
        let about = &layout.parts()[chosen.part];
        let name = mix::part_name(layouts, *chosen);
        let stated = (parts.len() > 1).then_some(name.as_str());
        let before = lines.questions;
        let without_entities = entities && !layout.has_entities();
        let mut rest = String::new();
        let mut sink = |record: &crate::record::Record<'_>| {
            let mut record = *record;
            if without_entities {
                rest.clear();
                rest.push_str(record.rest);
                rest.push_str(",\"entities\":[]");
                record.rest = &rest;
            }
            lines.add(&record, chosen.layout as u8, stated, &about.files[0])
        };
        layout.read(
            chosen.part,
            &mut Job {
                unanswered: false,
                style: &mut style,
                meter,
                sink: &mut sink,
            },
        )?;
        let questions = lines.questions - before;
        if questions == 0 {
            return Err(ImportError::content(
                &about.files[0],
                Place::File,
                format!("the split {} has no questions", about.name),
                "download the file again, or name another split; of a small file, no image may fall into `minival`",
            ));
        }
        read.push((name, questions));
        words.extend(layout.words(chosen.part, meter)?);
    }
    let (questions, images) = lines.finish()?;
    let report = SplitReport {
        split: split.name(),
        parts: read,
        questions,
        images: images.values().map(|used| used.names.len()).sum(),
    };
    Ok(Written {
        report,
        images,
        style,
        words,
    })
}
