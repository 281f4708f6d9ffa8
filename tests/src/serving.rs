//! `provident serve` as a process of its own: started, found by what it says, killed. It is gone when its value is.
#![expect(clippy::unwrap_used, reason = "a test whose service does not start fails, and says why")]

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::program;

/// A service that runs.
#[derive(Debug)]
pub struct Instance {
    process: Child,
    /// Where it takes requests.
    pub address: SocketAddr,
    /// Held, so that it may go on saying things.
    _said: BufReader<ChildStdout>,
}

impl Instance {
    /// Starts one on a database, with the master key in this directory, on a port that is free. No credential is held
    /// back for asking often.
    ///
    /// # Panics
    ///
    /// When it does not start.
    #[must_use]
    pub fn start(database_url: &str, directory: &Path) -> Self {
        Self::of(&program::path().unwrap(), database_url, directory)
    }

    /// The same of another build.
    ///
    /// # Panics
    ///
    /// When it does not start.
    #[must_use]
    pub fn of(program: &Path, database_url: &str, directory: &Path) -> Self {
        // What a test starts, a test has worked on.
        Self::with(program, database_url, directory, &["--workers", "0"])
    }

    /// The same with arguments of its own.
    ///
    /// # Panics
    ///
    /// When it does not start.
    #[must_use]
    pub fn with(program: &Path, database_url: &str, directory: &Path, arguments: &[&str]) -> Self {
        let mut process = Command::new(program)
            .arg("serve")
            .args(["--listen", "127.0.0.1:0", "--log-level", "warn"])
            .args(["--rate-per-s", "1000000", "--rate-burst", "1000000"])
            .args(["--database-url", database_url, "--data-dir"])
            .arg(directory)
            .args(arguments)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening on http://").and_then(|address| address.parse().ok());
        Self { process, address: address.unwrap(), _said: said }
    }

    /// The process.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.process.id()
    }

    /// Kills it (`SIGKILL`).
    ///
    /// # Panics
    ///
    /// When it had ended before.
    pub fn kill(mut self) {
        assert!(self.process.try_wait().unwrap().is_none(), "it ended by itself");
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// `provident worker` as a process of its own. It is gone when its value is.
#[derive(Debug)]
pub struct WorkerProcess {
    process: Child,
}

impl WorkerProcess {
    /// Starts one on a database, with the master key in this directory, its settings in this file, and this lease.
    ///
    /// # Panics
    ///
    /// When it does not start.
    #[must_use]
    pub fn start(database_url: &str, directory: &Path, config: &Path, lease_s: u64) -> Self {
        let process = Command::new(program::path().unwrap())
            .arg("worker")
            .args(["--log-level", "warn", "--run-lease-s", &lease_s.to_string(), "--shutdown-grace-s", "2"])
            .args(["--database-url", database_url, "--data-dir"])
            .arg(directory)
            .arg("--config")
            .arg(config)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { process }
    }

    /// Kills it (`SIGKILL`).
    ///
    /// # Panics
    ///
    /// When it had ended before.
    pub fn kill(mut self) {
        assert!(self.process.try_wait().unwrap().is_none(), "it ended by itself");
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Asks it to stop (`SIGTERM`) and waits for it. Whether it ended in order.
    ///
    /// # Panics
    ///
    /// When it cannot be asked.
    #[must_use]
    pub fn stop(mut self) -> bool {
        let asked = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().unwrap();
        assert!(asked.success());
        self.process.wait().unwrap().success()
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
