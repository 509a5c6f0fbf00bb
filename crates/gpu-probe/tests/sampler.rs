//! What `GpuSampler` reads through the real nvml-wrapper from machines that the stand-in library plays.

use std::path::PathBuf;

use gpu_probe::{GpuProcess, GpuSample, GpuSampler, Memory, ProbeError, SamplerError, Utilization};
use nvml_stand_in::{Card, Cards, GIB, Mig, MigInstance, Process, code};
use tempfile::TempDir;

/// A machine whose cards can change; a driver session keeps those of its beginning.
struct Machine(TempDir);

impl Machine {
    fn new(cards: Vec<Card>) -> Self {
        let machine = Self(TempDir::new().unwrap());
        machine.change(&Cards::new(cards));
        machine
    }

    fn change(&self, cards: &Cards) -> PathBuf {
        cards.install(self.0.path()).unwrap()
    }

    fn open(&self, indices: &[u32]) -> Result<GpuSampler, SamplerError> {
        GpuSampler::open(Some(&self.0.path().join("libnvidia-ml.so.1")), indices)
    }

    fn sampler(&self) -> GpuSampler {
        self.open(&[]).unwrap()
    }
}

fn sample_one(card: Card) -> GpuSample {
    let mut samples = Machine::new(vec![card]).sampler().read();
    assert_eq!(samples.len(), 1);
    samples.remove(0)
}

fn process(pid: u32, name: &str) -> Process {
    Process {
        pid,
        name: Some(name.into()),
        used_memory: Some(GIB),
        compute: true,
        graphics: false,
    }
}

fn busy(name: &str) -> Card {
    Card {
        uuid: format!("GPU-{name}"),
        memory_used: 3 * GIB,
        gpu_utilization: 71,
        memory_utilization: 38,
        temperature: 66,
        power: 287_500,
        processes: vec![process(7, "/usr/bin/python3")],
        ..Card::new(name, 48 * GIB)
    }
}

fn of_busy(index: u32, name: &str) -> GpuSample {
    GpuSample {
        index,
        name: Some(name.into()),
        uuid: Some(format!("GPU-{name}")),
        lost: false,
        memory: Some(Memory {
            total: 48 * GIB,
            used: 3 * GIB,
            free: 45 * GIB,
        }),
        utilization: Some(Utilization {
            gpu_percent: 71,
            memory_percent: 38,
        }),
        temperature_celsius: Some(66),
        power_watts: Some(287.5),
        processes: Some(vec![GpuProcess {
            pid: 7,
            name: Some("/usr/bin/python3".into()),
            used_memory: Some(GIB),
            own: false,
        }]),
    }
}

fn lost(index: u32, name: &str) -> GpuSample {
    GpuSample {
        index,
        name: Some(name.into()),
        uuid: Some(format!("GPU-{name}")),
        lost: true,
        ..GpuSample::default()
    }
}

fn losing(card: Card, after: u64) -> Card {
    Card {
        lost_after: Some(after),
        ..card
    }
}

/// Reads until the first card is lost, and before that nothing but `whole`.
fn read_until_lost(sampler: &mut GpuSampler, whole: &[GpuSample]) -> Vec<GpuSample> {
    for _ in 0..100 {
        let samples = sampler.read();
        if samples[0].lost {
            return samples;
        }
        assert_eq!(samples, whole);
    }
    panic!("the card is never lost");
}

#[test]
fn a_card_is_read_in_full_and_again() {
    let machine = Machine::new(vec![busy("a"), busy("b")]);
    let mut sampler = machine.sampler();
    for _ in 0..3 {
        assert_eq!(sampler.read(), [of_busy(0, "a"), of_busy(1, "b")]);
    }
}

#[test]
fn what_a_card_does_not_give_is_none_and_the_rest_stays() {
    type Without = fn(&mut GpuSample);
    let calls: [(&str, Without); 7] = [
        ("nvmlDeviceGetName", |sample| sample.name = None),
        ("nvmlDeviceGetUUID", |sample| sample.uuid = None),
        ("nvmlDeviceGetMemoryInfo_v2", |sample| sample.memory = None),
        ("nvmlDeviceGetUtilizationRates", |sample| {
            sample.utilization = None;
        }),
        ("nvmlDeviceGetTemperature", |sample| {
            sample.temperature_celsius = None;
        }),
        ("nvmlDeviceGetPowerUsage", |sample| {
            sample.power_watts = None;
        }),
        ("nvmlDeviceGetComputeRunningProcesses_v3", |sample| {
            sample.processes = None;
        }),
    ];
    for (call, without) in calls {
        for code in [code::NOT_SUPPORTED, code::NO_PERMISSION, code::UNKNOWN] {
            let mut expected = of_busy(0, "a");
            without(&mut expected);
            let card = Card {
                fails: [(call.into(), code)].into(),
                ..busy("a")
            };
            assert_eq!(sample_one(card), expected, "{call} fails with {code}");
        }
    }
}

