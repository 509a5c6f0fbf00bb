//! The state behind the exported functions: the cards read at `nvmlInit`, and how often each was asked.

use std::collections::BTreeMap;
use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::cards::{Card, Cards, Mig, MigInstance, code};
use crate::text;

/// Slots for MIG instances on a card, as on an A100.
pub(crate) const MIG_SLOTS: u32 = 7;

/// What a device handle stands for. The handle is a number in the shape of a pointer and is never followed: index of
/// the card + 1 in the low half, slot of the MIG instance + 1 in the high half, 0 for the card itself.
#[derive(Clone, Copy)]
pub(crate) struct Handle(pub(crate) *mut c_void);

impl Handle {
    pub(crate) fn of_card(index: u32) -> Self {
        Self::from_number((index as usize + 1) & LOW_HALF)
    }

    pub(crate) fn of_instance(self, slot: u32) -> Self {
        Self::from_number(self.number() | ((slot as usize + 1) << 16))
    }

    fn from_number(number: usize) -> Self {
        Self(ptr::without_provenance_mut(number))
    }

    fn number(self) -> usize {
        self.0.addr()
    }

    fn card(self) -> Option<usize> {
        (self.number() & LOW_HALF).checked_sub(1)
    }

    fn slot(self) -> Option<usize> {
        (self.number() >> 16).checked_sub(1)
    }
}

const LOW_HALF: usize = 0xFFFF;

struct Machine {
    cards: Cards,
    /// Calls so far, for each card.
    calls: Vec<u64>,
    /// Calls of init without their shutdown.
    users: u32,
}

static MACHINE: Mutex<Option<Machine>> = Mutex::new(None);

/// What a function does: writes its results, and gives the code where it cannot.
pub(crate) type Answer = Result<(), u32>;

pub(crate) fn init(function: &str) -> Answer {
    let cards = own_path()
        .ok_or_else(|| "no path of its own".to_owned())
        .and_then(|path| {
            text::note_environment(&path)?;
            text::read(&text::file_beside(&path))
        })
        .map_err(|error| {
            eprintln!("NVML stand-in: {error}");
            code::UNKNOWN
        })?;
    fail_if_listed(&cards.fails, function)?;
    let calls = vec![0; cards.cards.len()];
    let mut machine = lock();
    let users = machine.as_ref().map_or(0, |machine| machine.users) + 1;
    *machine = Some(Machine {
        cards,
        calls,
        users,
    });
    Ok(())
}

pub(crate) fn shut_down() -> Answer {
    let mut machine = lock();
    let users = &mut machine.as_mut().ok_or(code::UNINITIALIZED)?.users;
    *users -= 1;
    if *users == 0 {
        *machine = None;
    }
    Ok(())
}

/// Answers a call that belongs to no card.
pub(crate) fn system(function: &str, answer: impl FnOnce(&Cards) -> Answer) -> Answer {
    let machine = lock();
    let cards = &machine.as_ref().ok_or(code::UNINITIALIZED)?.cards;
    fail_if_listed(&cards.fails, function)?;
    answer(cards)
}

/// Answers a call that only a whole card takes.
pub(crate) fn card(function: &str, handle: Handle, answer: impl FnOnce(&Card) -> Answer) -> Answer {
    device(function, handle, |card, instance| match instance {
        None => answer(card),
        Some(_) => Err(code::NOT_SUPPORTED),
    })
}

/// Answers a call that a card and a MIG instance both take.
pub(crate) fn device(
    function: &str,
    handle: Handle,
    answer: impl FnOnce(&Card, Option<&MigInstance>) -> Answer,
) -> Answer {
    let mut machine = lock();
    let machine = machine.as_mut().ok_or(code::UNINITIALIZED)?;
    let index = handle.card().ok_or(code::INVALID_ARGUMENT)?;
    let card = machine
        .cards
        .cards
        .get(index)
        .ok_or(code::INVALID_ARGUMENT)?;
    machine.calls[index] += 1;
    if card
        .lost_after
        .is_some_and(|most| machine.calls[index] > most)
    {
        return Err(code::GPU_IS_LOST);
    }
    let Some(slot) = handle.slot() else {
        fail_if_listed(&card.fails, function)?;
        return answer(card, None);
    };
    let instance = instance(function, card, slot)?;
    answer(card, Some(instance))
}

/// The instance in a slot, if there is one and it takes this call.
pub(crate) fn instance<'a>(
    function: &str,
    card: &'a Card,
    slot: usize,
) -> Result<&'a MigInstance, u32> {
    let Mig::Enabled(instances) = &card.mig else {
        return Err(code::NOT_FOUND);
    };
    let instance = instances.get(slot).ok_or(code::NOT_FOUND)?;
    fail_if_listed(&instance.fails, function)?;
    Ok(instance)
}

/// The card or MIG instance with this UUID; an instance also by card and ids, as in `MIG-GPU-<uuid of the card>/1/0`.
pub(crate) fn by_uuid(function: &str, uuid: &str, answer: impl FnOnce(Handle) -> Answer) -> Answer {
    system(function, |machine| {
        for (index, card) in (0..).zip(&machine.cards) {
            let handle = Handle::of_card(index);
            if card.uuid == uuid {
                return answer(handle);
            }
            let Mig::Enabled(instances) = &card.mig else {
                continue;
            };
            for (slot, instance) in (0..).zip(instances) {
                let (gpu_instance, compute_instance) = instance.ids;
                let by_ids = format!("MIG-{}/{gpu_instance}/{compute_instance}", card.uuid);
                if uuid == instance.uuid || uuid == by_ids {
                    return answer(handle.of_instance(slot));
                }
            }
        }
        Err(code::NOT_FOUND)
    })
}

fn fail_if_listed(table: &BTreeMap<String, u32>, function: &str) -> Answer {
    table.get(function).map_or(Ok(()), |code| Err(*code))
}

fn lock() -> MutexGuard<'static, Option<Machine>> {
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `Dl_info` of dlfcn.h.
#[repr(C)]
struct DlInfo {
    file_name: *const c_char,
    file_base: *mut c_void,
    symbol_name: *const c_char,
    symbol_address: *mut c_void,
}

unsafe extern "C" {
    fn dladdr(address: *const c_void, info: *mut DlInfo) -> c_int;
}

/// The file this copy of the library was loaded from.
fn own_path() -> Option<PathBuf> {
    let mut info = DlInfo {
        file_name: ptr::null(),
        file_base: ptr::null_mut(),
        symbol_name: ptr::null(),
        symbol_address: ptr::null_mut(),
    };
    // SAFETY: the address is of a static of this library, and `info` outlives the call.
    let found = unsafe { dladdr((&raw const MACHINE).cast(), &raw mut info) };
    if found == 0 || info.file_name.is_null() {
        return None;
    }
    // SAFETY: dladdr succeeded, so the name is a C string that lives as long as the library is loaded.
    let name = unsafe { CStr::from_ptr(info.file_name) };
    Some(PathBuf::from(OsStr::from_bytes(name.to_bytes())))
}
