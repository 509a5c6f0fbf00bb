//! Files of weights as they should be, and as they should not be.

mod archive;
mod beside;
mod cases;
mod foreign;
mod formats;
mod hostile;
mod memory;
mod mutated;
mod pickle;
mod safetensors;
