//! Time and peak memory of importing VQA v2 at full size, from files that are made up in its layout, and of what a training run
//! reads of the import before its first image; for `cargo xtask bench import [--keep DIR]`.
//!
//! The files have as many questions, votes and image names as the published ones, about as many bytes, and no images. The
//! annotations stand in another order than the questions. Looking at the images, building the model and the first step are left
//! out of the start: there are no images. The import runs in this process after the files are written, so
//! that the system's mark of the most memory is its own.
#![expect(clippy::print_stdout, reason = "its result is its output")]
#![expect(clippy::disallowed_methods, reason = "a benchmark needs a clock")]

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use std::{env, thread};

// The program's own, which makes a difference to time and memory.
use allocator as _;
use data_import::{Request, import};
use data_pipeline::{
    AnswerNormalisation, DataReport, Encoder, Folder, HoldOut, Source, Split, fingerprint,
};

/// Name, questions and images of each part.
const PARTS: [(&str, usize, usize); 2] =
    [("train2014", 443_757, 82_783), ("val2014", 214_354, 40_504)];

const TYPES: [(&str, &str, &str); 4] = [
    (
        "how many",
        "number",
        "How many people are there in the picture?",
    ),
    (
        "what color is the",
        "other",
        "What color is the umbrella on the left?",
    ),
    (
        "is there a",
        "yes/no",
        "Is there a dog in front of the house?",
    ),
    (
        "where is the",
        "other",
        "Where is the small wooden table standing?",
    ),
];

const CONFIDENCES: [&str; 3] = ["yes", "maybe", "no"];

/// A number that looks like chance, another one for each state.
fn mixed(state: u64) -> u64 {
    let mixed = (state ^ (state >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

fn image(question: usize, questions: usize, images: usize) -> usize {
    4 * (question * images / questions) + 9
}

fn head(part: &str, list: &str) -> String {
    format!(
        "{{\"info\": {{\"description\": \"Made up in the layout of VQA v2.0.\", \"year\": 2017}}, \"license\": {{\"name\": \"\"}}, \"data_subtype\": \"{part}\", \"data_type\": \"mscoco\", \"{list}\": ["
    )
}

fn questions(path: &Path, part: &str, count: usize, images: usize) -> std::io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    file.write_all(head(part, "questions").as_bytes())?;
    for question in 0..count {
        let text = TYPES[question % TYPES.len()].2;
        let separator = if question == 0 { "" } else { ", " };
        let image = image(question, count, images);
        write!(
            file,
            "{separator}{{\"image_id\": {image}, \"question\": \"{text}\", \"question_id\": {}}}",
            question + 1_000
        )?;
    }
    file.write_all(b"]}")?;
    file.flush()
}

fn annotations(path: &Path, part: &str, count: usize, images: usize) -> std::io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    file.write_all(head(part, "annotations").as_bytes())?;
    for place in 0..count {
        let question = count - 1 - place;
        let (kind, answer_type, _) = TYPES[question % TYPES.len()];
        let separator = if place == 0 { "" } else { ", " };
        let word = |vote: u64| {
            let state = question as u64 * 16 + vote;
            // Most votes agree, and some are rare words.
            let rare = if mixed(state).is_multiple_of(5) {
                mixed(state) % 60_000
            } else {
                question as u64 % 3_000
            };
            format!("answer {rare}")
        };
        write!(
            file,
            "{separator}{{\"question_type\": \"{kind}\", \"multiple_choice_answer\": \"{}\", \"answers\": [",
            word(0)
        )?;
        for vote in 0..10 {
            let separator = if vote == 0 { "" } else { ", " };
            let confidence = CONFIDENCES[(mixed(vote + question as u64) % 3) as usize];
            write!(
                file,
                "{separator}{{\"answer\": \"{}\", \"answer_confidence\": \"{confidence}\", \"answer_id\": {}}}",
                word(vote),
                vote + 1
            )?;
        }
        write!(
            file,
            "], \"image_id\": {}, \"answer_type\": \"{answer_type}\", \"question_id\": {}}}",
            image(question, count, images),
            question + 1_000
        )?;
    }
    file.write_all(b"]}")?;
    file.flush()
}

/// The most memory that the process has had, in MiB, where the system says so.
fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").trim().parse().ok()?;
    Some(kibibytes / 1024)
}

