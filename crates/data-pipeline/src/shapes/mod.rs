//! The `shapes` data set: coloured shapes and questions about them, made on the fly from a seed.

mod describe;
mod language;
mod question;
mod render;
mod scene;
mod source;
#[cfg(test)]
mod tests;

pub use language::Language;
pub use source::{Shapes, ShapesConfig};
