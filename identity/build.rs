//! Builds the components for `wasm32-wasip2`, compiles them ahead of time and pins both forms by SHA-256.
//!
//! A plain `cargo build` of this crate is enough once the target is there. Nothing is compiled when a program
//! starts: it loads the `.cwasm` embedded here.

use sha2::{Digest, Sha256};
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[path = "build/component.rs"]
mod component;
#[path = "src/config.rs"]
mod config;

/// Package, and the name the component goes by.
const COMPONENTS: &[(&str, &str)] =
    &[("identity-component", "identity"), ("adapter-fake", "fake"), ("adapter-microsoft", "microsoft")];
/// The features of the x86-64-v3 level, as Cranelift calls them.
const X86_64_V3: &[&str] = &[
    "has_sse3",
    "has_ssse3",
    "has_sse41",
    "has_sse42",
    "has_popcnt",
    "has_avx",
    "has_avx2",
    "has_fma",
    "has_bmi1",
    "has_bmi2",
    "has_lzcnt",
];
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
    let engines = engines(&env::var("TARGET")?)?;
    let mut table = String::from("pub(crate) const EMBEDDED: &[Embedded] = &[\n");
    for (package, name) in COMPONENTS {
        let wasm = fs::read(build(&root, &out, package)?)?;
        let file = embed(&out, &format!("{name}.wasm"), &wasm)?;
        let mut codes = String::new();
        for (level, engine) in &engines {
            let code = engine.precompile_component(&wasm)?;
            codes.push_str(&embed(&out, &format!("{name}.{level}.cwasm"), &code)?);
            codes.push_str(", ");
        }
        writeln!(table, "    Embedded {{ name: {name:?}, file: {file}, codes: &[{codes}] }},")?;
    }
    table.push_str("];\n");
    fs::write(out.join("embedded.rs"), table)?;
    println!("cargo::rustc-env=PROVIDENT_WASMTIME={}", engine_version(&root)?);
    Ok(())
}

/// The version of wasmtime that is linked, which wasmtime does not say itself.
fn engine_version(root: &Path) -> Result<String, Box<dyn Error>> {
    let lock = fs::read_to_string(root.join("Cargo.lock"))?;
    let (_, entry) = lock.split_once("\nname = \"wasmtime\"\n").ok_or("Cargo.lock has no wasmtime")?;
    let (_, version) = entry.split_once("version = \"").ok_or("wasmtime has no version")?;
    Ok(version.split('"').next().unwrap_or_default().to_owned())
}

/// One engine for each level of CPU the code is compiled for, the most capable first.
///
/// An explicit target keeps the build machine's own flags out: the code must run elsewhere. The plain level runs on every
/// CPU of the target; the other makes the vector instructions of the components several times as fast.
fn engines(target: &str) -> Result<Vec<(&'static str, wasmtime::Engine)>, Box<dyn Error>> {
    let mut engines = Vec::new();
    if target.starts_with("x86_64") {
        let mut config = config::config();
        config.target(target)?;
        for flag in X86_64_V3 {
            // SAFETY: an engine that lacks one of these features refuses the code; it never runs there.
            #[expect(unsafe_code, reason = "flags are names, checked when code is loaded")]
            unsafe {
                config.cranelift_flag_enable(flag);
            }
        }
        engines.push(("v3", wasmtime::Engine::new(&config)?));
    }
    engines.push(("plain", wasmtime::Engine::new(config::config().target(target)?)?));
    Ok(engines)
}

/// Writes one of the embedded files; gives back how to name it in the table.
fn embed(out: &Path, file: &str, bytes: &[u8]) -> Result<String, Box<dyn Error>> {
    fs::write(out.join(file), bytes)?;
    let sha256 = hex::encode(Sha256::digest(bytes));
    Ok(format!("Pinned {{ bytes: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{file}\")), sha256: {sha256:?} }}"))
}

/// Builds one component.
fn build(root: &Path, out: &Path, package: &str) -> Result<PathBuf, Box<dyn Error>> {
    let target_dir = out.join("components");
    if !component::building(env::var("CARGO")?, root, &target_dir, package).status()?.success() {
        return Err(format!(
            "building {package} for wasm32-wasip2 failed; if the target is missing: rustup target add wasm32-wasip2"
        )
        .into());
    }
    Ok(component::built(&target_dir, package))
}
