//! Which cards CUDA shows to this process, and how it numbers them.

use serde::Serialize;

use crate::{Gpu, Mig, MigInstance, Reading};

/// The environment variables that decide which cards CUDA shows. This crate reads no environment: it is given the values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CudaEnvironment {
    /// `CUDA_VISIBLE_DEVICES`; `None` where it is not set, which is something else than empty.
    pub visible_devices: Option<String>,
    /// `CUDA_DEVICE_ORDER`; `None` where it is not set.
    pub device_order: Option<String>,
}

/// The variable that lists the cards of a process.
pub(crate) const VISIBLE_DEVICES: &str = "CUDA_VISIBLE_DEVICES";
/// The variable that says how CUDA numbers cards.
pub(crate) const DEVICE_ORDER: &str = "CUDA_DEVICE_ORDER";
/// The value of [`DEVICE_ORDER`] with which CUDA numbers cards as NVML does.
pub(crate) const BY_BUS: &str = "PCI_BUS_ID";

/// Beginning of a card's UUID.
const GPU: &str = "GPU-";
/// Beginning of a MIG instance's UUID.
const MIG: &str = "MIG-";
/// Beginning of the older name of a MIG instance: UUID of the card, GPU instance, compute instance.
pub(crate) const MIG_BY_IDS: &str = "MIG-GPU-";
/// What SLURM writes for a job without GPU.
const NO_FILES: &str = "NoDevFiles";

/// What the environment makes of the list of cards.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Visibility {
    /// `CUDA_VISIBLE_DEVICES` as it is set; `None` where it is not.
    pub visible_devices: Option<String>,
    /// Why a part of the list has no effect; `None` where all of it has.
    pub ignored: Option<String>,
    /// `CUDA_DEVICE_ORDER` as it is set; `None` where it is not.
    pub device_order: Option<String>,
    /// Whether the list means to hide every card, as an empty one or `-1` does.
    #[serde(skip)]
    pub(crate) none_wanted: bool,
    /// Whether the list names cards by number.
    #[serde(skip)]
    pub(crate) by_number: bool,
}

impl Visibility {
    /// `CUDA_VISIBLE_DEVICES=1`, for a message.
    pub(crate) fn assignment(&self) -> String {
        let value = self.visible_devices.as_deref().unwrap_or_default();
        format!("{VISIBLE_DEVICES}=\"{value}\"")
    }

    /// Whether CUDA surely numbers cards by bus.
    pub(crate) fn by_bus(&self) -> bool {
        self.device_order.as_deref() == Some(BY_BUS)
    }
}

/// A card or one of its MIG instances, by places in the lists.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listed {
    Card(usize),
    Instance(usize, usize),
}

/// Notes on each card and MIG instance whether the environment leaves it to this process, and the ordinal that CUDA gives
/// it. `by_ids` gives the UUID of a MIG instance that is named by ids, as in `MIG-GPU-<uuid of the card>/1/0`.
///
/// The rules are those of the CUDA programming guide, "CUDA environment variables", and of the MIG user guide:
/// - The list holds numbers, UUIDs of cards or UUIDs of MIG instances; its first entry says which. The beginning of a UUID
///   does where only one has it.
/// - The first entry that names nothing ends the list.
/// - A card that is listed twice leaves none.
/// - A process gets one MIG instance, the first; and where there is one, no card without MIG.
pub(crate) fn mark(
    gpus: &mut [Gpu],
    environment: &CudaEnvironment,
    by_ids: &dyn Fn(&str) -> Option<String>,
) -> Visibility {
    let mut visibility = Visibility {
        visible_devices: environment.visible_devices.clone(),
        device_order: environment.device_order.clone(),
        ..Visibility::default()
    };
    let listed = match &environment.visible_devices {
        None => (0..gpus.len()).map(Listed::Card).collect(),
        Some(list) => listed(gpus, list, by_ids, &mut visibility),
    };
    for gpu in gpus.iter_mut() {
        hide(gpu);
    }
    for one in &listed {
        match *one {
            Listed::Card(card) => {
                gpus[card].visible = true;
                for instance in instances_mut(&mut gpus[card]) {
                    instance.visible = true;
                }
            }
            Listed::Instance(card, slot) => {
                gpus[card].visible = true;
                instances_mut(&mut gpus[card])[slot].visible = true;
            }
        }
    }
    number(gpus, &listed);
    visibility
}

fn hide(gpu: &mut Gpu) {
    gpu.visible = false;
    gpu.cuda_ordinal = None;
    for instance in instances_mut(gpu) {
        instance.visible = false;
        instance.cuda_ordinal = None;
    }
}

