//! Answers that are kept beside the target until all of them are there, so that a killed program goes on after them.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use config_schema::count;
use crc32fast::Hasher;
use data_pipeline::Source;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::record::Record;
use crate::args::ResultFormat;
use crate::failure::Failure;
use crate::output;
use crate::predict_error::PredictError;

/// What the name of the file ends with.
const ENDING: &str = "partial";

/// How the file begins.
const KIND: &str = "predictions of aoa, 2";

/// Longest first line that is looked at, in bytes.
const LONGEST_HEADER: u64 = 4096;

/// What the answers depend on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The checkpoint and its answer list.
    pub checkpoint: String,
    /// The questions and the places of their images.
    pub questions: u32,
    /// Sizes and times of change of the files of images and region features.
    pub files: u32,
    /// The settings that decide how images and questions are read, and the number formats.
    pub settings: u32,
    /// Answers of each question.
    pub top_k: usize,
}

/// The first line of the file.
#[derive(Debug, Serialize, Deserialize)]
struct First {
    kind: String,
    #[serde(flatten)]
    header: Header,
}

impl Header {
    /// The first line of the file.
    fn line(&self) -> io::Result<Vec<u8>> {
        let first = First {
            kind: KIND.to_owned(),
            header: self.clone(),
        };
        let mut line = serde_json::to_vec(&first).map_err(io::Error::other)?;
        line.push(b'\n');
        Ok(line)
    }
}

/// What is read again of an answer.
#[derive(Debug, Deserialize)]
struct Answered {
    answer: String,
}

/// The file of begun answers, locked.
pub struct Partial {
    path: PathBuf,
    target: PathBuf,
    file: File,
    /// Where the answers begin.
    begin: u64,
    answers: usize,
    /// Checksum of the file so far, from the first line on.
    sum: Hasher,
}

/// What each line of an answer begins with: the [`Partial::sum`] after the answer, in hexadecimal digits, and a space. A line that
/// was edited, removed or moved therefore gives away itself and every line behind it.
const SUM_BYTES: usize = 9;

impl Partial {
    /// Begins the file beside `to`, or goes on with what a killed program left of it. With `force` answers that depend on something
    /// else are begun anew.
    ///
    /// # Errors
    ///
    /// When another process writes the file, when it is another one, and without `force` when it depends on something else.
    pub fn open(
        to: &Path,
        header: &Header,
        source: &dyn Source,
        force: bool,
    ) -> Result<Self, PredictError> {
        // What a symbolic link points to is replaced.
        let target = fs::canonicalize(to).unwrap_or_else(|_| to.to_owned());
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(".");
        name.push(ENDING);
        let path = target.with_file_name(name);
        let failed = |source| PredictError::Partial {
            path: path.clone(),
            source,
        };
        let foreign = || PredictError::Foreign { path: path.clone() };
        if fs::symlink_metadata(&path).is_ok_and(|there| !there.is_file()) {
            return Err(foreign());
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(PredictError::Busy { path }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let mut partial = Self {
            path: path.clone(),
            target,
            file,
            begin: 0,
            answers: 0,
            sum: Hasher::new(),
        };
        let length = partial.file.metadata().map_err(failed)?.len();
        let there = partial.first(length).map_err(failed)?;
        match there {
            None if partial.begun(header).map_err(failed)? => {
                partial.begin(header).map_err(failed)?;
            }
            None => return Err(foreign()),
            Some(there) if there == *header => {
                let damaged = partial.go_on(header, source).map_err(failed)?;
                if damaged > 0 {
                    output::note(format!(
                        "`{}` is damaged after {}: computing the rest again, {}",
                        path.display(),
                        count(partial.answers, "answer"),
                        count(damaged, "line"),
                    ));
                }
            }
            Some(there) => {
                let what = if there.checkpoint != header.checkpoint {
                    "another checkpoint"
                } else if there.questions != header.questions {
                    "other questions"
                } else if there.files != header.files {
                    "other images: files of images or region features changed since"
                } else if there.settings != header.settings {
                    "other settings"
                } else {
                    "another number of answers, `--top-k`"
                };
                if !force {
                    return Err(PredictError::Stale { path, what });
                }
                output::note(format!(
                    "`{}` was made with {what}: starting over",
                    path.display()
                ));
                partial.begin(header).map_err(failed)?;
            }
        }
        Ok(partial)
    }

    /// Questions that are answered.
    pub fn answers(&self) -> usize {
        self.answers
    }

    /// What the first line of the file says; nothing where it is not ours. The file is then read up to its end.
    fn first(&mut self, length: u64) -> io::Result<Option<Header>> {
        let mut line = Vec::new();
        let start = (&self.file).take(LONGEST_HEADER.min(length));
        BufReader::new(start).read_until(b'\n', &mut line)?;
        self.begin = line.len() as u64;
        if line.last() != Some(&b'\n') {
            return Ok(None);
        }
        let first = serde_json::from_slice::<First>(&line).ok();
        Ok(first
            .filter(|first| first.kind == KIND)
            .map(|first| first.header))
    }

    /// Whether the program was killed before the first line was whole.
    fn begun(&self, header: &Header) -> io::Result<bool> {
        let mut there = Vec::new();
        let mut file = &self.file;
        file.seek(SeekFrom::Start(0))?;
        file.take(LONGEST_HEADER).read_to_end(&mut there)?;
        Ok(header.line()?.starts_with(&there))
    }

    /// Begins the file anew.
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        let line = header.line()?;
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&line)?;
        self.begin = line.len() as u64;
        self.answers = 0;
        self.sum = Hasher::new();
        self.sum.update(&line);
        Ok(())
    }