#[test]
fn a_card_in_mig_mode_gives_no_utilization() {
    let sample = sample_one(Card {
        mig: Mig::Enabled(vec![MigInstance::new("3g.20gb", "MIG-1", 20 * GIB)]),
        fails: [("nvmlDeviceGetUtilizationRates".into(), code::NOT_SUPPORTED)].into(),
        ..busy("a")
    });
    let expected = GpuSample {
        utilization: None,
        ..of_busy(0, "a")
    };
    assert_eq!(sample, expected);
}

#[test]
fn a_card_that_may_not_be_opened_is_not_lost() {
    let sample = sample_one(Card {
        fails: [("nvmlDeviceGetHandleByIndex_v2".into(), code::NO_PERMISSION)].into(),
        ..busy("a")
    });
    assert_eq!(sample, GpuSample::default());
}

#[test]
fn own_processes_are_marked() {
    let program = std::env::current_exe().unwrap();
    let program = program.file_name().unwrap().to_str().unwrap();
    let sample = sample_one(Card {
        processes: vec![
            Process {
                name: None,
                ..process(std::process::id(), "")
            },
            // The same program in another place, as one that was built anew.
            process(1, &format!("/elsewhere/{program}")),
            process(2, &format!("/elsewhere/{program}/python3")),
            Process {
                name: None,
                used_memory: None,
                ..process(3, "")
            },
        ],
        ..busy("a")
    });
    let own = |process: &GpuProcess| process.own.then_some(process.pid);
    let mut marked: Vec<_> = sample.processes.iter().flatten().filter_map(own).collect();
    marked.sort_unstable();
    assert_eq!(marked, [1, std::process::id()]);
    assert_eq!(sample.own_memory(), Some(2 * GIB));
    assert_eq!(sample.own_processes().map(Iterator::count), Some(2));
}

#[test]
fn own_memory_is_never_a_guess() {
    let own = process(std::process::id(), "test");
    let with = |processes| {
        sample_one(Card {
            processes,
            ..busy("a")
        })
    };
    assert_eq!(with(vec![]).own_memory(), None);
    assert_eq!(with(vec![process(3, "other")]).own_memory(), None);
    assert_eq!(with(vec![own.clone()]).own_memory(), Some(GIB));
    let unaccounted = Process {
        used_memory: None,
        ..own
    };
    assert_eq!(with(vec![unaccounted]).own_memory(), None);
    assert_eq!(GpuSample::default().own_memory(), None);
}

#[test]
fn a_card_lost_at_any_call_is_lost_whole_and_comes_back() {
    // Opening takes three calls, a reading nine.
    for after in 3..16 {
        let machine = Machine::new(vec![losing(busy("a"), after), busy("b")]);
        let mut sampler = machine.sampler();
        machine.change(&Cards::new(vec![losing(busy("a"), 0), busy("b")]));
        let whole = [of_busy(0, "a"), of_busy(1, "b")];
        let at_loss = read_until_lost(&mut sampler, &whole);
        assert_eq!(at_loss, [lost(0, "a"), of_busy(1, "b")], "after {after}");
        // The other goes on, however long it takes.
        for _ in 0..3 {
            assert_eq!(sampler.read(), [lost(0, "a"), of_busy(1, "b")]);
        }
        machine.change(&Cards::new(vec![busy("a"), busy("b")]));
        for _ in 0..3 {
            assert_eq!(sampler.read(), whole);
        }
    }
}

#[test]
fn a_card_lost_before_the_start_is_known_once_it_is_back() {
    let machine = Machine::new(vec![busy("a"), losing(busy("b"), 0)]);
    let mut sampler = machine.sampler();
    let unknown = GpuSample {
        index: 1,
        lost: true,
        ..GpuSample::default()
    };
    assert_eq!(sampler.read(), [of_busy(0, "a"), unknown]);
    machine.change(&Cards::new(vec![busy("a"), busy("b")]));
    assert_eq!(sampler.read(), [of_busy(0, "a"), of_busy(1, "b")]);
}

