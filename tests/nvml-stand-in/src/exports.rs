//! The C functions, named and shaped as in nvml.h: those that `gpu-probe` has nvml-wrapper call.

use std::ffi::{CStr, c_char, c_int, c_uint, c_ulonglong, c_void};
use std::slice;

use crate::cards::{Card, Mig, Process, code};
use crate::machine::{self, Answer, Handle, MIG_SLOTS};

type Device = *mut c_void;

/// `nvmlMemory_v2_t`.
#[repr(C)]
struct Memory {
    version: c_uint,
    total: c_ulonglong,
    reserved: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

/// `NVML_STRUCT_VERSION(Memory, 2)`: a caller says so which layout it means.
const MEMORY_VERSION: c_uint = 0x28 | (2 << 24);
const _: () = assert!(size_of::<Memory>() == 0x28);

/// `nvmlUtilization_t`.
#[repr(C)]
struct Utilization {
    gpu: c_uint,
    memory: c_uint,
}

/// `nvmlProcessInfo_t`, second layout.
#[repr(C)]
struct ProcessInfo {
    pid: c_uint,
    used_memory: c_ulonglong,
    gpu_instance: c_uint,
    compute_instance: c_uint,
}

/// In an instance id: the process is on a whole card.
const NO_INSTANCE: c_uint = c_uint::MAX;
/// In a size: not known.
const NOT_AVAILABLE: c_ulonglong = c_ulonglong::MAX;

/// Exports functions under their C names. What stands between the bars is bound to that name, as a string. The bodies
/// are unsafe code; as in C, each pointer is null or valid for what the function writes.
macro_rules! export {
    ($(fn $name:ident($($arg:ident: $type:ty),*) |$call:ident| $answer:expr;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($arg: $type),*) -> c_uint {
            let $call = stringify!($name);
            // SAFETY: what `put` and its kin ask of a pointer is what this function asks of its caller.
            to_code(unsafe { $answer })
        }
    )*};
}

#[unsafe(no_mangle)]
extern "C" fn nvmlInit_v2() -> c_uint {
    to_code(machine::init("nvmlInit_v2"))
}

#[unsafe(no_mangle)]
extern "C" fn nvmlShutdown() -> c_uint {
    to_code(machine::shut_down())
}

export! {
    fn nvmlSystemGetDriverVersion(text: *mut c_char, length: c_uint) |call|
        machine::system(call, |machine| put_text(text, length, &machine.driver_version));

    fn nvmlSystemGetCudaDriverVersion_v2(version: *mut c_int) |call|
        machine::system(call, |machine| put(version, machine.cuda_version));

    fn nvmlSystemGetProcessName(pid: c_uint, text: *mut c_char, length: c_uint) |call|
        machine::system(call, |machine| {
            let mut processes = machine.cards.iter().flat_map(|card| &card.processes);
            let process = processes.find(|process| process.pid == pid).ok_or(code::NOT_FOUND)?;
            put_text(text, length, process.name.as_deref().ok_or(code::NO_PERMISSION)?)
        });

    fn nvmlDeviceGetCount_v2(count: *mut c_uint) |call|
        machine::system(call, |machine| put(count, to_count(machine.cards.len())?));

    fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, device: *mut Device) |call| {
        let handle = Handle::of_card(index);
        machine::card(call, handle, |_| put(device, handle.0))
    };

    fn nvmlDeviceGetHandleByUUID(uuid: *const c_char, device: *mut Device) |call|
        text(uuid).and_then(|uuid| machine::by_uuid(call, uuid, |handle| put(device, handle.0)));

    fn nvmlDeviceGetName(device: Device, text: *mut c_char, length: c_uint) |call|
        machine::device(call, Handle(device), |card, instance| {
            put_text(text, length, instance.map_or(&card.name, |instance| &instance.name))
        });

    fn nvmlDeviceGetUUID(device: Device, text: *mut c_char, length: c_uint) |call|
        machine::device(call, Handle(device), |card, instance| {
            put_text(text, length, instance.map_or(&card.uuid, |instance| &instance.uuid))
        });

    fn nvmlDeviceGetMemoryInfo_v2(device: Device, memory: *mut Memory) |call|
        machine::device(call, Handle(device), |card, instance| {
            let (total, used) = match instance {
                None => (card.memory_total, card.memory_used),
                Some(instance) => (instance.memory_total, instance.memory_used),
            };
            put_memory(memory, total, used)
        });

    fn nvmlDeviceGetCudaComputeCapability(device: Device, major: *mut c_int, minor: *mut c_int) |call|
        machine::card(call, Handle(device), |card| {
            put(major, card.compute_capability.0)?;
            put(minor, card.compute_capability.1)
        });

    fn nvmlDeviceGetUtilizationRates(device: Device, rates: *mut Utilization) |call|
        machine::card(call, Handle(device), |card| {
            put(rates, Utilization { gpu: card.gpu_utilization, memory: card.memory_utilization })
        });

    fn nvmlDeviceGetTemperature(device: Device, _sensor: c_uint, celsius: *mut c_uint) |call|
        machine::card(call, Handle(device), |card| put(celsius, card.temperature));

    fn nvmlDeviceGetPowerUsage(device: Device, milliwatts: *mut c_uint) |call|
        machine::card(call, Handle(device), |card| put(milliwatts, card.power));

    fn nvmlDeviceGetEnforcedPowerLimit(device: Device, milliwatts: *mut c_uint) |call|
        machine::card(call, Handle(device), |card| put(milliwatts, card.power_limit));

    fn nvmlDeviceGetMigMode(device: Device, current: *mut c_uint, pending: *mut c_uint) |call|
        machine::card(call, Handle(device), |card| {
            let mode = match card.mig {
                Mig::Unsupported => return Err(code::NOT_SUPPORTED),
                Mig::Disabled => 0,
                Mig::Enabled(_) => 1,
            };
            put(current, mode)?;
            put(pending, mode)
        });

    fn nvmlDeviceGetMaxMigDeviceCount(device: Device, count: *mut c_uint) |call|
        machine::card(call, Handle(device), |_| put(count, MIG_SLOTS));

    fn nvmlDeviceGetMigDeviceHandleByIndex(device: Device, slot: c_uint, instance: *mut Device) |call| {
        let handle = Handle(device);
        machine::card(call, handle, |card| {
            if slot >= MIG_SLOTS {
                return Err(code::INVALID_ARGUMENT);
            }
            machine::instance(call, card, slot as usize)?;
            put(instance, handle.of_instance(slot).0)
        })
    };

    fn nvmlDeviceGetComputeRunningProcesses_v3(device: Device, count: *mut c_uint, list: *mut ProcessInfo) |call|
        machine::card(call, Handle(device), |card| {
            put_processes(card, |process| process.compute, count, list)
        });

    fn nvmlDeviceGetGraphicsRunningProcesses_v3(device: Device, count: *mut c_uint, list: *mut ProcessInfo) |call|
        machine::card(call, Handle(device), |card| {
            put_processes(card, |process| process.graphics, count, list)
        });
}

