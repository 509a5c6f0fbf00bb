//! What `probe` reads through the real nvml-wrapper from machines that the stand-in library plays.
//!
//! One file because all tests probe machines that the helpers at its top describe.

use std::path::Path;

use gpu_probe::{
    Candidate, ChooseError, CudaEnvironment, Driver, Gpu, Inventory, Memory, Mig, ProbeError,
    Reading, Utilization, Version, Visibility, choose_device, choose_preset,
};
use nvml_stand_in::{Card, Cards, GIB, MigInstance, Process, code};
use tempfile::TempDir;

const MEMORY_CALL: &str = "nvmlDeviceGetMemoryInfo_v2";

/// In an environment without CUDA's variables.
fn probe(library: Option<&Path>) -> Result<Inventory, ProbeError> {
    gpu_probe::probe(library, &CudaEnvironment::default())
}

/// Bytes that a process gets at most on this card, or why not.
fn usable_memory(gpu: Gpu) -> Result<u64, String> {
    let inventory = Inventory {
        driver: Driver::Present {
            version: Reading::unavailable(""),
            cuda_version: Reading::unavailable(""),
            visibility: Visibility::default(),
            gpus: Reading::Value(vec![gpu]),
        },
        host: gpu_probe::Host::read(&gpu_probe::HostRoots::default()),
    };
    match choose_device(&inventory, None) {
        Ok((device, _)) => Ok(device.memory.total),
        Err(ChooseError::MemoryUnreadable { gpus }) => {
            let (_, why) = gpus[0].split_once("): ").unwrap();
            Err(why.to_owned())
        }
        Err(other) => panic!("{other}"),
    }
}

fn total(gpu: &Gpu) -> u64 {
    gpu.memory.as_result().unwrap().total
}

fn probe_cards(cards: &Cards) -> Driver {
    let folder = TempDir::new().unwrap();
    let library = cards.install(folder.path()).unwrap();
    probe(Some(&library)).unwrap().driver
}

fn probe_gpus(cards: Vec<Card>) -> Vec<Gpu> {
    match probe_cards(&Cards::new(cards)) {
        Driver::Present {
            gpus: Reading::Value(gpus),
            ..
        } => gpus,
        other => panic!("no list of GPUs: {other:?}"),
    }
}

fn probe_one(card: Card) -> Gpu {
    let mut gpus = probe_gpus(vec![card]);
    assert_eq!(gpus.len(), 1);
    gpus.remove(0)
}

fn failing(function: &str, code: u32) -> Card {
    Card {
        fails: [(function.into(), code)].into(),
        ..Card::new("NVIDIA GeForce RTX 4090", 24 * GIB)
    }
}

fn reason<T: std::fmt::Debug>(reading: &Reading<T>) -> &str {
    reading.as_result().expect_err("a reading without value")
}

#[test]
fn a_card_is_read_in_full() {
    let driver = probe_cards(&Cards {
        driver_version: "575.51.03".into(),
        cuda_version: 12_090,
        ..Cards::new(vec![Card {
            uuid: "GPU-11111111-2222-3333-4444-555555555555".into(),
            memory_used: 3 * GIB,
            compute_capability: (8, 6),
            gpu_utilization: 71,
            memory_utilization: 38,
            temperature: 66,
            power: 287_500,
            power_limit: 300_000,
            processes: vec![Process {
                pid: 4242,
                name: Some("/usr/bin/python3".into()),
                used_memory: Some(3 * GIB),
                compute: true,
                graphics: false,
            }],
            ..Card::new("NVIDIA RTX A6000", 48 * GIB)
        }])
    });
    let expected = Driver::Present {
        version: Reading::Value("575.51.03".into()),
        cuda_version: Reading::Value(Version {
            major: 12,
            minor: 9,
        }),
        visibility: Visibility::default(),
        gpus: Reading::Value(vec![Gpu {
            index: 0,
            visible: true,
            cuda_ordinal: Some(0),
            name: Reading::Value("NVIDIA RTX A6000".into()),
            uuid: Reading::Value("GPU-11111111-2222-3333-4444-555555555555".into()),
            memory: Reading::Value(Memory {
                total: 48 * GIB,
                used: 3 * GIB,
                free: 45 * GIB,
            }),
            compute_capability: Reading::Value(Version { major: 8, minor: 6 }),
            utilization: Reading::Value(Utilization {
                gpu_percent: 71,
                memory_percent: 38,
            }),
            temperature_celsius: Reading::Value(66),
            power_watts: Reading::Value(287.5),
            power_limit_watts: Reading::Value(300.0),
            mig: Reading::Value(Mig::Unsupported),
            processes: Reading::Value(vec![gpu_probe::Process {
                pid: 4242,
                name: Reading::Value("/usr/bin/python3".into()),
                used_memory: Reading::Value(3 * GIB),
            }]),
        }]),
    };
    assert_eq!(driver, expected);
}

