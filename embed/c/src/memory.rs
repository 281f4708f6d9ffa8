//! Bytes across the boundary: what a caller lends for a call, and what the library gives until it is freed. The only
//! place where a pointer is followed.
#![expect(unsafe_code, reason = "bytes of C come as pointer and length")]

use crate::refusal::Refusal;
use std::marker::PhantomData;
use std::ptr;
use std::slice;

/// Bytes of the library, yours until you give them back with `provident_bytes_free`. `data` is NULL when `length` is 0.
/// Text in them is UTF-8 and does not end in a NUL byte.
#[repr(C)]
#[derive(Debug)]
pub struct provident_bytes {
    /// The bytes.
    pub data: *mut u8,
    /// How many there are.
    pub length: usize,
}

impl provident_bytes {
    pub(crate) const EMPTY: Self = Self { data: ptr::null_mut(), length: 0 };

    /// Bytes that are the caller's from here on.
    pub(crate) fn give(bytes: Vec<u8>) -> Self {
        if bytes.is_empty() {
            return Self::EMPTY;
        }
        let bytes = Box::into_raw(bytes.into_boxed_slice());
        Self { length: bytes.len(), data: bytes.cast() }
    }

    /// Frees bytes that were given.
    ///
    /// # Safety
    ///
    /// They were made by [`Self::give`] and not taken back before.
    pub(crate) unsafe fn take_back(self) {
        if !self.data.is_null() {
            let bytes = ptr::slice_from_raw_parts_mut(self.data, self.length);
            // SAFETY: the caller vouches that this is what `give` made, a boxed slice of this place and length.
            drop(unsafe { Box::from_raw(bytes) });
        }
    }
}

/// Bytes lent for one call, not looked at yet.
#[derive(Clone, Copy)]
pub(crate) struct Lent<'a> {
    data: *const u8,
    length: usize,
    name: &'static str,
    call: PhantomData<&'a [u8]>,
}

impl<'a> Lent<'a> {
    /// Bytes of the parameter `name`.
    ///
    /// # Safety
    ///
    /// `data` is NULL, or `length` bytes can be read there, and nobody writes to them, for as long as `'a`.
    pub(crate) unsafe fn new(data: *const u8, length: usize, name: &'static str) -> Self {
        Self { data, length, name, call: PhantomData }
    }

    /// Whether there is nothing at all: NULL, as the C way to leave a parameter out.
    pub(crate) fn is_none(self) -> Result<bool, Refusal> {
        Ok(self.bytes()?.is_empty() && self.data.is_null())
    }

    /// The parameter.
    pub(crate) fn name(self) -> &'static str {
        self.name
    }

    /// The bytes.
    pub(crate) fn bytes(self) -> Result<&'a [u8], Refusal> {
        match (self.data.is_null(), self.length) {
            (_, 0) => Ok(&[]),
            (true, _) => Err(Refusal::argument(self.name, "the pointer is NULL and the length is not 0")),
            (false, length) if isize::try_from(length).is_err() => {
                Err(Refusal::argument(self.name, "no memory is as long as the length says"))
            }
            // SAFETY: not NULL, not over the size of any object, and readable as `new` was promised.
            (false, length) => Ok(unsafe { slice::from_raw_parts(self.data, length) }),
        }
    }

    /// The bytes as text.
    pub(crate) fn text(self) -> Result<&'a str, Refusal> {
        str::from_utf8(self.bytes()?).map_err(|_| Refusal::NotUtf8 { field: self.name })
    }
}

/// A place of the caller's that an answer is written to.
pub(crate) struct Place<T>(*mut T);

impl<T> Place<T> {
    /// The place, with `nothing` in it; `None` when it is NULL.
    ///
    /// # Safety
    ///
    /// `place` is NULL, or a `T` can be written there until the call ends, and nobody else reads or writes it.
    pub(crate) unsafe fn new(place: *mut T, nothing: T) -> Option<Self> {
        if place.is_null() {
            return None;
        }
        let place = Self(place);
        place.write(nothing);
        Some(place)
    }

    /// Writes; what was there before is not read.
    pub(crate) fn write(&self, value: T) {
        // SAFETY: writable, as `new` was promised. Unaligned, because nothing in C makes a caller align it.
        unsafe { self.0.write_unaligned(value) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Lent, provident_bytes};

    #[test]
    fn what_is_given_is_freed() {
        for bytes in [Vec::new(), vec![1], Vec::with_capacity(100), vec![7; 1 << 20]] {
            let length = bytes.len();
            let given = provident_bytes::give(bytes);
            assert_eq!((given.length, given.data.is_null()), (length, length == 0));
            // SAFETY: given the line before, and once.
            unsafe { given.take_back() };
        }
    }

    #[test]
    fn a_length_no_memory_has_is_refused() {
        let byte = 0;
        for (data, length) in [(std::ptr::null(), 1), (&raw const byte, usize::MAX), (&raw const byte, 1 << 63)] {
            // SAFETY: never followed, which is what is tested.
            let lent = unsafe { Lent::new(data, length, "name") };
            assert_eq!(lent.bytes().unwrap_err().code(), "invalid-argument");
        }
    }
}
