//! The runtime of a component without imports: one allocator, one panic handler, one exported `cabi_realloc`.
//!
//! The `wasm32-wasip2` target expects whoever owns the memory to export `cabi_realloc`, the function hosts call
//! to place arguments. With `std` it comes from the C library, and thirteen WASI interfaces with it; here it is
//! written out. Linking this crate (`use component_kit as _;`) is enough.

use alloc::alloc::{Layout, alloc, handle_alloc_error, realloc};
use core::panic::PanicInfo;

#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// A panic is a trap: the host throws the instance away and answers with a typed error.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// Allocates or grows memory for the host, as the canonical ABI asks.
///
/// # Safety
///
/// `old_pointer` must be null with `old_length` 0, or come from this function with that length and alignment;
/// `alignment` must be a power of two. The canonical ABI promises both.
#[expect(unsafe_code, reason = "the canonical ABI calls this symbol by name and speaks in raw pointers")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cabi_realloc(
    old_pointer: *mut u8,
    old_length: usize,
    alignment: usize,
    new_length: usize,
) -> *mut u8 {
    if old_length == 0 && new_length == 0 {
        return core::ptr::without_provenance_mut(alignment);
    }
    // SAFETY: by the contract above, layouts and pointer are what the allocator handed out before.
    unsafe {
        let wanted = Layout::from_size_align_unchecked(new_length, alignment);
        let pointer = if old_length == 0 {
            alloc(wanted)
        } else {
            let held = Layout::from_size_align_unchecked(old_length, alignment);
            realloc(old_pointer, held, new_length)
        };
        if pointer.is_null() {
            handle_alloc_error(wanted);
        }
        pointer
    }
}

// What the compiler calls and no instruction does: `memcmp`, out of the target's own C library. Only the
// members that are called are linked; none of them imports anything.
#[expect(unsafe_code, reason = "linking is declared in an extern block")]
#[link(name = "c")]
unsafe extern "C" {}