fn to_count(length: usize) -> Result<c_uint, u32> {
    c_uint::try_from(length).map_err(|_| code::UNKNOWN)
}

fn to_code(answer: Answer) -> c_uint {
    answer.err().unwrap_or(code::SUCCESS)
}

/// # Safety
///
/// `text` is null or a C string that outlives the call.
unsafe fn text<'a>(text: *const c_char) -> Result<&'a str, u32> {
    if text.is_null() {
        return Err(code::INVALID_ARGUMENT);
    }
    // SAFETY: not null, so a C string.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map_err(|_| code::INVALID_ARGUMENT)
}

/// # Safety
///
/// `target` is null or writable.
unsafe fn put<T>(target: *mut T, value: T) -> Answer {
    if target.is_null() {
        return Err(code::INVALID_ARGUMENT);
    }
    // SAFETY: not null, so writable.
    unsafe { target.write(value) };
    Ok(())
}

/// # Safety
///
/// `buffer` is null or writable for `length` bytes.
unsafe fn put_text(buffer: *mut c_char, length: c_uint, text: &str) -> Answer {
    if buffer.is_null() {
        return Err(code::INVALID_ARGUMENT);
    }
    // SAFETY: not null, so writable for `length` bytes.
    let buffer = unsafe { slice::from_raw_parts_mut(buffer.cast::<u8>(), length as usize) };
    let terminated = text.bytes().chain([0]);
    if buffer.len() < text.len() + 1 {
        return Err(code::INSUFFICIENT_SIZE);
    }
    for (target, byte) in buffer.iter_mut().zip(terminated) {
        *target = byte;
    }
    Ok(())
}

/// # Safety
///
/// `target` is null, or readable and writable.
unsafe fn put_memory(target: *mut Memory, total: u64, used: u64) -> Answer {
    // SAFETY: null gives `None`, otherwise readable.
    let asked = unsafe { target.as_ref() }.ok_or(code::INVALID_ARGUMENT)?;
    if asked.version != MEMORY_VERSION {
        return Err(code::ARGUMENT_VERSION_MISMATCH);
    }
    let memory = Memory {
        version: MEMORY_VERSION,
        total,
        reserved: 0,
        free: total.saturating_sub(used),
        used,
    };
    // SAFETY: writable by the caller's promise.
    unsafe { put(target, memory) }
}

/// # Safety
///
/// `count` is null or readable and writable; `list` is writable for `count` entries.
unsafe fn put_processes(
    card: &Card,
    of_kind: impl Fn(&Process) -> bool,
    count: *mut c_uint,
    list: *mut ProcessInfo,
) -> Answer {
    let processes: Vec<_> = card
        .processes
        .iter()
        .filter(|process| of_kind(process))
        .collect();
    // SAFETY: null gives `None`, otherwise readable.
    let room = *unsafe { count.as_ref() }.ok_or(code::INVALID_ARGUMENT)?;
    // SAFETY: writable by the caller's promise.
    unsafe { put(count, to_count(processes.len())?)? };
    if (room as usize) < processes.len() {
        return Err(code::INSUFFICIENT_SIZE);
    }
    for (place, process) in processes.iter().enumerate() {
        let info = ProcessInfo {
            pid: process.pid,
            used_memory: process.used_memory.unwrap_or(NOT_AVAILABLE),
            gpu_instance: NO_INSTANCE,
            compute_instance: NO_INSTANCE,
        };
        // SAFETY: `place` is below the room of the list.
        unsafe { put(list.add(place), info)? };
    }
    Ok(())
}
