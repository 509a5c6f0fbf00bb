//! Which preset `choose_preset` picks, for inventories written out here.

use gpu_probe::{
    Candidate, ChooseError, DeviceRequest, Driver, Gpu, Host, HostRoots, Inventory, Memory, Mig,
    MigInstance, Reading, Visibility, choose_preset,
};
use proptest::prelude::*;

const GIB: u64 = 1 << 30;
const ANY_GPU: Option<DeviceRequest> = Some(DeviceRequest::Cuda(None));
const CPU: Option<DeviceRequest> = Some(DeviceRequest::Cpu);

fn gpu(index: u32, name: &str, gib: u64) -> Gpu {
    Gpu {
        index,
        name: Reading::Value(name.into()),
        memory: memory(gib * GIB),
        mig: Reading::Value(Mig::Unsupported),
        uuid: unread(),
        visible: true,
        cuda_ordinal: Some(index),
        compute_capability: unread(),
        utilization: unread(),
        temperature_celsius: unread(),
        power_watts: unread(),
        power_limit_watts: unread(),
        processes: unread(),
    }
}

fn memory(total: u64) -> Reading<Memory> {
    Reading::Value(Memory {
        total,
        used: 0,
        free: total,
    })
}

fn unread<T>() -> Reading<T> {
    Reading::unavailable("lost")
}

fn unreadable(index: u32, name: &str) -> Gpu {
    Gpu {
        memory: unread(),
        ..gpu(index, name, 0)
    }
}

fn inventory(driver: Driver) -> Inventory {
    Inventory {
        driver,
        host: Host::read(&HostRoots::default()),
    }
}

fn present(gpus: Reading<Vec<Gpu>>) -> Inventory {
    inventory(Driver::Present {
        version: unread(),
        cuda_version: unread(),
        visibility: Visibility::default(),
        gpus,
    })
}

fn with(gpus: Vec<Gpu>) -> Inventory {
    present(Reading::Value(gpus))
}

fn no_driver() -> Inventory {
    inventory(Driver::Absent {
        reason: "library not found".into(),
    })
}

fn candidate(name: &str, gib: Option<u64>) -> Candidate {
    Candidate {
        name: name.into(),
        min_device_memory: gib.map(|gib| gib * GIB),
    }
}

fn presets() -> Vec<Candidate> {
    vec![
        candidate("cpu", None),
        candidate("24gb", Some(22)),
        candidate("24gb-tight", Some(22)),
        candidate("48gb", Some(44)),
        candidate("cpu-large", None),
    ]
}

fn check(
    inventory: &Inventory,
    request: Option<DeviceRequest>,
    preset: &str,
    gpu: Option<u32>,
    reason: &str,
) {
    let choice = choose_preset(inventory, &presets(), request).unwrap();
    assert_eq!(choice.preset, preset);
    assert_eq!(choice.device.map(|device| device.gpu), gpu);
    assert_eq!(choice.reason, reason);
}

