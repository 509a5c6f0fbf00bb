//! One line of progress, cut to what the terminal has room for.

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use console::Term;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::terminal::unicode;

/// Columns of a bar that has all the room that it wants, and of one that says anything.
const BAR: std::ops::RangeInclusive<usize> = 10..=30;

/// Between two parts of a line.
const GAP: &str = "  ";

/// A figure beside the bar.
#[derive(Debug, Clone)]
pub struct Figure {
    /// The smaller, the longer it stays where there is little room.
    pub rank: u8,
    /// What is shown, in ASCII.
    pub text: String,
}

impl Figure {
    /// A figure of this rank.
    pub fn new(rank: u8, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { rank, text }
    }
}

/// Rank of the time that is left, and of the bar.
const TIME_LEFT: u8 = 2;
const THE_BAR: u8 = 4;

/// A bar on standard error, with figures beside it.
pub struct LineBar {
    /// Length, position and what is drawn when.
    pub bar: ProgressBar,
    figures: Arc<Mutex<Vec<Figure>>>,
}

impl LineBar {
    /// A bar that counts `unit`, such as `steps`.
    pub fn new(unit: &'static str) -> Self {
        let figures = Arc::new(Mutex::new(Vec::new()));
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let (shown, terminal, unicode) = (figures.clone(), Term::stderr(), unicode());
        let line = move |state: &ProgressState, out: &mut dyn Write| {
            let columns = terminal.size_checked().map_or(80, |(_, columns)| columns);
            let figures = shown.lock().unwrap_or_else(PoisonError::into_inner);
            let progress = Progress {
                done: state.pos(),
                total: state.len().unwrap_or(0),
                unit,
                left: format!("{:#} left", HumanDuration(state.eta())),
            };
            // What cannot be written is drawn again soon.
            let _ = out.write_str(&progress.line(&figures, usize::from(columns), unicode));
        };
        if let Ok(style) = ProgressStyle::with_template("{line}") {
            bar.set_style(style.with_key("line", line));
        }
        Self { bar, figures }
    }

    /// Replaces the figures.
    pub fn show(&self, figures: Vec<Figure>) {
        *self.figures.lock().unwrap_or_else(PoisonError::into_inner) = figures;
        self.bar.tick();
    }
}

/// How far the work is.
struct Progress {
    done: u64,
    total: u64,
    unit: &'static str,
    left: String,
}

impl Progress {
    /// At most `columns - 1` columns: a terminal goes on to the next line after the last.
    fn line(&self, figures: &[Figure], columns: usize, unicode: bool) -> String {
        let room = columns.saturating_sub(1);
        let count = format!("{}/{} {}", self.done, self.total, self.unit);
        let left = Figure::new(TIME_LEFT, &self.left);
        let mut parts: Vec<_> = figures.iter().chain([&left]).collect();
        let width = |parts: &[&Figure]| {
            let others = parts.iter().map(|part| GAP.len() + part.text.len());
            count.len() + others.sum::<usize>()
        };
        let bar_width = |parts: &[&Figure]| room.saturating_sub(width(parts) + 1);
        while let Some(last) = (0..parts.len()).max_by_key(|place| parts[*place].rank) {
            let needed = if parts[last].rank > THE_BAR {
                *BAR.start()
            } else {
                0
            };
            if width(&parts) <= room && bar_width(&parts) >= needed {
                break;
            }
            parts.remove(last);
        }
        let mut line = String::new();
        let bar = bar_width(&parts).min(*BAR.end());
        if BAR.contains(&bar) {
            let filled = (self.done * bar as u64)
                .checked_div(self.total)
                .unwrap_or(0);
            let filled = usize::try_from(filled).map_or(bar, |filled| filled.min(bar));
            let [full, empty] = if unicode { ["█", "░"] } else { ["#", "-"] };
            line = full.repeat(filled) + &empty.repeat(bar - filled) + " ";
        }
        line += &count;
        for part in parts {
            line += GAP;
            line += &part.text;
        }
        line.chars().take(room).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRESS: Progress = Progress {
        done: 600,
        total: 1200,
        unit: "steps",
        left: String::new(),
    };

    fn line(columns: usize, unicode: bool) -> String {
        let figures = [
            (3, "epoch 3"),
            (1, "loss 0.1234"),
            (7, "lr 3.2e-4"),
            (5, "687 samples/s"),
            (6, "1.2 GiB"),
        ];
        let figures = figures.map(|(rank, text)| Figure::new(rank, text));
        let progress = Progress {
            left: "2m left".to_owned(),
            ..PROGRESS
        };
        progress.line(&figures, columns, unicode)
    }

    #[test]
    fn what_matters_least_goes_first() {
        let all =
            "600/1200 steps  epoch 3  loss 0.1234  lr 3.2e-4  687 samples/s  1.2 GiB  2m left";
        assert_eq!(
            line(200, false),
            format!("{}{} {all}", "#".repeat(15), "-".repeat(15))
        );
        assert_eq!(
            line(80, false),
            "#########--------- 600/1200 steps  epoch 3  loss 0.1234  687 samples/s  2m left"
        );
        assert_eq!(line(40, false), "600/1200 steps  loss 0.1234  2m left");
        assert_eq!(line(30, false), "600/1200 steps  loss 0.1234");
        assert_eq!(line(15, false), "600/1200 steps");
        assert_eq!(line(10, false), "600/1200 ");
        assert_eq!(line(0, false), "");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for columns in 0..250 {
            for unicode in [false, true] {
                let line = line(columns, unicode);
                assert!(line.chars().count() <= columns.saturating_sub(1), "{line}");
                assert_eq!(line.is_ascii(), !unicode || !line.contains(['█', '░']));
            }
        }
    }

    #[test]
    fn nothing_to_do_is_no_progress() {
        let nothing = Progress {
            total: 0,
            ..PROGRESS
        };
        assert!(nothing.line(&[], 80, false).starts_with("-----"));
    }
}