#[test]
fn a_driver_without_cards_is_present() {
    assert_eq!(probe_gpus(vec![]), []);
}

#[test]
fn cards_keep_the_order_of_the_driver() {
    let gpus = probe_gpus(vec![
        Card::new("24", 24 * GIB),
        Card::new("48", 48 * GIB),
        Card::new("16", 16 * GIB),
    ]);
    let found: Vec<_> = gpus
        .iter()
        .map(|gpu| {
            let name = gpu.name.as_result().unwrap().as_str();
            (gpu.index, name, total(gpu))
        })
        .collect();
    assert_eq!(
        found,
        [
            (0, "24", 24 * GIB),
            (1, "48", 48 * GIB),
            (2, "16", 16 * GIB),
        ]
    );
}

#[test]
fn machines_of_one_process_do_not_meet() {
    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let libraries = [16, 48]
        .map(|size| Cards::new(vec![Card::new("card", size * GIB)]))
        .iter()
        .zip(&folders)
        .map(|(cards, folder)| cards.install(folder.path()).unwrap())
        .collect::<Vec<_>>();
    std::thread::scope(|scope| {
        for (library, size) in libraries.iter().zip([16, 48]) {
            // Two users of each library: NVML counts its users.
            for _ in 0..2 {
                scope.spawn(move || {
                    for _ in 0..20 {
                        let Driver::Present { gpus, .. } = probe(Some(library)).unwrap().driver
                        else {
                            panic!("driver absent");
                        };
                        let gpus = gpus.as_result().unwrap().as_slice();
                        assert_eq!(total(&gpus[0]), size * GIB);
                    }
                });
            }
        }
    });
}

#[test]
fn each_reading_fails_alone() {
    type Failed = fn(&Gpu) -> Option<String>;
    fn of<T>(reading: &Reading<T>) -> Option<String> {
        reading.as_result().err().map(str::to_owned)
    }
    let readings: [(&str, Failed); 10] = [
        ("nvmlDeviceGetName", |gpu| of(&gpu.name)),
        ("nvmlDeviceGetUUID", |gpu| of(&gpu.uuid)),
        (MEMORY_CALL, |gpu| of(&gpu.memory)),
        ("nvmlDeviceGetCudaComputeCapability", |gpu| {
            of(&gpu.compute_capability)
        }),
        ("nvmlDeviceGetUtilizationRates", |gpu| of(&gpu.utilization)),
        ("nvmlDeviceGetTemperature", |gpu| {
            of(&gpu.temperature_celsius)
        }),
        ("nvmlDeviceGetPowerUsage", |gpu| of(&gpu.power_watts)),
        ("nvmlDeviceGetEnforcedPowerLimit", |gpu| {
            of(&gpu.power_limit_watts)
        }),
        ("nvmlDeviceGetMigMode", |gpu| of(&gpu.mig)),
        ("nvmlDeviceGetComputeRunningProcesses_v3", |gpu| {
            of(&gpu.processes)
        }),
    ];
    for (function, _) in &readings {
        let gpu = probe_one(failing(function, code::UNKNOWN));
        for (other, failed) in &readings {
            let expected =
                (function == other).then(|| "an internal driver error occurred".to_owned());
            assert_eq!(failed(&gpu), expected, "{function} fails: {other}");
        }
    }
}

#[test]
fn an_error_newer_than_the_bindings_keeps_its_number() {
    let gpu = probe_one(failing(MEMORY_CALL, 29));
    assert_eq!(reason(&gpu.memory), "NVML answered with error 29");
}

#[test]
fn a_card_lost_halfway_stays_in_the_list() {
    let lost = Card {
        // Its handle, its name, its UUID.
        lost_after: Some(3),
        ..Card::new("lost", 48 * GIB)
    };
    let gpus = probe_gpus(vec![lost, Card::new("healthy", 24 * GIB)]);
    assert_eq!(gpus[0].name, Reading::Value("lost".into()));
    let fell_off = "device fell off the bus or has otherwise become inacessible";
    assert_eq!(reason(&gpus[0].memory), fell_off);
    assert_eq!(reason(&gpus[0].processes), fell_off);
    assert_eq!(total(&gpus[1]), 24 * GIB);
    let lost = usable_memory(gpus[0].clone());
    assert_eq!(lost, Err(format!("MIG state: {fell_off}")));
}

