//! Files that users name: what one is by its first bytes, how to read none but regular ones, and how a shell wants its path.
//!
//! Readers of images, weights and tables call [`FileKind::of`] where their own format is not found. The answer says what
//! the file is instead and, through [`FileKind::cure`], how to get the file that was meant. The name of a file is never
//! looked at.
//!
//! ```
//! use file_kind::FileKind;
//!
//! let page = FileKind::of(b"<!DOCTYPE html>\n<html>");
//! assert_eq!(page, FileKind::Html);
//! assert_eq!(page.to_string(), "an HTML page, most likely a failed download");
//! assert_eq!(page.cure(), Some("download the file again"));
//! ```
//!
//! [`bounded`] shortens the values that a message repeats, [`counted`] gives a number its noun. [`read_regular`] refuses pipes
//! and devices instead of waiting for them. [`quoted`] puts a path into a command that a message suggests.

mod counted;
mod kind;
mod recognise;
mod regular;
mod shell;
mod shortened;
mod tar;

pub use counted::counted;
pub use kind::FileKind;
pub use recognise::LONGEST_START;
pub use regular::{open_regular, read_regular, special};
pub use shell::quoted;
pub use shortened::{bounded, shortened};
