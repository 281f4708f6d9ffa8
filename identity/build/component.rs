//! How a component is built: the same bytes on every machine, in every folder. Used by the build script, and by whoever
//! wants to see that this is so.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The run of cargo that builds one component; its features must not be unified with the others', so each has its own.
pub(crate) fn building(cargo: impl AsRef<OsStr>, root: &Path, target_dir: &Path, package: &str) -> Command {
    // The paths of the build machine would otherwise stand in panic locations, and change the digest.
    let cargo_home =
        env::var("CARGO_HOME").unwrap_or_else(|_| format!("{}/.cargo", env::var("HOME").unwrap_or_default()));
    // Told as configuration, which is joined with the project's own flags, and holds paths with blanks.
    let flags = [(root.display().to_string(), "provident"), (cargo_home, "cargo")]
        .map(|(path, name)| format!("{:?}", format!("--remap-path-prefix={path}={name}")));
    let flags = format!("target.wasm32-wasip2.rustflags=[{}]", flags.join(", "));
    let mut building = Command::new(cargo);
    building
        .current_dir(root)
        .args(["--config", &flags])
        .args(["build", "--release", "--locked", "--target", "wasm32-wasip2", "--package", package, "--target-dir"])
        .arg(target_dir)
        .env_remove("CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("CARGO_TARGET_DIR");
    building
}

/// Where the component is then.
pub(crate) fn built(target_dir: &Path, package: &str) -> PathBuf {
    target_dir.join("wasm32-wasip2/release").join(format!("{}.wasm", package.replace('-', "_")))
}
