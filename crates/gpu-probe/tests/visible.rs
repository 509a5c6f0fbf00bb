//! Which cards `CUDA_VISIBLE_DEVICES` and `CUDA_DEVICE_ORDER` leave to a process, and which of them is picked.
//!
//! One file because it is CUDA's rules of visibility, read from top to bottom.

use gpu_probe::{
    ChooseError, CudaDevice, CudaEnvironment, DeviceRequest, Driver, Gpu, Inventory, Mig,
    choose_device, choose_preset, probe,
};
use nvml_stand_in::{Card, Cards, GIB, MigInstance, Process, code};
use tempfile::TempDir;

/// UUIDs of the cards of [`four`].
const UUIDS: [&str; 4] = [
    "GPU-9e8d35e3-a134-0fdd-0e01-23811fdbd293",
    "GPU-e429a63e-c61c-4795-b757-5132caeb8e70",
    "GPU-e4e1dfbc-0a0f-6ad8-5ff6-dc942a8b9d98",
    "GPU-bbcd6503-5150-4e92-c266-97cc4390d04e",
];

fn four() -> Vec<Card> {
    let card = |uuid: &str| Card {
        uuid: uuid.into(),
        ..Card::new("NVIDIA Test Card", 24 * GIB)
    };
    UUIDS.iter().map(|uuid| card(uuid)).collect()
}

fn environment(visible_devices: Option<&str>) -> CudaEnvironment {
    CudaEnvironment {
        visible_devices: visible_devices.map(str::to_owned),
        device_order: Some("PCI_BUS_ID".into()),
    }
}

fn inventory(cards: Vec<Card>, environment: &CudaEnvironment) -> Inventory {
    let folder = TempDir::new().unwrap();
    let library = Cards::new(cards).install(folder.path()).unwrap();
    probe(Some(&library), environment).unwrap()
}

fn gpus(inventory: &Inventory) -> (&[Gpu], Option<&str>) {
    match &inventory.driver {
        Driver::Present {
            gpus, visibility, ..
        } => (gpus.as_result().unwrap(), visibility.ignored.as_deref()),
        Driver::Absent { reason } => panic!("{reason}"),
    }
}

/// `ordinals`: the indices of the cards that are left, by CUDA's ordinal.
#[track_caller]
fn check(list: Option<&str>, ordinals: &[u32], ignored: Option<&str>) {
    let inventory = inventory(four(), &environment(list));
    let (gpus, why) = gpus(&inventory);
    let mut found: Vec<_> = gpus
        .iter()
        .filter_map(|gpu| Some((gpu.cuda_ordinal?, gpu.index)))
        .collect();
    found.sort_unstable();
    let expected: Vec<_> = (0..).zip(ordinals.iter().copied()).collect();
    assert_eq!(found, expected, "{list:?}");
    for gpu in gpus {
        assert_eq!(gpu.visible, ordinals.contains(&gpu.index), "{list:?}");
    }
    match ignored {
        None => assert_eq!(why, None, "{list:?}"),
        Some(words) => assert!(why.is_some_and(|why| why.contains(words)), "{why:?}"),
    }
}

#[test]
fn numbers() {
    check(None, &[0, 1, 2, 3], None);
    check(Some("2"), &[2], None);
    check(Some("3,1"), &[3, 1], None);
    check(Some("3, 1 ,0"), &[3, 1, 0], None);
    check(Some(" 1\t"), &[1], None);
    check(Some("+2,-0"), &[2, 0], None);
    check(Some("02"), &[2], None);
    // As CUDA's own reader of numbers, which stops at the first other letter.
    check(Some("1gpu2,2ampere"), &[1, 2], None);
}