#[test]
fn the_largest_preset_that_fits() {
    let cuda = Some::<u32>;
    let rtx = || gpu(0, "NVIDIA GeForce RTX 4090", 24);
    let a6000 = || gpu(1, "NVIDIA RTX A6000", 48);
    let rtx_reason = "NVIDIA GeForce RTX 4090 has 24.0 GiB; \"24gb\" is the largest preset that fits (needs 22.0 GiB)";
    check(&with(vec![rtx()]), None, "24gb", cuda(0), rtx_reason);
    check(&with(vec![rtx()]), ANY_GPU, "24gb", cuda(0), rtx_reason);
    check(
        &with(vec![gpu(0, "exact", 44)]),
        None,
        "48gb",
        cuda(0),
        "exact has 44.0 GiB; \"48gb\" is the largest preset that fits (needs 44.0 GiB)",
    );
    check(
        &with(vec![gpu(0, "between", 43)]),
        None,
        "24gb",
        cuda(0),
        "between has 43.0 GiB; \"24gb\" is the largest preset that fits (needs 22.0 GiB)",
    );
    check(
        &with(vec![rtx(), a6000(), gpu(2, "small", 16)]),
        None,
        "48gb",
        cuda(1),
        "NVIDIA RTX A6000 (GPU 1) has 48.0 GiB, the most of 3 GPUs; \"48gb\" is the largest preset that fits (needs 44.0 GiB)",
    );
    check(
        &with(vec![rtx(), a6000()]),
        Some(DeviceRequest::Cuda(Some(0))),
        "24gb",
        cuda(0),
        &format!("{rtx_reason}; GPUs are numbered by bus, as `nvidia-smi` does"),
    );
    check(
        &with(vec![gpu(0, "twin", 24), gpu(1, "twin", 24)]),
        None,
        "24gb",
        cuda(0),
        "twin (GPU 0) has 24.0 GiB, the most of 2 GPUs; \"24gb\" is the largest preset that fits (needs 22.0 GiB)",
    );
    check(
        &with(vec![rtx(), unreadable(1, "NVIDIA RTX A6000")]),
        None,
        "24gb",
        cuda(0),
        &format!("{rtx_reason}; left out, memory unreadable: GPU 1 (NVIDIA RTX A6000): lost"),
    );
    let instance = MigInstance {
        index: 0,
        name: unread(),
        uuid: unread(),
        visible: true,
        cuda_ordinal: Some(0),
        memory: memory(24 * GIB),
    };
    let mig = Gpu {
        mig: Reading::Value(Mig::Enabled {
            instances: Reading::Value(vec![instance]),
        }),
        ..gpu(0, "NVIDIA H100", 80)
    };
    check(
        &with(vec![mig]),
        None,
        "24gb",
        cuda(0),
        "NVIDIA H100 has 24.0 GiB in MIG instance 0; \"24gb\" is the largest preset that fits (needs 22.0 GiB)",
    );
    let small = MigInstance {
        index: 2,
        name: unread(),
        uuid: unread(),
        visible: true,
        cuda_ordinal: Some(0),
        memory: memory(10 * GIB),
    };
    let mig = Gpu {
        mig: Reading::Value(Mig::Enabled {
            instances: Reading::Value(vec![small]),
        }),
        ..gpu(1, "NVIDIA H100", 80)
    };
    assert_eq!(
        choose_preset(&with(vec![mig]), &presets(), None)
            .unwrap_err()
            .to_string(),
        "no preset fits: MIG instance 2 of GPU 1 (NVIDIA H100) has 10.0 GiB, and the smallest preset, \"24gb\", needs 22.0 GiB"
    );
    let nameless = Gpu {
        name: unread(),
        ..gpu(0, "", 24)
    };
    check(
        &with(vec![nameless]),
        None,
        "24gb",
        cuda(0),
        "a GPU without readable name (lost) has 24.0 GiB; \"24gb\" is the largest preset that fits (needs 22.0 GiB)",
    );
}

#[test]
fn the_cpu_where_there_is_no_gpu_or_it_is_asked_for() {
    let reason = "there is no NVIDIA driver (library not found)";
    check(&no_driver(), None, "cpu", None, reason);
    let reason = "the NVIDIA driver reports no GPU";
    check(&with(vec![]), None, "cpu", None, reason);
    let reason = "the CPU was requested";
    check(&with(vec![gpu(0, "a", 48)]), CPU, "cpu", None, reason);
    check(&no_driver(), CPU, "cpu", None, reason);
}

