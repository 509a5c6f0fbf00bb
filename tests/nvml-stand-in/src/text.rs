//! The file of cards: one `key value ..` a line. A `card` line opens a card, an `instance` line a MIG instance; the
//! lines after it describe it. JSON would need a library, which this crate cannot have.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::cards::{Card, Cards, Mig, MigInstance, Process};

/// In place of a value that is not known.
const NONE: &str = "-";

/// Where the library at `library` looks for its cards.
pub(crate) fn file_beside(library: &Path) -> PathBuf {
    let mut path = OsString::from(library);
    path.push(".cards");
    path.into()
}

/// Where the library at `library` notes with which variables of CUDA each `nvmlInit` was called, if the file exists.
pub(crate) fn notes_beside(library: &Path) -> PathBuf {
    let mut path = OsString::from(library);
    path.push(".environments");
    path.into()
}

/// Appends a line for the process that calls `nvmlInit`.
pub(crate) fn note_environment(library: &Path) -> Result<(), String> {
    let path = notes_beside(library);
    if !path.exists() {
        return Ok(());
    }
    let values = ["CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"].map(|name| {
        let value = env::var_os(name);
        value.map_or_else(|| NONE.into(), |value| value.to_string_lossy().into_owned())
    });
    let file = fs::OpenOptions::new().append(true).open(&path);
    file.and_then(|mut file| writeln!(file, "{}", values.join(" ")))
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// Reads the cards, or says what is wrong with the file.
pub(crate) fn read(path: &Path) -> Result<Cards, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    parse(&text).map_err(|line| format!("{}: cannot read {line:?}", path.display()))
}

#[cfg(not(stand_in_library))]
pub(crate) fn write(cards: &Cards) -> String {
    let mut lines = vec![
        format!("driver {}", cards.driver_version),
        format!("cuda {}", cards.cuda_version),
    ];
    write_fails(&mut lines, &cards.fails);
    for card in &cards.cards {
        write_card(&mut lines, card);
    }
    lines.join("\n") + "\n"
}

#[cfg(not(stand_in_library))]
fn write_card(lines: &mut Vec<String>, card: &Card) {
    fn or_none<T: ToString>(value: Option<&T>) -> String {
        value.map_or_else(|| NONE.into(), T::to_string)
    }
    lines.extend([
        format!("card {}", card.name),
        format!("uuid {}", card.uuid),
        format!("memory {} {}", card.memory_total, card.memory_used),
        format!(
            "capability {} {}",
            card.compute_capability.0, card.compute_capability.1
        ),
        format!(
            "utilization {} {}",
            card.gpu_utilization, card.memory_utilization
        ),
        format!("temperature {}", card.temperature),
        format!("power {} {}", card.power, card.power_limit),
        format!("lost_after {}", or_none(card.lost_after.as_ref())),
    ]);
    for process in &card.processes {
        lines.push(format!(
            "process {} {} {} {} {}",
            process.pid,
            or_none(process.used_memory.as_ref()),
            process.compute,
            process.graphics,
            or_none(process.name.as_ref()),
        ));
    }
    write_fails(lines, &card.fails);
    match &card.mig {
        Mig::Unsupported => lines.push("mig unsupported".into()),
        Mig::Disabled => lines.push("mig disabled".into()),
        Mig::Enabled(instances) => {
            lines.push("mig enabled".into());
            for instance in instances {
                lines.extend([
                    format!("instance {}", instance.name),
                    format!("uuid {}", instance.uuid),
                    format!("ids {} {}", instance.ids.0, instance.ids.1),
                    format!("memory {} {}", instance.memory_total, instance.memory_used),
                ]);
                write_fails(lines, &instance.fails);
            }
        }
    }
}

#[cfg(not(stand_in_library))]
fn write_fails(lines: &mut Vec<String>, fails: &BTreeMap<String, u32>) {
    lines.extend(
        fails
            .iter()
            .map(|(function, code)| format!("fails {function} {code}")),
    );
}

/// The error is the line that cannot be read.
fn parse(text: &str) -> Result<Cards, &str> {
    let mut cards = Cards::new(Vec::new());
    for line in text.lines() {
        parse_line(&mut cards, line).ok_or(line)?;
    }
    Ok(cards)
}

