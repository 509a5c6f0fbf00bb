use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::read::{Layout, NAME};
use crate::error::DataError;

/// The package and version the counts belong to.
const PACKAGE: &str = "easy-vqa==1.0";

/// Part, number of images, number of questions.
const PARTS: [(&str, usize, usize); 2] = [("train", 4_000, 38_575), ("test", 1_000, 9_673)];

const ANSWERS: usize = 13;

/// Where a data set lies now, and whether anything had to be done for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The data set's folder.
    pub folder: PathBuf,
    /// Whether it was there already, whole.
    pub already_there: bool,
}

/// Gets the data set into `root/easy-vqa` with `python -m pip`, and checks that it is whole.
///
/// pip installs into a temporary folder inside `root`, and the data set's folder is moved out of it at the end: it is
/// there whole, or not at all. One that is there already is only checked.
///
/// # Errors
/// When Python cannot be started, pip fails, a folder cannot be written, or what came or was there is not whole.
pub fn fetch(root: &Path, python: &str) -> Result<Fetched, DataError> {
    let folder = root.join(NAME);
    if folder.exists() {
        check_whole(&folder)?;
        return Ok(Fetched {
            folder,
            already_there: true,
        });
    }
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| DataError::Io { path, source }
    };
    fs::create_dir_all(root).map_err(at(root))?;
    let temporary = tempfile::Builder::new()
        .prefix(".fetch-")
        .tempdir_in(root)
        .map_err(at(root))?;
    install(python, temporary.path())?;
    let data = temporary.path().join("easy_vqa").join("data");
    check_whole(&data)?;
    fs::rename(&data, &folder).map_err(at(&folder))?;
    Ok(Fetched {
        folder,
        already_there: false,
    })
}

fn install(python: &str, target: &Path) -> Result<(), DataError> {
    let arguments = "-m pip install --no-deps --no-compile --disable-pip-version-check --target";
    let mut command = Command::new(python);
    command.args(arguments.split(' ')).arg(target).arg(PACKAGE);
    let output = command.output().map_err(|source| DataError::Program {
        program: python.to_owned(),
        source,
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last_line = said.lines().rfind(|line| !line.trim().is_empty());
    Err(DataError::Pip {
        command: format!("{python} {arguments} {} {PACKAGE}", target.display()),
        status: output.status.to_string(),
        last_line: last_line.unwrap_or("no message").trim().to_owned(),
    })
}

/// # Errors
/// When a part is missing or has another size than the published one.
fn check_whole(folder: &Path) -> Result<(), DataError> {
    let layout = Layout(folder);
    layout.check()?;
    let expect = |what: String, expected, found| {
        if expected == found {
            return Ok(());
        }
        Err(DataError::IncompleteDataSet {
            data_set: NAME,
            folder: folder.to_owned(),
            what,
            expected,
            found,
        })
    };
    expect("answers".to_owned(), ANSWERS, layout.read_answers()?.len())?;
    for (part, images, questions) in PARTS {
        let found = (0..images).filter(|&number| layout.image(part, number).is_file());
        expect(format!("{part} images"), images, found.count())?;
        expect(
            format!("{part} questions"),
            questions,
            layout.read_questions(part)?.len(),
        )?;
    }
    Ok(())
}