    /// Finds the end of the sound lines, cuts what is behind it, and returns how many lines that were. A last line without its end
    /// is how a killed program leaves the file, and no damage.
    fn go_on(&mut self, header: &Header, source: &dyn Source) -> io::Result<usize> {
        let mut end = self.begin;
        let mut lines = self.lines()?;
        let mut line = Vec::new();
        let mut answers = 0;
        let mut damaged = 0;
        let mut sum = Hasher::new();
        sum.update(&header.line()?);
        loop {
            line.clear();
            lines.read_until(b'\n', &mut line)?;
            if line.last() != Some(&b'\n') {
                damaged += usize::from(damaged > 0 && !line.is_empty());
                break;
            }
            if damaged == 0
                && let Some(after) = sound(&line, &sum)
                && answers < source.samples().len()
            {
                sum = after;
                answers += 1;
                end += line.len() as u64;
            } else {
                damaged += 1;
            }
        }
        drop(lines);
        self.answers = answers;
        self.sum = sum;
        self.file.set_len(end)?;
        self.file.seek(SeekFrom::Start(end))?;
        Ok(damaged)
    }

    /// The lines of answers.
    fn lines(&self) -> io::Result<BufReader<&File>> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(self.begin))?;
        Ok(BufReader::new(file))
    }

    /// Appends answers to the next questions, all of them at once.
    ///
    /// # Errors
    ///
    /// When the file system refuses.
    pub fn append<'a>(
        &mut self,
        records: impl Iterator<Item = Record<'a>>,
    ) -> Result<(), PredictError> {
        let mut lines = Vec::new();
        let mut answers = 0;
        for record in records {
            answers += 1;
            let mut answer =
                serde_json::to_vec(&record).map_err(|error| self.failed(error.into()))?;
            answer.push(b'\n');
            self.sum.update(&answer);
            lines.extend(prefix(&self.sum));
            lines.extend(answer);
        }
        let written = self.file.write_all(&lines);
        written.map_err(|error| self.failed(error))?;
        self.answers += answers;
        Ok(())
    }

    /// Makes the result of the answers appear under its name, and removes the file of begun ones. `ids` has an id for each question
    /// where the form needs it.
    ///
    /// # Errors
    ///
    /// When the file system refuses.
    pub fn publish(self, format: ResultFormat, ids: &[Value]) -> Result<(), Failure> {
        let failed = |source| Failure::Write {
            path: self.target.clone(),
            source,
        };
        let folder = self.target.parent().filter(|folder| *folder != "");
        let folder = folder.unwrap_or(Path::new(".")).to_owned();
        // A file made this way has the usual permissions, which a temporary one has not.
        let mut result = tempfile::Builder::new()
            .prefix(".partial-")
            .make_in(&folder, |path| File::create_new(path))
            .map_err(failed)?;
        let mut text = BufWriter::new(result.as_file_mut());
        let written = self
            .write(format, ids, &mut text)
            .and_then(|()| text.flush());
        drop(text);
        written.map_err(failed)?;
        result.as_file().sync_all().map_err(failed)?;
        result
            .persist(&self.target)
            .map_err(|error| failed(error.error))?;
        // The result is there; what stays of this is in nobody's way.
        let _ = fs::remove_file(&self.path);
        Ok(())
    }

    fn write(&self, format: ResultFormat, ids: &[Value], text: &mut impl Write) -> io::Result<()> {
        let mut lines = self.lines()?;
        let mut line = Vec::new();
        if format == ResultFormat::Jsonl {
            while lines.read_until(b'\n', &mut line)? > 0 {
                text.write_all(answer_of(&line)?)?;
                line.clear();
            }
            return Ok(());
        }
        text.write_all(b"[")?;
        for (number, id) in ids.iter().enumerate() {
            line.clear();
            lines.read_until(b'\n', &mut line)?;
            let Answered { answer } = serde_json::from_slice(answer_of(&line)?)?;
            if number > 0 {
                text.write_all(b", ")?;
            }
            entry(format, id, &answer, text)?;
        }
        text.write_all(b"]\n")
    }

    fn failed(&self, source: io::Error) -> PredictError {
        PredictError::Partial {
            path: self.path.clone(),
            source,
        }
    }
}

/// What a line begins with after which the checksum of the file is `sum`.
fn prefix(sum: &Hasher) -> Vec<u8> {
    format!("{:08x} ", sum.clone().finalize()).into_bytes()
}

/// The checksum after a line, if it is what the program wrote behind a file of checksum `before`.
fn sound(line: &[u8], before: &Hasher) -> Option<Hasher> {
    let (given, answer) = line.split_at_checked(SUM_BYTES)?;
    let mut sum = before.clone();
    sum.update(answer);
    (given == prefix(&sum)).then_some(sum)
}

/// A line without its checksum.
fn answer_of(line: &[u8]) -> io::Result<&[u8]> {
    line.get(SUM_BYTES..)
        .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// An answer in the form of a result: the id first.
fn entry(format: ResultFormat, id: &Value, answer: &str, text: &mut impl Write) -> io::Result<()> {
    let [id_name, answer_name] = match format {
        ResultFormat::Gqa => ["questionId", "prediction"],
        ResultFormat::Vizwiz => ["image", "answer"],
        ResultFormat::Vqa | ResultFormat::Jsonl => ["question_id", "answer"],
    };
    write!(
        text,
        "{{\"{id_name}\": {id}, \"{answer_name}\": {}}}",
        json!(answer)
    )
}

#[cfg(test)]
mod tests;
