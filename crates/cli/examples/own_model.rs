//! The program with a model of your own: `cargo run --package cli --example own_model -- train`.
//!
//! `tests/toy-model/src/lib.rs` is the model, about 90 lines. Every command knows it: `plan` records its computation, `fit`
//! measures it, `train`, `eval` and `ask` use it.

use std::process::ExitCode;

use cli::Wiring;

struct OwnModel;

impl Wiring for OwnModel {
    type Model = toy_model::Toy;
}

fn main() -> ExitCode {
    cli::run::<OwnModel>()
}