/// What a run reads before its first batch, stage by stage, from the folder that the import wrote.
fn start(root: &Path) -> Result<(), Box<dyn Error>> {
    let begin = Instant::now();
    let mut last = begin;
    let mut stage = |name: &str| {
        let now = Instant::now();
        println!("  {name}: {:.1} s", (now - last).as_secs_f64());
        last = now;
    };
    let hold_out = HoldOut {
        fraction: 0.1,
        seed: 1,
    };
    let reading = Folder::reading_of(root, AnswerNormalisation::default());
    let splits = [Split::Train, Split::Validation, Split::Test];
    let opened = Folder::open_all(root, hold_out, &reading).into_iter();
    let opened: Vec<Folder> = opened.collect::<Result<_, _>>()?;
    stage("questions");
    let train = &opened[0];
    let mut encoder = Encoder::build(train, 14, 224)?;
    stage("vocabulary and answers");
    encoder.answers = encoder.answers.limited(train.samples(), 9, 0, false)?;
    stage("common answers");
    thread::scope(|scope| {
        for folder in &opened {
            scope.spawn(|| fingerprint(folder));
        }
    });
    stage("fingerprints");
    let sources: Vec<(Split, &dyn Source)> = splits
        .into_iter()
        .zip(opened.iter().map(|folder| folder as &dyn Source))
        .collect();
    DataReport::of(&encoder, &sources, true, &[]);
    stage("report");
    println!(
        "start of training: {:.1} s from reading to the first image, {} MiB at most",
        begin.elapsed().as_secs_f64(),
        peak().unwrap_or(0)
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let place = tempfile::tempdir()?;
    let mut arguments = env::args().skip(1).filter(|argument| argument != "--bench");
    let first = arguments.next();
    if first.as_deref() == Some("--start") {
        let folder = arguments.next().ok_or("`--start` needs a folder")?;
        return start(Path::new(&folder));
    }
    let folder = first.map_or_else(|| place.path().join("vqa2"), PathBuf::from);
    fs::create_dir_all(&folder)?;
    let (mut bytes, mut count) = (0, 0);
    for (part, of, images) in PARTS {
        let names = [
            format!("v2_OpenEnded_mscoco_{part}_questions.json"),
            format!("v2_mscoco_{part}_annotations.json"),
        ];
        let [asked, answered] = names.map(|name| folder.join(name));
        questions(&asked, part, of, images)?;
        annotations(&answered, part, of, images)?;
        // Images are not looked at, but their folder is.
        fs::create_dir_all(folder.join(part))?;
        bytes += asked.metadata()?.len() + answered.metadata()?.len();
        count += of;
    }
    println!(
        "{count} questions with {} votes, {} MB of JSON",
        10 * count,
        bytes / 1_000_000
    );
    let before = peak();
    let imported = place.path().join("imported");
    let request = Request {
        sources: vec![folder],
        to: imported.clone(),
        ..Request::default()
    };
    let start = Instant::now();
    let report = import(&request, &|_| {})?;
    let seconds = start.elapsed().as_secs_f64();
    for split in &report.splits {
        println!(
            "{}: {} questions, {} images",
            split.split, split.questions, split.images
        );
    }
    println!("{seconds:.1} s, {:.0} MB/s", bytes as f64 / 1e6 / seconds);
    if let (Some(before), Some(peak)) = (before, peak()) {
        println!("{peak} MiB at most ({before} MiB before the import)");
    }
    // In a process of its own, so that the mark of the most memory is, too.
    let status = Command::new(env::current_exe()?)
        .arg("--start")
        .arg(&imported)
        .status()?;
    if !status.success() {
        return Err(format!("the start of training ended with {status}").into());
    }
    Ok(())
}
