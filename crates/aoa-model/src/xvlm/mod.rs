//! X-VLM (Zeng et al., "Multi-Grained Vision Language Pre-Training", ICML 2022).

pub mod swin;