#[test]
fn the_first_invalid_entry_ends_the_list() {
    check(Some("0,2,-1,1"), &[0, 2], Some("\"-1\""));
    check(Some("0,4,1"), &[0], Some("\"4\" names no GPU"));
    check(Some("7"), &[], Some("\"7\" names no GPU"));
    check(Some("3,two,1"), &[3], Some("\"two\""));
    check(Some("one,2"), &[], Some("\"one\""));
    check(Some("1,,2"), &[1], Some("\"\""));
    check(Some("1,"), &[1], Some("\"\""));
    check(Some(",1"), &[], Some("\"\""));
    check(Some("99999999999999999999,0"), &[], Some("names no GPU"));
    check(Some("1,GPU-9e8d35e3"), &[1], Some("GPU-9e8d35e3"));
    check(Some("GPU-9e8d35e3,1"), &[0], Some("\"1\""));
    check(Some("1;2"), &[1], None);
}

#[test]
fn nothing_is_left_where_that_is_asked_for() {
    for list in ["", "  ", "-1", "-1,0", "-2", "NoDevFiles"] {
        check(Some(list), &[], None);
    }
}

#[test]
fn a_card_that_is_listed_twice_leaves_none() {
    check(Some("0,1,0"), &[], Some("a second time"));
    check(Some("1,01"), &[], Some("a second time"));
    check(Some("GPU-9e8d,GPU-9e8d35e3"), &[], Some("a second time"));
    check(Some("0,-1,0"), &[0], Some("\"-1\""));
}

#[test]
fn uuids_and_their_beginnings() {
    check(Some(UUIDS[2]), &[2], None);
    check(Some("GPU-e429"), &[1], None);
    check(Some("GPU-b,GPU-9"), &[3, 0], None);
    check(Some("GPU-b, GPU-9"), &[3, 0], None);
    check(Some("GPU-9,GPU-e4,GPU-b"), &[0], Some("more than one"));
    check(Some("GPU-9,GPU-0,GPU-b"), &[0], Some("of no UUID"));
    check(Some("GPU-"), &[], Some("more than one"));
    check(Some("gpu-9"), &[], Some("neither"));
    check(
        Some("GPU-9e8d35e3-a134-0fdd-0e01-23811fdbd2930"),
        &[],
        Some("of no UUID"),
    );
}

/// A card in MIG mode with instances of 10 and 20 GiB, and one without.
fn with_mig() -> Vec<Card> {
    let instance = |uuid: &str, gib, ids| MigInstance {
        ids,
        ..MigInstance::new("NVIDIA A100 MIG", uuid, gib * GIB)
    };
    let split = Card {
        uuid: "GPU-11111111-0000".into(),
        mig: nvml_stand_in::Mig::Enabled(vec![
            instance("MIG-aaaa-1", 10, (3, 0)),
            instance("MIG-aabb-2", 20, (1, 0)),
        ]),
        ..Card::new("NVIDIA A100", 40 * GIB)
    };
    let whole = Card {
        uuid: "GPU-22222222-0000".into(),
        mig: nvml_stand_in::Mig::Disabled,
        ..Card::new("NVIDIA A100", 40 * GIB)
    };
    vec![split, whole]
}

/// `shown`: what CUDA shows at once, as card and instance. `usable`: all that the process may use.
#[track_caller]
fn check_mig(list: Option<&str>, shown: Option<(u32, Option<u32>)>, usable: &[(u32, Option<u32>)]) {
    let inventory = inventory(with_mig(), &environment(list));
    let (gpus, _) = gpus(&inventory);
    let mut found_usable = Vec::new();
    let mut found_shown = Vec::new();
    for gpu in gpus {
        let places = match gpu.mig.as_result().unwrap() {
            Mig::Enabled { instances } => instances
                .as_result()
                .unwrap()
                .iter()
                .map(|one| (one.visible, one.cuda_ordinal, Some(one.index)))
                .collect(),
            _ => vec![(gpu.visible, gpu.cuda_ordinal, None)],
        };
        for (visible, ordinal, slot) in places {
            found_usable.extend(visible.then_some((gpu.index, slot)));
            found_shown.extend(ordinal.map(|ordinal| (ordinal, (gpu.index, slot))));
        }
    }
    let shown: Vec<_> = shown.into_iter().map(|place| (0, place)).collect();
    assert_eq!(found_shown, shown, "{list:?}");
    assert_eq!(found_usable, usable, "{list:?}");
}

