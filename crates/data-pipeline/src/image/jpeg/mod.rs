//! JPEG: a walk along the markers decides what is read, libjpeg-turbo computes the pixels.
//!
//! libjpeg-turbo fills up what is missing and goes on after damage, with a warning at most. So the walk checks what the
//! library does not warn of (scans that are missing, codings whose end cannot be told), hands it bytes without known
//! oddities, and takes its first warning as an error.

mod decode;
mod frame;
mod markers;

pub(super) use decode::{decode, from_cmyk};
pub(super) use markers::{Markers, has_end_marker};
