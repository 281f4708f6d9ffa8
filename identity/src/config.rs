//! How wasmtime is narrowed to what is used here. One function, shared by the build script (which compiles) and
//! the library (which loads): code is only accepted by an engine of the same settings.

use wasmtime::Config;

/// The settings of every engine: fuel is counted, threads, tasks and back traces are not there.
pub(crate) fn config() -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .concurrency_support(false)
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        .native_unwind_info(false);
    config
}