#[test]
fn errors_say_what_is_wrong_and_what_to_do() {
    fn fails(
        inventory: &Inventory,
        candidates: &[Candidate],
        request: Option<DeviceRequest>,
        message: &str,
        hint: &str,
    ) -> ChooseError {
        let error = choose_preset(inventory, candidates, request).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert_eq!(error.hint(), hint);
        error
    }
    let to_cpu = "to train on the CPU, use `--preset cpu` or set `hardware.device=cpu`";
    let look = format!("see whether `nvidia-smi` works; {to_cpu}");
    let small = with(vec![gpu(0, "NVIDIA GeForce RTX 4080", 16)]);
    let unreadable_pair = || with(vec![unreadable(0, "a"), unreadable(1, "b")]);

    let error = fails(
        &small,
        &presets(),
        None,
        "no preset fits: NVIDIA GeForce RTX 4080 has 16.0 GiB, and the smallest preset, \"24gb\", needs 22.0 GiB",
        &format!(
            "`aoa presets derive --to gpu.toml` writes a preset for this GPU, to train with `--preset gpu.toml`; {to_cpu}"
        ),
    );
    assert_eq!(
        error,
        ChooseError::NoPresetFits {
            gpu: "NVIDIA GeForce RTX 4080".into(),
            device_memory: 16 * GIB,
            smallest: "24gb".into(),
            needed: 22 * GIB,
        }
    );
    fails(
        &no_driver(),
        &presets(),
        ANY_GPU,
        "a CUDA device was requested, and there is no NVIDIA driver: library not found",
        to_cpu,
    );
    fails(
        &with(vec![]),
        &presets(),
        Some(DeviceRequest::Cuda(Some(0))),
        "a CUDA device was requested, and the NVIDIA driver reports no GPU",
        to_cpu,
    );
    fails(
        &with(vec![gpu(0, "a", 24), gpu(1, "b", 48)]),
        &presets(),
        Some(DeviceRequest::Cuda(Some(2))),
        "there is no GPU 2; the GPUs here are: 0: a, 1: b",
        "request one of these, or leave the index out for the one with the most memory",
    );
    fails(
        &present(unread()),
        &presets(),
        None,
        "the NVIDIA driver cannot list its GPUs: lost",
        &look,
    );
    fails(
        &unreadable_pair(),
        &presets(),
        None,
        "no GPU whose memory can be read: GPU 0 (a): lost; GPU 1 (b): lost",
        &look,
    );
    fails(
        &unreadable_pair(),
        &presets(),
        Some(DeviceRequest::Cuda(Some(1))),
        "no GPU whose memory can be read: GPU 1 (b): lost",
        &look,
    );
    fails(
        &small,
        &[candidate("cpu", None)],
        None,
        "none of the presets is for a GPU",
        &format!("name a preset with `min_device_memory`; {to_cpu}"),
    );
    fails(
        &no_driver(),
        &[candidate("24gb", Some(22))],
        None,
        "none of the presets is for the CPU",
        "name a preset without `min_device_memory`",
    );
}

proptest! {
    #[test]
    fn the_choice_fits_and_nothing_that_fits_is_larger(
        needs in prop::collection::vec(prop::option::of(1u64..64), 0..6),
        sizes in prop::collection::vec(1u64..64, 1..4),
    ) {
        let candidates: Vec<_> = needs
            .iter()
            .enumerate()
            .map(|(place, need)| candidate(&place.to_string(), *need))
            .collect();
        let gpus = (0..).zip(&sizes).map(|(index, size)| gpu(index, "card", *size)).collect();
        let largest = *sizes.iter().max().unwrap();
        let best = needs.iter().flatten().filter(|need| **need <= largest).max();
        match choose_preset(&with(gpus), &candidates, None) {
            Ok(choice) => {
                let place = needs.iter().position(|need| need.as_ref() == best).unwrap();
                prop_assert_eq!(choice.preset, place.to_string());
                let index = sizes.iter().position(|size| *size == largest).unwrap() as u32;
                prop_assert_eq!(choice.device.map(|device| device.gpu), Some(index));
            }
            Err(ChooseError::NoPresetFits { needed, .. }) => {
                prop_assert!(best.is_none());
                prop_assert_eq!(Some(needed / GIB), needs.iter().flatten().min().copied());
            }
            Err(other) => prop_assert_eq!(
                (other, needs.iter().flatten().next()),
                (ChooseError::NoGpuPreset, None)
            ),
        }
    }
}
