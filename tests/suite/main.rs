//! Tests that cross crates.

mod bad_data;
mod card_samples;
mod checkpointing;
mod circles;
mod fine_branch;
mod golden_aoa;
mod golden_bert;
mod golden_cfr;
mod golden_fusion;
mod golden_grad_accum;
mod golden_optim;
mod golden_optim_groups;
mod golden_swin;
mod golden_tokenizer;
mod golden_weights;
mod layering;
mod memory;
mod optional_inputs;
mod preloaded;
mod pretrained;
mod readme;
mod runs;
mod same_data;
mod slicing;
mod stopping;
mod two_branches;
