//! That nothing is compiled for what is embedded, and a component file once: by how long opening takes beside compiling.

#![cfg(test)]
#![expect(unsafe_code, reason = "the functions are those C calls")]

use provident_c::exports::{
    PROVIDENT_ANSWERED, provident_adapter_open, provident_adapter_open_file, provident_bytes_free, provident_close,
    provident_identity_open,
};
use provident_c::provident_bytes;
use provident_identity::component_file;
use sha2::{Digest, Sha256};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

/// Opens with `open`, closes, and gives back how long opening took.
fn opened_in(open: impl Fn(*mut u64, *mut provident_bytes) -> i32) -> Duration {
    let (mut handle, mut out) = (0, provident_bytes { data: std::ptr::null_mut(), length: 0 });
    let started = Instant::now();
    let status = open(&raw mut handle, &raw mut out);
    let time = started.elapsed();
    assert_eq!(status, PROVIDENT_ANSWERED);
    // SAFETY: a place of this function's; what is freed was given by the call before, once.
    unsafe {
        provident_bytes_free(out);
        let mut out = provident_bytes { data: std::ptr::null_mut(), length: 0 };
        assert_eq!(provident_close(handle, &raw mut out), PROVIDENT_ANSWERED);
        provident_bytes_free(out);
    }
    time
}

/// In its own file, so that what is embedded is not loaded yet.
#[test]
fn what_is_embedded_or_kept_opens_at_once() {
    // SAFETY: places of `opened_in`.
    let first = opened_in(|handle, out| unsafe { provident_identity_open(handle, out) });
    // SAFETY: as above, and a name that lives as long as the call.
    let adapter = opened_in(|handle, out| unsafe { provident_adapter_open(b"fake".as_ptr(), 4, handle, out) });

    let folder = tempfile::tempdir().unwrap();
    let (path, cache) = (folder.path().join("adapter.wasm"), folder.path().join("cache"));
    let file = component_file("fake").unwrap();
    fs::write(&path, file).unwrap();
    let sha256 = hex::encode(Sha256::digest(file));
    let (path, cache) = (path.as_os_str().as_bytes(), cache.as_os_str().as_bytes());
    let kept = || {
        opened_in(|handle, out| {
            let (sha256, sha256_length) = (sha256.as_ptr(), sha256.len());
            let (path, path_length) = (path.as_ptr(), path.len());
            // SAFETY: places of `opened_in`, and texts that live as long as the call.
            unsafe {
                provident_adapter_open_file(
                    path,
                    path_length,
                    sha256,
                    sha256_length,
                    cache.as_ptr(),
                    cache.len(),
                    handle,
                    out,
                )
            }
        })
    };
    let compiled = kept();
    let fastest = (0..10).map(|_| kept()).min().unwrap();
    println!("identity {first:?}, adapter {adapter:?}, file compiled {compiled:?}, file kept {fastest:?}");
    // Held to what compiling takes here and now, whatever else the machine does. The identity component is not the smaller one.
    for (what, time) in [("identity", first), ("adapter", adapter), ("file", fastest)] {
        assert!(time < compiled / 4, "{what}: compiling takes {compiled:?}, and opening {time:?}");
    }
}