#[test]
fn a_card_without_handle_stays_in_the_list() {
    let gpus = probe_gpus(vec![
        failing("nvmlDeviceGetHandleByIndex_v2", code::NO_PERMISSION),
        Card::new("healthy", 24 * GIB),
    ]);
    assert_eq!(gpus.len(), 2);
    assert_eq!(
        reason(&gpus[0].name),
        "the current user does not have permission to perform this operation"
    );
    assert_eq!(gpus[0].index, 0);
    assert_eq!(gpus[1].name, Reading::Value("healthy".into()));
}

#[test]
fn a_mig_card_offers_its_largest_instance() {
    let instance = |profile: &str, gib| {
        let name = format!("NVIDIA A100-SXM4-40GB MIG {profile}");
        MigInstance::new(&name, &format!("MIG-{profile}"), gib * GIB)
    };
    let a100 = |mig| Card {
        mig,
        ..Card::new("NVIDIA A100-SXM4-40GB", 40 * GIB)
    };
    let enabled = |instances| a100(nvml_stand_in::Mig::Enabled(instances));
    let broken = |profile, gib| MigInstance {
        fails: [(MEMORY_CALL.into(), code::UNKNOWN)].into(),
        ..instance(profile, gib)
    };
    let empty_slot = MigInstance {
        fails: [(
            "nvmlDeviceGetMigDeviceHandleByIndex".into(),
            code::NOT_FOUND,
        )]
        .into(),
        ..instance("3g.20gb", 20)
    };
    let unknown = "an internal driver error occurred";
    let cases = [
        (a100(nvml_stand_in::Mig::Unsupported), Ok(40 * GIB)),
        (a100(nvml_stand_in::Mig::Disabled), Ok(40 * GIB)),
        (
            enabled(vec![
                instance("1g.5gb", 5),
                instance("3g.20gb", 20),
                instance("2g.10gb", 10),
            ]),
            Ok(20 * GIB),
        ),
        (
            enabled(vec![broken("3g.20gb", 20), instance("2g.10gb", 10)]),
            Ok(10 * GIB),
        ),
        (
            enabled(vec![empty_slot, instance("2g.10gb", 10)]),
            Ok(10 * GIB),
        ),
        (
            enabled(vec![broken("3g.20gb", 20)]),
            Err(format!("MIG instance 0: {unknown}")),
        ),
        (
            enabled(vec![]),
            Err("MIG mode is on and no instance exists".to_owned()),
        ),
        (
            failing("nvmlDeviceGetMigMode", code::UNKNOWN),
            Err(format!("MIG state: {unknown}")),
        ),
        (
            // A driver that knows no MIG.
            failing("nvmlDeviceGetMigMode", code::FUNCTION_NOT_FOUND),
            Ok(24 * GIB),
        ),
        (
            Card {
                fails: [("nvmlDeviceGetMigDeviceHandleByIndex".into(), code::UNKNOWN)].into(),
                ..enabled(vec![instance("3g.20gb", 20)])
            },
            Err(format!("MIG instances: {unknown}")),
        ),
    ];
    for (card, expected) in cases {
        let described = format!("{:?}", card.mig);
        assert_eq!(usable_memory(probe_one(card)), expected, "{described}");
    }

    let gpu = probe_one(enabled(vec![instance("3g.20gb", 20)]));
    assert_eq!(gpu.memory.as_result().unwrap().total, 40 * GIB);
    let Reading::Value(Mig::Enabled { instances }) = gpu.mig else {
        panic!("not in MIG mode: {:?}", gpu.mig);
    };
    let instances = instances.as_result().unwrap();
    assert_eq!(
        (instances.len(), instances[0].index, &instances[0].uuid),
        (1, 0, &Reading::Value("MIG-3g.20gb".into()))
    );
    assert_eq!(
        instances[0].name,
        Reading::Value("NVIDIA A100-SXM4-40GB MIG 3g.20gb".into())
    );
}

#[test]
fn processes_are_listed_once_and_without_invented_numbers() {
    let process = |pid, compute, graphics| Process {
        pid,
        name: Some(format!("program-{pid}")),
        used_memory: Some(u64::from(pid) * GIB),
        compute,
        graphics,
    };
    let card = Card {
        processes: vec![
            process(3, true, true),
            process(1, false, true),
            Process {
                name: None,
                used_memory: None,
                ..process(2, true, false)
            },
        ],
        ..Card::new("card", 24 * GIB)
    };
    let gpu = probe_one(card.clone());
    let processes = gpu.processes.as_result().unwrap();
    let pids: Vec<_> = processes.iter().map(|process| process.pid).collect();
    assert_eq!(pids, [1, 2, 3]);
    assert_eq!(processes[0].used_memory, Reading::Value(GIB));
    assert_eq!(processes[2].name, Reading::Value("program-3".into()));
    assert_eq!(
        reason(&processes[1].name),
        "the current user does not have permission to perform this operation"
    );
    assert_eq!(
        reason(&processes[1].used_memory),
        "the driver does not account memory by process here"
    );

    let graphics = "nvmlDeviceGetGraphicsRunningProcesses_v3";
    let without_graphics = probe_one(Card {
        fails: [(graphics.into(), code::NOT_SUPPORTED)].into(),
        ..card.clone()
    });
    assert_eq!(without_graphics.processes.as_result().map(Vec::len), Ok(2));
    let broken = probe_one(Card {
        fails: [(graphics.into(), code::UNKNOWN)].into(),
        ..card
    });
    assert_eq!(
        reason(&broken.processes),
        "an internal driver error occurred"
    );
}

