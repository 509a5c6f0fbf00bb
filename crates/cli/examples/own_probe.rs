//! The program with a probe of your own: `cargo run --package cli --example own_probe -- probe`.
//!
//! It finds an accelerator that does not exist. `probe` shows it, and `train`, `plan` and `presets derive` choose for it as
//! for any card.

use std::path::Path;
use std::process::ExitCode;

use cli::Wiring;
use gpu_probe::{
    CudaEnvironment, Driver, Gpu, Host, HostRoots, Inventory, Memory, Mig, ProbeError, Reading,
    Version, Visibility,
};

const GIB: u64 = 1 << 30;

struct OwnProbe;

impl Wiring for OwnProbe {
    type Model = aoa_model::Vqa;

    fn probe(
        _nvml_library: Option<&Path>,
        _environment: &CudaEnvironment,
    ) -> Result<Inventory, ProbeError> {
        let unknown = || "the imagined accelerator does not say".to_owned();
        let accelerator = Gpu {
            index: 0,
            name: Reading::Value("Imagined Accelerator".to_owned()),
            uuid: Reading::Value("imagined-0".to_owned()),
            visible: true,
            cuda_ordinal: Some(0),
            memory: Reading::Value(Memory {
                total: 32 * GIB,
                used: GIB,
                free: 31 * GIB,
            }),
            compute_capability: Reading::Value(Version { major: 9, minor: 0 }),
            utilization: Reading::unavailable(unknown()),
            temperature_celsius: Reading::unavailable(unknown()),
            power_watts: Reading::unavailable(unknown()),
            power_limit_watts: Reading::unavailable(unknown()),
            mig: Reading::Value(Mig::Unsupported),
            processes: Reading::Value(Vec::new()),
        };
        Ok(Inventory {
            driver: Driver::Present {
                version: Reading::Value("1.0".to_owned()),
                cuda_version: Reading::unavailable(unknown()),
                visibility: Visibility::default(),
                gpus: Reading::Value(vec![accelerator]),
            },
            host: Host::read(&HostRoots::default()),
        })
    }
}

fn main() -> ExitCode {
    cli::run::<OwnProbe>()
}