#[test]
fn a_process_is_shown_one_mig_instance() {
    let (first, second, card) = ((0, Some(0)), (0, Some(1)), (1, None));
    check_mig(None, Some(first), &[first, second, card]);
    check_mig(Some("0"), Some(first), &[first, second]);
    check_mig(Some("1"), Some(card), &[card]);
    check_mig(Some("1,0"), Some(first), &[first, second, card]);
    check_mig(Some("GPU-1111"), Some(first), &[first, second]);
    check_mig(Some("MIG-aabb-2"), Some(second), &[second]);
    check_mig(Some("MIG-aab"), Some(second), &[second]);
    check_mig(
        Some("MIG-aabb-2,MIG-aaaa-1"),
        Some(second),
        &[first, second],
    );
    check_mig(Some("MIG-aa"), None, &[]);
    check_mig(Some("MIG-cccc"), None, &[]);
    // The names that drivers before 470 give: UUID of the card, GPU instance, compute instance.
    check_mig(Some("MIG-GPU-11111111-0000/1/0"), Some(second), &[second]);
    check_mig(Some("MIG-GPU-11111111-0000/3/0"), Some(first), &[first]);
    check_mig(Some("MIG-GPU-11111111-0000/7/0"), None, &[]);
    check_mig(Some("MIG-GPU-22222222-0000/1/0"), None, &[]);
}

/// The device that is picked: ordinal, card, instance, and the variables that it takes.
#[track_caller]
fn picked(
    cards: Vec<Card>,
    environment: &CudaEnvironment,
    ordinal: Option<u32>,
) -> (CudaDevice, String) {
    choose_device(&inventory(cards, environment), ordinal).unwrap()
}

fn variables(device: &CudaDevice) -> Vec<(&str, &str)> {
    let pairs = device.environment.iter();
    pairs.map(|(name, value)| (&**name, &**value)).collect()
}

#[test]
fn the_pick_is_reached_by_what_cuda_shows() {
    let sizes = |sizes: &[u64]| {
        let cards = (0..).zip(sizes);
        let card = |(index, gib): (u32, &u64)| Card::new(&format!("card {index}"), gib * GIB);
        cards.map(card).collect::<Vec<_>>()
    };
    let place = |(device, _): (CudaDevice, String)| (device.ordinal, device.gpu);
    let pick = |list: Option<&str>| place(picked(sizes(&[48, 16, 24]), &environment(list), None));
    assert_eq!(pick(None), (0, 0));
    assert_eq!(pick(Some("1,2")), (1, 2));
    assert_eq!(pick(Some("2,1")), (0, 2));
    assert_eq!(pick(Some("1")), (0, 1));
    let asked = |list, ordinal| {
        place(picked(
            sizes(&[48, 16, 24]),
            &environment(list),
            Some(ordinal),
        ))
    };
    assert_eq!(asked(None, 1), (1, 1));
    assert_eq!(asked(Some("2,1"), 1), (1, 1));
    assert_eq!(asked(Some("2,1"), 0), (0, 2));
}

