//! A little memory put aside, for what must work when the program has taken
//! all there is: making the error it can catch, saying how it ended, and
//! starting a program that gives memory back.

use rquickjs::allocator::Allocator;
use std::cell::{Cell, RefCell};
use std::ffi::c_void;

/// Enough to show an error and to run a small program.
const SIZE: usize = 128 << 10;

thread_local! {
    static RESERVE: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
    /// The last request of the engine was refused.
    static REFUSED: Cell<bool> = const { Cell::new(false) };
    /// A request was refused since the program began.
    static EVER_REFUSED: Cell<bool> = const { Cell::new(false) };
    /// The memory that was put aside is in use.
    static LOW: Cell<bool> = const { Cell::new(false) };
}

/// Prepares for a new program.
pub(crate) fn begin() {
    EVER_REFUSED.set(false);
}

/// Whether the program was refused memory.
pub(crate) fn was_refused() -> bool {
    EVER_REFUSED.get()
}

/// Puts the memory aside, if it is not and if there is any.
pub(crate) fn fill() {
    RESERVE.with_borrow_mut(|reserve| {
        let mut memory = Vec::new();
        if reserve.is_none() && memory.try_reserve_exact(SIZE).is_ok() {
            *reserve = Some(memory);
            LOW.set(false);
        }
    });
}

/// Gives the memory back. Says whether there was any.
pub(crate) fn release() -> bool {
    LOW.set(true);
    RESERVE.take().is_some()
}

/// Whether the memory that was put aside is in use.
pub(crate) fn is_low() -> bool {
    LOW.get()
}

/// The engine's memory: that of the C library, and the reserve for the request
/// after one that was refused, which is for the error about it.
pub(crate) struct Memory;

fn attempt(request: impl Fn() -> *mut c_void) -> *mut u8 {
    let mut memory = request();
    if memory.is_null() {
        EVER_REFUSED.set(true);
        if REFUSED.replace(true) && release() {
            memory = request();
        }
    }
    if !memory.is_null() {
        REFUSED.set(false);
        if is_low() {
            fill();
        }
    }
    memory.cast()
}

// SAFETY: these are the functions of the C library, which keep the promises
// that the trait asks for.
unsafe impl Allocator for Memory {
    fn alloc(&mut self, size: usize) -> *mut u8 {
        attempt(|| unsafe { malloc(size) })
    }

    fn calloc(&mut self, count: usize, size: usize) -> *mut u8 {
        attempt(|| unsafe { calloc(count, size) })
    }

    unsafe fn dealloc(&mut self, memory: *mut u8) {
        unsafe { free(memory.cast()) }
    }

    unsafe fn realloc(&mut self, memory: *mut u8, size: usize) -> *mut u8 {
        attempt(|| unsafe { realloc(memory.cast(), size) })
    }

    unsafe fn usable_size(memory: *mut u8) -> usize {
        unsafe { malloc_usable_size(memory.cast()) }
    }
}

unsafe extern "C" {
    fn malloc(size: usize) -> *mut c_void;
    fn calloc(count: usize, size: usize) -> *mut c_void;
    fn realloc(memory: *mut c_void, size: usize) -> *mut c_void;
    fn free(memory: *mut c_void);
    fn malloc_usable_size(memory: *mut c_void) -> usize;
}
