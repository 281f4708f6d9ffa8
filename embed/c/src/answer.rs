//! The one way a call takes: what it answers goes to the caller's place, and no panic leaves the library.

use crate::exports::{PROVIDENT_ANSWERED, PROVIDENT_NO_PLACE, PROVIDENT_REFUSED};
use crate::memory::{Place, provident_bytes};
use crate::refusal::Refusal;
use std::panic::{self, AssertUnwindSafe};

/// Does a call and puts its answer, or its refusal, into `out`.
pub(crate) fn answer(out: Option<Place<provident_bytes>>, call: impl FnOnce() -> Result<Vec<u8>, Refusal>) -> i32 {
    let Some(out) = out else { return PROVIDENT_NO_PLACE };
    // Nothing half done is seen after a panic: tables are changed by one step, and an instance of a component that was
    // in a call is not used again.
    match panic::catch_unwind(AssertUnwindSafe(call)).unwrap_or(Err(Refusal::Internal)) {
        Ok(answer) => {
            out.write(provident_bytes::give(answer));
            PROVIDENT_ANSWERED
        }
        Err(refusal) => {
            out.write(provident_bytes::give(refusal.render()));
            PROVIDENT_REFUSED
        }
    }
}

/// Opens something and puts its handle into `opened`.
pub(crate) fn answer_handle(
    opened: Option<Place<u64>>,
    out: Option<Place<provident_bytes>>,
    call: impl FnOnce() -> Result<u64, Refusal>,
) -> i32 {
    let Some(opened) = opened else { return PROVIDENT_NO_PLACE };
    answer(out, || {
        opened.write(call()?);
        Ok(Vec::new())
    })
}

#[cfg(test)]
mod tests {
    #![expect(unsafe_code, reason = "a place is what C gives")]

    use super::answer;
    use crate::memory::{Place, provident_bytes};

    #[test]
    fn a_panic_is_a_refusal_that_says_nothing_of_the_input() {
        let mut bytes = provident_bytes::EMPTY;
        // SAFETY: a place of this function's, used by nobody else.
        let out = unsafe { Place::new(&raw mut bytes, provident_bytes::EMPTY) };
        let status = answer(out, || panic!("secret"));
        // SAFETY: what the call gave, read before it is freed.
        let told = unsafe { std::slice::from_raw_parts(bytes.data, bytes.length) };
        let told = String::from_utf8(told.to_vec()).unwrap();
        // SAFETY: given by the call, and once.
        unsafe { bytes.take_back() };
        assert_eq!(status, 1);
        assert!(told.starts_with(r#"{"code":"internal","field":"library","#) && !told.contains("secret"), "{told}");
    }

    #[test]
    fn without_a_place_nothing_is_done() {
        assert_eq!(answer(None, || panic!("it was called")), 2);
    }
}