#[test]
fn failures_of_the_driver_as_a_whole() {
    let with = |function: &str, code| {
        probe_cards(&Cards {
            fails: [(function.into(), code)].into(),
            ..Cards::new(vec![Card::new("card", 24 * GIB)])
        })
    };
    assert_eq!(
        with("nvmlInit_v2", code::DRIVER_NOT_LOADED),
        Driver::Absent {
            reason: "NVIDIA driver is not loaded".into()
        }
    );
    let Driver::Present { version, gpus, .. } = with("nvmlDeviceGetCount_v2", code::UNKNOWN) else {
        panic!("driver absent");
    };
    assert_eq!(version, Reading::Value("580.82.07".into()));
    assert_eq!(reason(&gpus), "an internal driver error occurred");
    let Driver::Present { version, gpus, .. } = with("nvmlSystemGetDriverVersion", code::UNKNOWN)
    else {
        panic!("driver absent");
    };
    assert_eq!(reason(&version), "an internal driver error occurred");
    assert_eq!(gpus.as_result().map(Vec::len), Ok(1));
}

#[test]
fn a_named_library_that_is_none_is_an_error_with_its_path() {
    let folder = TempDir::new().unwrap();
    let text = folder.path().join("text.so");
    std::fs::write(&text, "not a library").unwrap();
    let missing = folder.path().join("missing.so");
    // A real library, and not NVML.
    let unrelated = Path::new("libc.so.6");
    for (path, said) in [
        (missing.as_path(), "No such file"),
        (&text, "file too short"),
        (unrelated, "nvmlInit_v2"),
    ] {
        let error = probe(Some(path)).unwrap_err();
        let ProbeError::LibraryUnusable { path: named, .. } = &error;
        assert_eq!(named, path);
        let text = error.to_string();
        assert!(text.contains(&*path.to_string_lossy()), "{text}");
        assert!(text.contains(said), "{text}");
    }
}

#[test]
fn cards_changed_between_probes_are_seen() {
    let folder = TempDir::new().unwrap();
    for size in [24, 48] {
        let cards = Cards::new(vec![Card::new("card", size * GIB)]);
        let library = cards.install(folder.path()).unwrap();
        let Driver::Present { gpus, .. } = probe(Some(&library)).unwrap().driver else {
            panic!("driver absent");
        };
        let gpus = gpus.as_result().unwrap();
        assert_eq!(total(&gpus[0]), size * GIB);
    }
}

#[test]
fn json_says_what_is_missing_and_why() {
    let folder = TempDir::new().unwrap();
    let cards = Cards::new(vec![failing(MEMORY_CALL, code::UNKNOWN)]);
    let inventory = probe(Some(&cards.install(folder.path()).unwrap())).unwrap();
    let json = serde_json::to_value(&inventory).unwrap();
    let gpu = &json["driver"]["gpus"]["value"][0];
    assert_eq!(json["driver"]["state"], "present");
    assert_eq!(gpu["name"]["value"], "NVIDIA GeForce RTX 4090");
    assert_eq!(gpu["mig"]["value"]["mode"], "unsupported");
    assert_eq!(
        gpu["memory"],
        serde_json::json!({"unavailable": {"reason": "an internal driver error occurred"}})
    );
    assert!(json["host"]["cores"]["value"].as_u64() >= Some(1));
}

#[test]
fn a_probed_card_leads_to_its_preset() {
    let candidates = [("48gb", 44), ("24gb", 22)].map(|(name, gib)| Candidate {
        name: name.into(),
        min_device_memory: Some(gib * GIB),
    });
    for (size, expected) in [(24, "24gb"), (48, "48gb")] {
        let folder = TempDir::new().unwrap();
        let cards = Cards::new(vec![Card::new("card", size * GIB)]);
        let inventory = probe(Some(&cards.install(folder.path()).unwrap())).unwrap();
        let choice = choose_preset(&inventory, &candidates, None).unwrap();
        assert_eq!(choice.preset, expected);
        assert_eq!(choice.device.map(|device| device.gpu), Some(0));
    }
}
