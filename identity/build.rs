//! Builds the components for `wasm32-wasip2`, compiles them ahead of time and pins both forms by SHA-256.
//!
//! A plain `cargo build` of this crate is enough once the target is there. Nothing is compiled when a program
//! starts: it loads the `.cwasm` embedded here.

use sha2::{Digest, Sha256};
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

#[path = "src/config.rs"]
mod config;

/// Package, and the name the component goes by.
const COMPONENTS: &[(&str, &str)] =
    &[("identity-component", "identity"), ("adapter-fake", "fake"), ("adapter-microsoft", "microsoft")];
/// What the components are made of.
const SOURCES: &[&str] = &[
    "wit",
    "identity-component",
    "component-kit",
    "adapters/fake",
    "adapters/microsoft",
    ".cargo/config.toml",
    "Cargo.toml",
    "Cargo.lock",
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("..").canonicalize()?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }
    // An explicit target keeps the build machine's CPU flags out of the code: it must run elsewhere.
    let engine = wasmtime::Engine::new(config::config().target(&env::var("TARGET")?)?)?;
    let mut table = String::from("pub(crate) const EMBEDDED: &[Embedded] = &[\n");
    for (package, name) in COMPONENTS {
        let wasm = fs::read(build(&root, &out, package)?)?;
        let code = engine.precompile_component(&wasm)?;
        fs::write(out.join(format!("{name}.wasm")), &wasm)?;
        fs::write(out.join(format!("{name}.cwasm")), &code)?;
        writeln!(
            table,
            "    Embedded {{ name: {name:?}, wasm: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}.wasm\")), \
             wasm_sha256: {:?}, code: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}.cwasm\")), \
             code_sha256: {:?} }},",
            hex::encode(Sha256::digest(&wasm)),
            hex::encode(Sha256::digest(&code)),
        )?;
    }
    table.push_str("];\n");
    fs::write(out.join("embedded.rs"), table)?;
    Ok(())
}

/// Builds one component; its features must not be unified with the others', so each has a cargo run of its own.
fn build(root: &Path, out: &Path, package: &str) -> Result<PathBuf, Box<dyn Error>> {
    let target_dir = out.join("components");
    // The paths of the build machine would otherwise stand in panic locations, and change the digest.
    let cargo_home =
        env::var("CARGO_HOME").unwrap_or_else(|_| format!("{}/.cargo", env::var("HOME").unwrap_or_default()));
    let remap = format!("--remap-path-prefix={}=provident --remap-path-prefix={cargo_home}=cargo", root.display());
    let status = Command::new(env::var("CARGO")?)
        .current_dir(root)
        .args(["build", "--release", "--locked", "--target", "wasm32-wasip2", "--package", package, "--target-dir"])
        .arg(&target_dir)
        .env("CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS", remap)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("CARGO_TARGET_DIR")
        .status()?;
    if !status.success() {
        return Err(format!(
            "building {package} for wasm32-wasip2 failed; if the target is missing: rustup target add wasm32-wasip2"
        )
        .into());
    }
    Ok(target_dir.join("wasm32-wasip2/release").join(format!("{}.wasm", package.replace('-', "_"))))
}
