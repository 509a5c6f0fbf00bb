//! The loader: what it delivers, in which order, with which means, and what it does when something breaks.

mod augment;
mod delivery;
mod faults;
mod inputs;
mod order;
mod resources;
mod support;