#[test]
fn among_equal_cards_the_freest() {
    let card = |gib: u64, used: u64| Card {
        memory_used: used * GIB,
        ..Card::new("NVIDIA Test Card", gib * GIB)
    };
    let pick = |cards: Vec<Card>| {
        let (device, reason) = picked(cards, &environment(None), None);
        (device.gpu, reason)
    };
    let (gpu, reason) = pick(vec![card(24, 9), card(24, 1), card(24, 2), card(16, 0)]);
    assert_eq!(gpu, 1);
    assert_eq!(
        reason,
        "NVIDIA Test Card (GPU 1) has 24.0 GiB, 23.0 GiB of them free, the most of 3 equal GPUs"
    );
    assert_eq!(pick(vec![card(24, 0), card(24, 0)]).0, 0);
    // Of equally free ones the first in the list.
    let (device, _) = picked(
        vec![card(24, 0), card(24, 0), card(24, 0)],
        &environment(Some("2,1")),
        None,
    );
    assert_eq!((device.ordinal, device.gpu), (0, 2));
    // A larger card goes first, unless most of it is taken.
    assert_eq!(pick(vec![card(24, 0), card(48, 20)]).0, 1);
    let (gpu, reason) = pick(vec![card(24, 0), card(48, 30)]);
    assert_eq!(gpu, 0);
    assert!(
        reason.contains("GPU 1 is larger, but 30.0 GiB of its 48.0 GiB are in use"),
        "{reason}"
    );
    assert_eq!(pick(vec![card(24, 23), card(48, 47)]).0, 1);
}

#[test]
fn the_largest_mig_instance_is_reached_by_its_uuid() {
    let (device, reason) = picked(with_mig(), &environment(Some("0")), None);
    assert_eq!(
        (device.ordinal, device.gpu, device.instance),
        (0, 0, Some(1))
    );
    assert_eq!(device.memory.total, 20 * GIB);
    assert_eq!(device.uuid.as_deref(), Some("MIG-aabb-2"));
    assert_eq!(variables(&device), [("CUDA_VISIBLE_DEVICES", "MIG-aabb-2")]);
    assert!(reason.contains("20.0 GiB in MIG instance 1"), "{reason}");

    // A process that was started with it needs nothing more.
    let (device, _) = picked(with_mig(), &environment(Some("MIG-aabb-2")), None);
    assert_eq!((device.instance, device.environment), (Some(1), vec![]));
    // A card that CUDA leaves out beside a MIG instance.
    let (device, _) = picked(with_mig(), &environment(None), None);
    assert_eq!((device.gpu, device.instance), (1, None));
    assert_eq!(
        variables(&device),
        [("CUDA_VISIBLE_DEVICES", "GPU-22222222-0000")]
    );
    // Who names the device gets what CUDA numbers so.
    let (device, _) = picked(with_mig(), &environment(None), Some(0));
    assert_eq!((device.instance, device.environment), (Some(0), vec![]));
}

#[test]
fn cards_are_numbered_by_bus() {
    let unlike = || vec![Card::new("a", 24 * GIB), Card::new("b", 24 * GIB)];
    let with = |order: Option<&str>, list: Option<&str>| CudaEnvironment {
        visible_devices: list.map(str::to_owned),
        device_order: order.map(str::to_owned),
    };
    let by_bus = [("CUDA_DEVICE_ORDER", "PCI_BUS_ID")];
    let (device, reason) = picked(unlike(), &with(None, None), None);
    assert_eq!(variables(&device), by_bus);
    assert!(!reason.contains("by bus"), "{reason}");
    for (list, ordinal) in [(None, Some(1)), (Some("1"), None)] {
        let (device, reason) = picked(unlike(), &with(None, list), ordinal);
        assert_eq!((device.gpu, variables(&device)), (1, by_bus.to_vec()));
        assert!(reason.contains("numbered by bus"), "{reason}");
        // Who has CUDA number them otherwise means another card.
        let error = choose_device(
            &inventory(unlike(), &with(Some("FASTEST_FIRST"), list)),
            ordinal,
        );
        let error = error.unwrap_err();
        assert!(matches!(error, ChooseError::UnknownOrder { .. }), "{error}");
        assert!(error.hint().contains("PCI_BUS_ID"), "{}", error.hint());
    }
    let uuid = "GPU-00000000-0000-0000-0000-000000000001";
    for order in [None, Some("FASTEST_FIRST")] {
        let (device, _) = picked(unlike(), &with(order, Some(uuid)), None);
        assert_eq!((device.gpu, device.environment), (1, vec![]));
    }
    let one = vec![Card::new("a", 24 * GIB)];
    assert_eq!(picked(one, &with(None, None), None).0.environment, []);
}