fn parse_line(cards: &mut Cards, line: &str) -> Option<()> {
    let (key, rest) = line.split_once(' ')?;
    if key == "card" {
        cards.cards.push(Card::new(rest, 0));
        return Some(());
    }
    let Some(card) = cards.cards.last_mut() else {
        match key {
            "driver" => cards.driver_version = rest.into(),
            "cuda" => cards.cuda_version = rest.parse().ok()?,
            "fails" => cards.fails.extend([pair(rest)?]),
            _ => return None,
        }
        return Some(());
    };
    if let Mig::Enabled(instances) = &mut card.mig {
        if key == "instance" {
            instances.push(MigInstance::new(rest, "", 0));
            return Some(());
        }
        let instance = instances.last_mut()?;
        match key {
            "uuid" => instance.uuid = rest.into(),
            "ids" => instance.ids = pair(rest)?,
            "memory" => (instance.memory_total, instance.memory_used) = pair(rest)?,
            "fails" => instance.fails.extend([pair(rest)?]),
            _ => return None,
        }
        return Some(());
    }
    match key {
        "uuid" => card.uuid = rest.into(),
        "memory" => (card.memory_total, card.memory_used) = pair(rest)?,
        "capability" => card.compute_capability = pair(rest)?,
        "utilization" => (card.gpu_utilization, card.memory_utilization) = pair(rest)?,
        "temperature" => card.temperature = rest.parse().ok()?,
        "power" => (card.power, card.power_limit) = pair(rest)?,
        "lost_after" => card.lost_after = optional(rest).ok()?,
        "process" => card.processes.push(parse_process(rest)?),
        "fails" => card.fails.extend([pair(rest)?]),
        "mig" => {
            card.mig = match rest {
                "unsupported" => Mig::Unsupported,
                "disabled" => Mig::Disabled,
                "enabled" => Mig::Enabled(Vec::new()),
                _ => return None,
            }
        }
        _ => return None,
    }
    Some(())
}

fn parse_process(text: &str) -> Option<Process> {
    let mut words = text.splitn(5, ' ');
    Some(Process {
        pid: words.next()?.parse().ok()?,
        used_memory: optional(words.next()?).ok()?,
        compute: words.next()?.parse().ok()?,
        graphics: words.next()?.parse().ok()?,
        name: optional(words.next()?).ok()?,
    })
}

fn pair<A: FromStr, B: FromStr>(text: &str) -> Option<(A, B)> {
    let (first, second) = text.split_once(' ')?;
    Some((first.parse().ok()?, second.parse().ok()?))
}

fn optional<T: FromStr>(text: &str) -> Result<Option<T>, T::Err> {
    match text {
        NONE => Ok(None),
        value => value.parse().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GIB, code};

    #[test]
    fn cards_survive_the_file() {
        let instance = MigInstance {
            memory_used: 7,
            ids: (3, 1),
            fails: [("nvmlDeviceGetUUID".into(), code::UNKNOWN)].into(),
            ..MigInstance::new("A100 MIG 3g.20gb", "MIG-1", 20 * GIB)
        };
        let process = Process {
            pid: 7,
            name: Some("/opt/with blanks/python".into()),
            used_memory: Some(GIB),
            compute: true,
            graphics: false,
        };
        let split = Card {
            memory_used: 1,
            compute_capability: (9, 0),
            gpu_utilization: 2,
            memory_utilization: 3,
            temperature: 4,
            power: 5,
            power_limit: 6,
            mig: Mig::Enabled(vec![instance.clone(), instance]),
            processes: vec![
                process.clone(),
                Process {
                    name: None,
                    used_memory: None,
                    ..process
                },
            ],
            fails: [("nvmlDeviceGetName".into(), code::NOT_SUPPORTED)].into(),
            lost_after: Some(9),
            ..Card::new("NVIDIA A100", 40 * GIB)
        };
        let whole = Card {
            mig: Mig::Disabled,
            ..Card::new("NVIDIA A100", 40 * GIB)
        };
        let cards = Cards {
            driver_version: "575.51.03".into(),
            cuda_version: 12_090,
            fails: [("nvmlInit_v2".into(), code::DRIVER_NOT_LOADED)].into(),
            ..Cards::new(vec![split, whole, Card::new("plain", GIB)])
        };
        assert_eq!(parse(&write(&cards)), Ok(cards));
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named() {
        for line in ["cuda twelve", "uuid x", "mig", "nonsense 1"] {
            assert_eq!(parse(&format!("driver 1\n{line}\ncuda 1\n")), Err(line));
        }
        assert_eq!(parse("card a\nmemory 1\n"), Err("memory 1"));
        assert_eq!(parse("card a\nmig perhaps\n"), Err("mig perhaps"));
    }
}
