//! Parts of the model, timed in turns with their peers.

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use clap::ValueEnum;

use super::peer::{Peer, benchmark};
use crate::steps::{Failure, Outcome};

/// What is timed. The programs on either side know the parts by the names that clap gives them.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Part {
    /// Forward and backward pass of the AoA stack of the 24gb preset: 4 layers of 768 channels
    #[value(name = "aoa-stack-24gb")]
    AoaStack24gb,
    /// The same for the 48gb preset: 6 layers of 1,024 channels
    #[value(name = "aoa-stack-48gb")]
    AoaStack48gb,
    /// Forward and backward pass of the second stage of the image encoder
    SwinStage,
    /// Forward and backward pass of a text layer that looks at an image
    CrossAttentionLayer,
    /// Forward and backward pass of an AoA block over 8 images of 50 regions, with dropout, attention weights kept
    #[value(name = "attention-50")]
    Attention50,
    /// The same with memory-efficient attention; so below. The peer keeps the weights
    #[value(name = "attention-50-efficient")]
    Attention50Efficient,
    /// A text layer that looks at images of 901 states, with dropout on attention weights
    #[value(name = "attention-901")]
    Attention901,
    /// The same, efficient
    #[value(name = "attention-901-efficient")]
    Attention901Efficient,
    /// An AoA block over one sequence of 2,048 tokens
    #[value(name = "attention-2048")]
    Attention2048,
    /// The same, efficient
    #[value(name = "attention-2048-efficient")]
    Attention2048Efficient,
    /// Clipping and a step of Adamax over the answer decoder
    AdamaxStep,
    /// Clipping and a step of `AdamW` over the answer decoder
    AdamwStep,
}

impl Part {
    fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// Times the parts, all of them if none is named, and prints a table.
pub fn run(peer: Option<&Peer>, rounds: usize, parts: &[Part]) -> Outcome {
    let parts = if parts.is_empty() {
        Part::value_variants()
    } else {
        parts
    };
    let mut ours = Server::start("our benchmark", &mut benchmark("model", &[]))?;
    let mut theirs = match peer {
        Some(peer) => Some(Server::start(
            "the peer",
            &mut peer.script("parts.py", &[]),
        )?),
        None => None,
    };
    print_row(
        "ms: least, median",
        "ours",
        &peer.map_or_else(String::new, Peer::title),
        "ratio",
    );
    for part in parts {
        let name = part.name();
        let (mut our_times, mut their_times) = (Times::default(), Times::default());
        for _ in 0..rounds {
            our_times.add(ours.time(&name)?);
            if let Some(theirs) = &mut theirs {
                their_times.add(theirs.time(&name)?);
            }
        }
        let ratio = match (our_times.least(), their_times.least()) {
            (Some(ours), Some(theirs)) => format!("{:.2}", ours / theirs),
            _ => String::new(),
        };
        print_row(
            &name,
            &our_times.to_string(),
            &their_times.to_string(),
            &ratio,
        );
    }
    Ok(())
}

fn print_row(part: &str, ours: &str, theirs: &str, ratio: &str) {
    println!("{part:24} {ours:>18} {theirs:>18} {ratio:>6}");
}

/// Measurements of one part, in seconds.
#[derive(Default)]
struct Times(Vec<f64>);

impl Times {
    fn add(&mut self, seconds: f64) {
        let place = self.0.partition_point(|other| *other < seconds);
        self.0.insert(place, seconds);
    }

    fn least(&self) -> Option<f64> {
        self.0.first().copied()
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.first(), self.0.get(self.0.len() / 2)) {
            (Some(least), Some(median)) => write!(f, "{:.1} {:.1}", least * 1e3, median * 1e3),
            _ => Ok(()),
        }
    }
}

/// A program that answers each name of a part with a measurement, for as long as it has an input.
struct Server {
    who: &'static str,
    _process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Server {
    fn start(who: &'static str, command: &mut Command) -> Result<Self, Failure> {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = piped
            .spawn()
            .map_err(|error| Failure::because(format!("cannot start {who}: {error}")))?;
        let (Some(requests), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            unreachable!("both were asked for")
        };
        Ok(Self {
            who,
            _process: process,
            requests,
            answers: BufReader::new(answers),
        })
    }

    /// Seconds that the part takes now.
    fn time(&mut self, part: &str) -> Result<f64, Failure> {
        let mut answer = String::new();
        writeln!(self.requests, "{part}")
            .and_then(|()| self.answers.read_line(&mut answer))
            .map_err(|error| Failure::because(format!("{}: {part}: {error}", self.who)))?;
        serde_json::from_str::<serde_json::Value>(&answer)
            .ok()
            .and_then(|answer| answer["seconds"].as_f64())
            .ok_or_else(|| {
                Failure::because(format!("{} did not time {part}: {answer:?}", self.who))
            })
    }
}
