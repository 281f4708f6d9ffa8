//! How the shared library is linked: once loaded, it stays.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Handlers of signals point into the library, so that to unload it would leave them pointing nowhere.
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
