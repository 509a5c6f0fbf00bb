//! TIFF: the first page, in strips, packed in the common ways. Everything else is refused by name.

mod directory;
mod page;

pub(super) use page::{Page, decode};
