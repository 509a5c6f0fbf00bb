//! The one reader of the environment.

use std::env;

use gpu_probe::CudaEnvironment;

/// The only reader of the environment. A variable that is not UTF-8 cannot be a configuration key.
#[expect(
    clippy::disallowed_methods,
    reason = "the one owner of the environment"
)]
pub fn variables() -> Vec<(String, String)> {
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// A variable of the environment, with a mark for what is not UTF-8.
pub fn variable(name: &str) -> Option<String> {
    env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// CUDA's variables. A value that is not UTF-8 names no GPU, whatever stands for its bytes.
pub fn cuda_environment() -> CudaEnvironment {
    CudaEnvironment {
        visible_devices: variable("CUDA_VISIBLE_DEVICES"),
        device_order: variable("CUDA_DEVICE_ORDER"),
    }
}