#[test]
fn a_hidden_card_cannot_be_asked_for() {
    let error = |list: Option<&str>, ordinal| {
        choose_device(&inventory(four(), &environment(list)), ordinal).unwrap_err()
    };
    let hidden = error(Some("2"), Some(1));
    assert_eq!(
        hidden.to_string(),
        "there is no cuda:1 for this process: CUDA_VISIBLE_DEVICES=\"2\" leaves cuda:0 = GPU 2 (NVIDIA Test Card)"
    );
    assert!(hidden.hint().contains("aoa probe"), "{}", hidden.hint());
    let missing = error(None, Some(4));
    assert!(
        matches!(missing, ChooseError::NoSuchGpu { .. }),
        "{missing}"
    );
    let all = error(Some("7"), Some(0));
    assert!(
        all.to_string().starts_with(
            "CUDA_VISIBLE_DEVICES=\"7\" hides every GPU from this process, 4 in all: entry \"7\" names no GPU"
        ),
        "{all}"
    );
}

#[test]
fn the_cpu_only_where_hiding_all_cards_is_meant() {
    let candidates =
        [("cpu", None), ("24gb", Some(22 * GIB))].map(|(name, memory)| gpu_probe::Candidate {
            name: name.into(),
            min_device_memory: memory,
        });
    let choose = |list, request| {
        choose_preset(
            &inventory(four(), &environment(Some(list))),
            &candidates,
            request,
        )
    };
    for list in ["", "-1"] {
        let choice = choose(list, None).unwrap();
        assert_eq!((&*choice.preset, choice.device), ("cpu", None));
        assert!(
            choice
                .reason
                .contains("hides every GPU from this process, 4 in all"),
            "{}",
            choice.reason
        );
        choose(list, Some(DeviceRequest::Cuda(None))).unwrap_err();
    }
    for list in ["7", "0,0", "GPU-0"] {
        assert!(matches!(
            choose(list, None),
            Err(ChooseError::AllHidden {
                ignored: Some(_),
                ..
            })
        ));
    }
}

#[test]
fn holders_are_named() {
    let process = |pid, name: Option<&str>, used_memory| Process {
        pid,
        name: name.map(str::to_owned),
        used_memory,
        compute: true,
        graphics: false,
    };
    let card = |processes| Card {
        memory_used: 10 * GIB,
        processes,
        ..Card::new("NVIDIA Test Card", 24 * GIB)
    };
    let pick = |processes| picked(vec![card(processes)], &environment(None), None).0;
    let device = pick(vec![
        process(7, None, None),
        process(77, Some("/usr/bin/python3"), Some(9 * GIB)),
        process(78, Some("Xorg"), Some(GIB / 2)),
    ]);
    assert_eq!(device.held_bytes(), 10 * GIB);
    assert_eq!(
        device.holders(),
        "python3 (pid 77) 9.0 GiB, Xorg (pid 78) 512.0 MiB, a process (pid 7)"
    );
    assert_eq!(pick(vec![]).holders(), "the driver names no process");
}

#[test]
fn what_cannot_be_read_is_not_picked() {
    let no_uuid = MigInstance {
        fails: [("nvmlDeviceGetUUID".into(), code::UNKNOWN)].into(),
        ..MigInstance::new("NVIDIA A100 MIG", "MIG-b", 20 * GIB)
    };
    let card = Card {
        mig: nvml_stand_in::Mig::Enabled(vec![
            MigInstance::new("NVIDIA A100 MIG", "MIG-a", 10 * GIB),
            no_uuid,
        ]),
        ..Card::new("NVIDIA A100", 40 * GIB)
    };
    let (device, reason) = picked(vec![card], &environment(None), None);
    assert_eq!((device.instance, device.environment), (Some(0), vec![]));
    assert!(reason.contains("MIG instance 1: its UUID"), "{reason}");
}
