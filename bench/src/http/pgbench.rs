//! pgbench: what PostgreSQL does without us, on the same database.

use super::place::Place;
use crate::store::Failure;
use provident_tests::postgres;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A text as a script may have it: pgbench takes whatever follows a colon for a variable, also in a literal.
pub(super) fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''").replace(':', "\\x3a"))
}

/// A script and the program that runs it.
pub(super) struct Script {
    program: PathBuf,
    directory: TempDir,
    url: String,
}

impl Script {
    pub(super) fn new(place: &Place, text: &str) -> Result<Self, Failure> {
        let directory = TempDir::new()?;
        std::fs::write(directory.path().join("script"), text)?;
        Ok(Self { program: postgres::program("pgbench")?, directory, url: place.database.admin_url() })
    }

    /// How often a second so many clients run it; connecting is not counted.
    pub(super) async fn rate(&self, clients: usize, window: Duration) -> Result<f64, Failure> {
        let (clients, seconds) = (clients.to_string(), window.as_secs().max(1).to_string());
        let mut command = Command::new(&self.program);
        command.args(["--no-vacuum", "--protocol=prepared", "--client", &clients, "--jobs", &clients]);
        command.args(["--time", &seconds, "--file"]).arg(self.directory.path().join("script")).arg(&self.url);
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let figure = |name: &str| {
            said.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse::<f64>().ok())
        };
        match (output.status.success(), figure("tps ="), figure("number of failed transactions:")) {
            (true, Some(rate), Some(0.0) | None) => Ok(rate),
            _ => Err(format!("pgbench: {said}{}", String::from_utf8_lossy(&output.stderr)).into()),
        }
    }
}
