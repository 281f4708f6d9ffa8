//! The adapter that no host embeds, built as a stranger would build it: cargo, the target, nothing else.
#![expect(clippy::unwrap_used, reason = "an adapter that does not build fails its test")]

use std::path::Path;
use std::process::Command;

use sha2::{Digest, Sha256};

/// Builds it and gives the component's bytes.
///
/// # Panics
///
/// When it does not build.
#[must_use]
pub fn build() -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    // This test stands in `<target>/debug/deps`.
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(3).unwrap().join("tmp/foreign-adapter");
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--release",
            "--offline",
            "--target",
            "wasm32-wasip2",
            "--package",
            "adapter-ledger",
        ])
        .arg("--target-dir")
        .arg(&target)
        .current_dir(root)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .status()
        .unwrap();
    assert!(built.success(), "the foreign adapter was not built");
    std::fs::read(target.join("wasm32-wasip2/release/adapter_ledger.wasm")).unwrap()
}

/// What it is pinned by.
#[must_use]
pub fn digest(component: &[u8]) -> String {
    hex::encode(Sha256::digest(component))
}