/// Gives the ordinals of CUDA, in the order of the list.
fn number(gpus: &mut [Gpu], listed: &[Listed]) {
    let first_instance = listed.iter().find_map(|one| match *one {
        Listed::Instance(card, slot) => Some((card, slot)),
        Listed::Card(card) => (!instances(&gpus[card]).is_empty()).then_some((card, 0)),
    });
    if let Some((card, slot)) = first_instance {
        instances_mut(&mut gpus[card])[slot].cuda_ordinal = Some(0);
        return;
    }
    let mut ordinal = 0;
    for one in listed {
        if let Listed::Card(card) = *one
            && !matches!(gpus[card].mig, Reading::Value(Mig::Enabled { .. }))
        {
            gpus[card].cuda_ordinal = Some(ordinal);
            ordinal += 1;
        }
    }
}

/// What the list names, in its order.
fn listed(
    gpus: &[Gpu],
    list: &str,
    by_ids: &dyn Fn(&str) -> Option<String>,
    visibility: &mut Visibility,
) -> Vec<Listed> {
    let list = list.trim();
    visibility.none_wanted =
        list.is_empty() || list == NO_FILES || leading_number(list).is_some_and(|one| one < 0);
    if visibility.none_wanted {
        return Vec::new();
    }
    let kind = [MIG, GPU].into_iter().find(|kind| list.starts_with(kind));
    visibility.by_number = kind.is_none();
    let mut found = Vec::new();
    for entry in list.split(',').map(str::trim) {
        let named = match kind {
            None => numbered(gpus, entry),
            Some(kind) if !entry.starts_with(kind) => Err(format!(
                "does not begin with {kind}, as the first entry does"
            )),
            Some(GPU) => card_with(gpus, entry),
            Some(_) => instance_with(gpus, entry, by_ids),
        };
        match named {
            Ok(one) if found.contains(&one) => {
                visibility.ignored = Some(format!(
                    "entry \"{entry}\" names a GPU a second time, and CUDA then shows none"
                ));
                return Vec::new();
            }
            Ok(one) => found.push(one),
            Err(why) => {
                visibility.ignored = Some(format!(
                    "entry \"{entry}\" {why}; CUDA ignores it and what follows"
                ));
                break;
            }
        }
    }
    found
}

/// The number that text begins with, as C's `strtol` reads it.
fn leading_number(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    let size = digits[..length].parse::<i64>();
    // More digits than a number has: no card in any case.
    let size = if length == 0 {
        None
    } else {
        Some(size.unwrap_or(i64::MAX))
    }?;
    Some(if text.starts_with('-') { -size } else { size })
}

fn numbered(gpus: &[Gpu], entry: &str) -> Result<Listed, String> {
    let number = leading_number(entry).ok_or("is neither a number nor a UUID")?;
    let place = usize::try_from(number)
        .ok()
        .filter(|place| *place < gpus.len());
    place
        .map(Listed::Card)
        .ok_or_else(|| format!("names no GPU: there are {}", gpus.len()))
}

fn card_with(gpus: &[Gpu], beginning: &str) -> Result<Listed, String> {
    let uuids = gpus
        .iter()
        .enumerate()
        .map(|(card, gpu)| (Listed::Card(card), &gpu.uuid));
    only_one(uuids, beginning)
}

fn instance_with(
    gpus: &[Gpu],
    name: &str,
    by_ids: &dyn Fn(&str) -> Option<String>,
) -> Result<Listed, String> {
    let all = || {
        gpus.iter().enumerate().flat_map(|(card, gpu)| {
            let instances = instances(gpu).iter().enumerate();
            instances.map(move |(slot, one)| (Listed::Instance(card, slot), &one.uuid))
        })
    };
    // Drivers before 470 give the older names as UUIDs.
    match only_one(all(), name) {
        Err(_) if name.starts_with(MIG_BY_IDS) => {
            let uuid = by_ids(name).ok_or("names no MIG instance")?;
            only_one(all(), &uuid)
        }
        found => found,
    }
}

/// The one whose UUID begins so.
fn only_one<'a>(
    uuids: impl Iterator<Item = (Listed, &'a Reading<String>)>,
    beginning: &str,
) -> Result<Listed, String> {
    let mut begins_so = uuids.filter(|(_, uuid)| {
        let uuid = uuid.as_result();
        uuid.is_ok_and(|uuid| uuid.starts_with(beginning))
    });
    match (begins_so.next(), begins_so.next()) {
        (Some((one, _)), None) => Ok(one),
        (Some(_), Some(_)) => Err("is the beginning of more than one UUID".into()),
        (None, _) => Err("is the beginning of no UUID here".into()),
    }
}

/// The MIG instances of a card, where it is in MIG mode and can list them.
pub(crate) fn instances(gpu: &Gpu) -> &[MigInstance] {
    match &gpu.mig {
        Reading::Value(Mig::Enabled {
            instances: Reading::Value(instances),
        }) => instances,
        _ => &[],
    }
}

fn instances_mut(gpu: &mut Gpu) -> &mut [MigInstance] {
    match &mut gpu.mig {
        Reading::Value(Mig::Enabled {
            instances: Reading::Value(instances),
        }) => instances,
        _ => &mut [],
    }
}
