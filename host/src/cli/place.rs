//! Where the data lies: the data directory, the database in it or elsewhere, and the master key beside it.

use super::output::Failure;
use clap::Args;
use directories::ProjectDirs;
use std::path::PathBuf;

/// Where the data lies.
#[derive(Args, Clone, Debug)]
pub(super) struct Place {
    /// Where database and master key lie, made on first use [default: the platform's place for data]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Another database: postgres://… or sqlite:PATH [default: SQLite in the data directory]
    #[arg(long, global = true, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
}

impl Place {
    /// The data directory.
    pub(super) fn data_dir(&self) -> Result<PathBuf, Failure> {
        if let Some(dir) = &self.data_dir {
            return Ok(dir.clone());
        }
        let dirs = ProjectDirs::from("", "", "provident");
        dirs.map(|dirs| dirs.data_dir().to_owned())
            .ok_or_else(|| Failure::usage("data-dir-required", "this platform has no place for data: add --data-dir"))
    }

    /// The database's URL.
    pub(super) fn database_url(&self) -> Result<String, Failure> {
        match &self.database_url {
            Some(url) => Ok(url.clone()),
            None => Ok(format!("sqlite:{}", self.data_dir()?.join("provident.sqlite").display())),
        }
    }

    /// The file the master key lies in.
    pub(super) fn master_key_file(&self) -> Result<PathBuf, Failure> {
        Ok(self.data_dir()?.join("master.key"))
    }

    /// Runs a command that waits for the database.
    pub(super) fn run(
        &self,
        command: impl AsyncFnOnce(&Self) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(command(self))
    }
}