#[test]
fn a_card_keeps_its_index_when_the_driver_counts_anew() {
    let machine = Machine::new(vec![losing(busy("a"), 4), busy("b"), busy("c")]);
    let mut sampler = machine.sampler();
    machine.change(&Cards::new(vec![busy("c"), busy("b")]));
    let [a, b, c] = [of_busy(0, "a"), of_busy(1, "b"), of_busy(2, "c")];
    read_until_lost(&mut sampler, &[a, b.clone(), c.clone()]);
    assert_eq!(sampler.read(), [lost(0, "a"), b, c]);
}

#[test]
fn a_card_that_must_be_reset_is_lost() {
    let sample = sample_one(Card {
        fails: [("nvmlDeviceGetMemoryInfo_v2".into(), code::RESET_REQUIRED)].into(),
        ..busy("a")
    });
    assert_eq!(sample, lost(0, "a"));
}

#[test]
fn a_driver_that_goes_takes_all_cards_until_it_is_back() {
    let machine = Machine::new(vec![losing(busy("a"), 4), busy("b")]);
    let mut sampler = machine.sampler();
    assert_eq!(sampler.read(), [lost(0, "a"), of_busy(1, "b")]);
    let healthy = Cards::new(vec![busy("a"), busy("b")]);
    for (call, code) in [
        ("nvmlInit_v2", code::DRIVER_NOT_LOADED),
        ("nvmlDeviceGetCount_v2", code::UNKNOWN),
    ] {
        machine.change(&Cards {
            fails: [(call.into(), code)].into(),
            ..healthy.clone()
        });
        assert_eq!(sampler.read(), [lost(0, "a"), lost(1, "b")], "{call}");
    }
    machine.change(&healthy);
    assert_eq!(sampler.read(), [of_busy(0, "a"), of_busy(1, "b")]);
}

#[test]
fn only_the_cards_that_were_asked_for() {
    let machine = Machine::new(vec![busy("a"), busy("b"), busy("c")]);
    for (asked, expected) in [
        (&[1][..], vec![of_busy(1, "b")]),
        (&[2, 0, 2], vec![of_busy(0, "a"), of_busy(2, "c")]),
    ] {
        assert_eq!(machine.open(asked).unwrap().read(), expected, "{asked:?}");
    }
}

#[test]
fn what_cannot_be_watched_is_an_error() {
    let fails = |cards: &Cards, indices: &[u32]| {
        let machine = Machine::new(vec![]);
        machine.change(cards);
        machine.open(indices).err().expect("no sampler")
    };
    let failing = |call: &str, code| Cards {
        fails: [(call.into(), code)].into(),
        ..Cards::new(vec![busy("a")])
    };
    assert_eq!(
        fails(&failing("nvmlInit_v2", code::DRIVER_NOT_LOADED), &[]),
        SamplerError::NoDriver {
            reason: "NVIDIA driver is not loaded".into()
        }
    );
    assert_eq!(
        fails(&failing("nvmlDeviceGetCount_v2", code::UNKNOWN), &[]),
        SamplerError::GpusUnreadable {
            reason: "an internal driver error occurred".into()
        }
    );
    assert_eq!(fails(&Cards::new(vec![]), &[]), SamplerError::NoGpu);
    assert_eq!(
        fails(&Cards::new(vec![busy("a"), losing(busy("b"), 0)]), &[0, 2]).to_string(),
        "there is no GPU 2; the GPUs here are: 0: a, 1: unknown"
    );
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("missing.so");
    let error = GpuSampler::open(Some(&missing), &[]).err();
    assert!(
        matches!(
            &error,
            Some(SamplerError::Library(ProbeError::LibraryUnusable { path, .. })) if *path == missing
        ),
        "{error:?}"
    );
}

#[test]
fn json_has_null_where_there_is_no_value() {
    let json = serde_json::to_value(lost(1, "a")).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "index": 1,
            "name": "a",
            "uuid": "GPU-a",
            "lost": true,
            "memory": null,
            "utilization": null,
            "temperature_celsius": null,
            "power_watts": null,
            "processes": null,
        })
    );
    let json = serde_json::to_value(of_busy(0, "a")).unwrap();
    assert_eq!(json["memory"]["used"], 3 * GIB);
    assert_eq!(json["processes"][0]["own"], false);
}

#[test]
fn a_sampler_can_move_to_a_thread_of_its_own() {
    let machine = Machine::new(vec![busy("a")]);
    let mut sampler = machine.sampler();
    let samples = std::thread::spawn(move || sampler.read()).join().unwrap();
    assert_eq!(samples, [of_busy(0, "a")]);
}
