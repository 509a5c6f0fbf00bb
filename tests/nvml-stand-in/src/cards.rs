use std::collections::BTreeMap;

/// Bytes of one GiB.
pub const GIB: u64 = 1 << 30;

/// The NVML return codes that tests use.
pub mod code {
    /// The card or the call is not supported.
    pub const NOT_SUPPORTED: u32 = 3;
    /// The caller may not.
    pub const NO_PERMISSION: u32 = 4;
    /// There is no such process, or no MIG instance in this slot.
    pub const NOT_FOUND: u32 = 6;
    /// `nvmlInit` found no driver.
    pub const DRIVER_NOT_LOADED: u32 = 9;
    /// The driver has no such call.
    pub const FUNCTION_NOT_FOUND: u32 = 13;
    /// The card fell off the bus.
    pub const GPU_IS_LOST: u32 = 15;
    /// The card must be reset.
    pub const RESET_REQUIRED: u32 = 16;
    /// Anything else.
    pub const UNKNOWN: u32 = 999;

    pub(crate) const SUCCESS: u32 = 0;
    pub(crate) const UNINITIALIZED: u32 = 1;
    pub(crate) const INVALID_ARGUMENT: u32 = 2;
    pub(crate) const INSUFFICIENT_SIZE: u32 = 7;
    pub(crate) const ARGUMENT_VERSION_MISMATCH: u32 = 25;
}

/// A machine with NVIDIA driver, as a test wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cards {
    /// Driver version.
    pub driver_version: String,
    /// CUDA version, 12040 for 12.4.
    pub cuda_version: i32,
    /// The cards, by index.
    pub cards: Vec<Card>,
    /// Calls that belong to no card and fail: C name, and the code it returns.
    pub fails: BTreeMap<String, u32>,
}

/// One card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// Product name.
    pub name: String,
    /// Identifier.
    pub uuid: String,
    /// Bytes.
    pub memory_total: u64,
    /// Bytes.
    pub memory_used: u64,
    /// CUDA compute capability, major and minor.
    pub compute_capability: (i32, i32),
    /// Percent.
    pub gpu_utilization: u32,
    /// Percent.
    pub memory_utilization: u32,
    /// Degrees Celsius.
    pub temperature: u32,
    /// Milliwatts.
    pub power: u32,
    /// Milliwatts.
    pub power_limit: u32,
    /// Split into instances or not.
    pub mig: Mig,
    /// Processes on the card.
    pub processes: Vec<Process>,
    /// Calls that fail on this card: C name, and the code it returns.
    pub fails: BTreeMap<String, u32>,
    /// Calls that this card answers after `nvmlInit` before it falls off the bus, to be back at the next one for as many;
    /// `None` for a card that stays.
    pub lost_after: Option<u64>,
}

/// MIG state of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mig {
    /// The card has no MIG.
    Unsupported,
    /// It has, and is used whole.
    Disabled,
    /// The instances, by slot. One that fails `nvmlDeviceGetMigDeviceHandleByIndex` with [`code::NOT_FOUND`] is an empty
    /// slot.
    Enabled(Vec<MigInstance>),
}

/// One MIG instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigInstance {
    /// Name with profile.
    pub name: String,
    /// Identifier.
    pub uuid: String,
    /// Ids of the GPU instance and the compute instance, for names of the form `MIG-GPU-<uuid of the card>/1/0`.
    pub ids: (u32, u32),
    /// Bytes.
    pub memory_total: u64,
    /// Bytes.
    pub memory_used: u64,
    /// Calls that fail on this instance: C name, and the code it returns.
    pub fails: BTreeMap<String, u32>,
}

/// A process on a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Program; `None` where the driver does not tell.
    pub name: Option<String>,
    /// Bytes; `None` where the driver does not account by process.
    pub used_memory: Option<u64>,
    /// Has a compute context.
    pub compute: bool,
    /// Has a graphics context.
    pub graphics: bool,
}

impl Card {
    /// A card of `memory_total` bytes that works, idles and has no MIG. [`Cards::new`] gives it a UUID.
    pub fn new(name: &str, memory_total: u64) -> Self {
        Self {
            name: name.into(),
            uuid: String::new(),
            memory_total,
            memory_used: 0,
            compute_capability: (8, 9),
            gpu_utilization: 0,
            memory_utilization: 0,
            temperature: 40,
            power: 30_000,
            power_limit: 450_000,
            mig: Mig::Unsupported,
            processes: Vec::new(),
            fails: BTreeMap::new(),
            lost_after: None,
        }
    }
}

impl MigInstance {
    /// An instance of `memory_total` bytes that works and idles.
    pub fn new(name: &str, uuid: &str, memory_total: u64) -> Self {
        Self {
            name: name.into(),
            uuid: uuid.into(),
            ids: (0, 0),
            memory_total,
            memory_used: 0,
            fails: BTreeMap::new(),
        }
    }
}

impl Cards {
    /// A machine with these cards, whose calls all work. A card without UUID gets one by its index.
    pub fn new(mut cards: Vec<Card>) -> Self {
        for (index, card) in cards.iter_mut().enumerate() {
            if card.uuid.is_empty() {
                card.uuid = format!("GPU-00000000-0000-0000-0000-{index:012}");
            }
        }
        Self {
            driver_version: "580.82.07".into(),
            cuda_version: 13_000,
            cards,
            fails: BTreeMap::new(),
        }
    }
}
