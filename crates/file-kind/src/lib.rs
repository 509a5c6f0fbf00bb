//! Tells what a file is from its first bytes, and what to do about a file that is not what it should be.
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

mod kind;
mod recognise;
mod tar;

pub use kind::FileKind;
pub use recognise::LONGEST_START;
