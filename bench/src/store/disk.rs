//! What the disk does meanwhile: how long it takes to make four kilobytes last, asked now and then beside the work.

use super::Failure;
use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Long enough that asking does not get into the way of the work.
const PAUSE: Duration = Duration::from_millis(50);

/// A probe that runs until it is asked for what it saw.
pub(crate) struct Probe {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<std::io::Result<Vec<Duration>>>,
}

impl Probe {
    /// Starts one, where databases lie too.
    pub(crate) fn start() -> Result<Self, Failure> {
        let directory = tempfile::Builder::new().prefix("provident-bench-").tempdir_in("/tmp")?;
        let ended = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ended);
        let thread = std::thread::spawn(move || run(&directory, &told));
        Ok(Self { ended, thread })
    }

    /// What it saw: `fdatasync 812/s (median 0.9 ms, longest 14.2 ms)`.
    pub(crate) fn end(self) -> Result<String, Failure> {
        self.ended.store(true, Ordering::Relaxed);
        let mut times = self.thread.join().map_err(|_| "the probe of the disk panicked")??;
        times.sort_unstable();
        let total: Duration = times.iter().sum();
        let count = u32::try_from(times.len()).unwrap_or(u32::MAX);
        let milliseconds = |time: Option<&Duration>| time.map_or(f64::NAN, |time| time.as_secs_f64() * 1e3);
        Ok(format!(
            "fdatasync {:.0}/s (median {:.1} ms, longest {:.1} ms)",
            f64::from(count) / total.as_secs_f64(),
            milliseconds(times.get(times.len() / 2)),
            milliseconds(times.last())
        ))
    }
}

fn run(directory: &TempDir, ended: &AtomicBool) -> std::io::Result<Vec<Duration>> {
    let mut file = File::create(directory.path().join("probe"))?;
    file.write_all(&[0; 4_096])?;
    file.sync_all()?;
    let mut times = Vec::new();
    while !ended.load(Ordering::Relaxed) {
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&[7; 4_096])?;
        let asked = Instant::now();
        file.sync_data()?;
        times.push(asked.elapsed());
        std::thread::sleep(PAUSE);
    }
    Ok(times)
}
