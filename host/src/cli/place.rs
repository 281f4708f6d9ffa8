//! Where the data lies: the data directory, the database in it or elsewhere, and the master key beside it.

use super::config::Layers;
use super::output::Failure;
use clap::Args;
use directories::ProjectDirs;
use provident::error::Error;
use provident::secret::SecretError;
use provident::service::{Service, Settings};
use std::env::VarError;
use std::fs::DirBuilder;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Where the data lies, as said on the command line.
#[derive(Args, Clone)]
#[expect(clippy::doc_markdown, reason = "it is shown in a terminal")]
pub(super) struct PlaceArguments {
    /// Where database and master key lie, made by `init` [default: the platform's place for data]
    /// [env: PROVIDENT_DATA_DIR]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<String>,
    /// Another database: postgres://… or sqlite:PATH [default: SQLite in the data directory]
    /// [env: PROVIDENT_DATABASE_URL, DATABASE_URL]
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,
    /// Go on as a PostgreSQL role that is superuser, owns the tables or bypasses row-level security
    #[arg(long, global = true)]
    allow_privileged_database_role: bool,
    /// A file of settings, of which every command takes where the data lies and `serve` the rest
    /// [env: PROVIDENT_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl PlaceArguments {
    /// Where that is, with what environment and file say of it.
    pub(super) fn place(self) -> Result<Place, Failure> {
        let layers = Layers::read(self.config.as_deref())?.with_flags([
            ("data_dir", self.data_dir),
            ("database_url", self.database_url),
            ("allow_privileged_database_role", self.allow_privileged_database_role.then(|| "true".to_owned())),
        ]);
        let data_dir = layers.text("data_dir")?.map(PathBuf::from);
        let database_url = layers.text("database_url")?;
        let allow_privileged_database_role = layers.switch("allow_privileged_database_role")?;
        Ok(Place { data_dir, database_url, allow_privileged_database_role, layers })
    }
}

/// Where the data lies.
#[derive(Clone)]
pub(super) struct Place {
    data_dir: Option<PathBuf>,
    database_url: Option<String>,
    allow_privileged_database_role: bool,
    layers: Layers,
}

/// Where the master key is, if it is not in its file: never an argument, which others on the machine can read.
pub(super) const MASTER_KEY: &str = "PROVIDENT_MASTER_KEY";

/// A path as it stands in a URL: whatever means something there is escaped.
fn url_path(path: &Path) -> Result<String, Failure> {
    let Some(path) = path.to_str() else {
        let message = format!("{} is not UTF-8", path.display());
        return Err(Failure::usage("data-dir-unusable", message));
    };
    let stands = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    Ok(path
        .bytes()
        .map(|byte| if stands(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect())
}

impl Place {
    /// Everything that is set, and where.
    pub(super) fn layers(&self) -> &Layers {
        &self.layers
    }

    /// The data directory.
    pub(super) fn data_dir(&self) -> Result<PathBuf, Failure> {
        if let Some(dir) = &self.data_dir {
            return Ok(dir.clone());
        }
        let dirs = ProjectDirs::from("", "", "provident");
        dirs.map(|dirs| dirs.data_dir().to_owned())
            .ok_or_else(|| Failure::usage("data-dir-required", "this platform has no place for data: add --data-dir"))
    }

    /// Makes the data directory, for its owner only, where there is none.
    pub(super) fn make_data_dir(&self) -> Result<(), Failure> {
        let dir = self.data_dir()?;
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&dir).map_err(|error| Failure::usage("data-dir-unusable", format!("{}: {error}", dir.display())))
    }

    /// The database's URL.
    pub(super) fn database_url(&self) -> Result<String, Failure> {
        match &self.database_url {
            Some(url) => Ok(url.clone()),
            None => Ok(format!("sqlite:{}", url_path(&self.data_dir()?.join("provident.sqlite"))?)),
        }
    }

    /// Whether the database is another one than the data directory's.
    pub(super) fn names_database(&self) -> bool {
        self.database_url.is_some()
    }

    /// What an installation here is opened with.
    pub(super) fn settings(&self) -> Result<Settings, Failure> {
        let mut settings = Settings::new(self.database_url()?, self.data_dir()?.join("master.key"));
        settings.allow_privileged_role = self.allow_privileged_database_role;
        settings.master_key = match std::env::var(MASTER_KEY) {
            Ok(text) => Some(Zeroizing::new(text)),
            Err(VarError::NotPresent) => None,
            Err(VarError::NotUnicode(_)) => {
                return Err(Error::from(SecretError::Malformed).into());
            }
        };
        Ok(settings)
    }

    /// Why the installation was not opened, and what can be done about it.
    pub(super) fn explain(&self, error: Error) -> Failure {
        let failure = Failure::from(error);
        match self.data_dir() {
            Ok(dir) if failure.code() == "master-key-missing" => failure.hint(&format!(
                "it belongs in {}; where nothing is set up yet, `provident init` makes it",
                dir.join("master.key").display()
            )),
            _ => failure,
        }
    }

    /// Runs a command on the installation, which is opened before and closed after it.
    pub(super) fn serve(&self, command: impl AsyncFnOnce(&Service) -> Result<(), Failure>) -> Result<(), Failure> {
        self.run(async |place| {
            let settings = place.settings()?;
            let opened = Service::open(&settings).await;
            let service = opened.map_err(|error| place.explain(error))?;
            let outcome = command(&service).await;
            service.close().await;
            outcome
        })
    }

    /// Runs a command that waits for the database.
    pub(super) fn run(&self, command: impl AsyncFnOnce(&Self) -> Result<(), Failure>) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(command(self))
    }
}
