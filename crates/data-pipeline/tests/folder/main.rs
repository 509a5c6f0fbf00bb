//! A data set of the user's own: reading, everything that can be wrong with it, and writing.

mod faults;
mod lines;
mod read;
mod stores;
mod support;
mod write;
