//! What the allocators do in a process whose address space is limited.

use libmimalloc_sys::{mi_option_set, mi_option_t};

/// `mi_option_arena_reserve` of mimalloc's `mi_option_e`, which the bindings leave out. Its unit is KiB.
const ARENA_RESERVE: mi_option_t = 23;

/// KiB of address space that mimalloc reserves at a time under a limit. It reserves 1 GiB without one.
const RESERVED_KIB: libc::c_long = 64 << 10;

/// Runs before `main` and before the first allocation, which would reserve 1 GiB.
#[expect(unsafe_code, reason = "no other code runs before the first allocation")]
#[used]
// SAFETY: the section holds functions of this signature, which the loader calls once. The function allocates nothing.
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = reserve_little;

/// Makes reservations small where the address space is limited: what is reserved counts against the limit, used or not.
///
/// The C library reserves 128 MiB for each thread that allocates, and libraries in C do so in threads that decode
/// images. With one arena all threads share the heap of the process.
extern "C" fn reserve_little() {
    if is_limited(libc::RLIMIT_AS) || is_limited(libc::RLIMIT_DATA) {
        set_options();
    }
}

#[expect(unsafe_code, reason = "neither allocator has a safe interface")]
fn set_options() {
    // SAFETY: the function stores a number in a table of atomics, and the index is one of the table's.
    unsafe { mi_option_set(ARENA_RESERVE, RESERVED_KIB) };
    #[cfg(target_env = "gnu")]
    // SAFETY: the function takes two numbers, and no other thread runs yet.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

#[cfg(target_env = "gnu")]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_env = "gnu"))]
type Resource = libc::c_int;

#[expect(unsafe_code, reason = "the standard library has no limits")]
fn is_limited(resource: Resource) -> bool {
    let mut limit = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: the pointer is of a variable that outlives the call.
    let read = unsafe { libc::getrlimit(resource, &raw mut limit) };
    read == 0 && limit.rlim_cur != libc::RLIM_INFINITY
}
