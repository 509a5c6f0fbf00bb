//! Memory, counted to the byte on the CPU. One test at a time: the count is the process's.

mod checkpointing;
mod counting;
