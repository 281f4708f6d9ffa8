//! What can go wrong with a database, without what was in hand: no parameter, row or connection string is ever
//! part of an error, because drivers like to quote them.

use std::fmt;

/// A failure of the database or of what is in it.
#[derive(thiserror::Error)]
pub enum StoreError {
    /// The URL is not one this program knows.
    #[error("the database URL is not one of `sqlite:PATH` and `postgres://…`")]
    InvalidUrl,
    /// There are no tables, or old ones.
    #[error("the database has no tables or old ones: run `provident migrate up`, or `provident init` for a new one")]
    Unmigrated,
    /// The tables are of a later version of this program.
    #[error("the database was made by a later version of this program")]
    TooNew,
    /// A migration is not the one the database was made by.
    #[error("migration {0} is not the one this database was made by")]
    Altered(i64),
    /// A chain has no head.
    #[error("the database is not set up: run `provident init`")]
    NotInitialised,
    /// The database's role could pass by what holds the others.
    #[error(
        "the database role may see or change more than the application should (superuser, BYPASSRLS or owner of the \
         tables): connect as `provident_app`, see `provident migrate roles`, or add \
         --allow-privileged-database-role"
    )]
    PrivilegedRole,
    /// Going down would discard decisions.
    #[error("there are bindings: add --discard-bindings to lose them")]
    BindingsExist,
    /// Going down would discard what everything else hangs on.
    #[error("there are workspaces, users and audit trails: add --discard-all to lose them")]
    WorkspacesExist,
    /// No migration has this number.
    #[error("there is no migration of this number")]
    UnknownMigration,
    /// A database that something is to be copied into has something in it.
    #[error("the database to copy into is not empty")]
    NotEmpty,
    /// Others were in the way for too long.
    #[error("the database is busy")]
    Busy,
    /// The time for a mutation was up before it could be committed. Nothing was written.
    #[error("not done within the time a mutation has; nothing was written, and it may be tried again")]
    DeadlineExceeded,
    /// It cannot be reached.
    #[error("the database cannot be reached: {0}")]
    Unavailable(String),
    /// A statement was refused. Always a fault of this program: expected conflicts come back as rows.
    #[error("the database refused a statement (code {code}, constraint {constraint})")]
    Refused {
        /// The engine's own code.
        code: String,
        /// The constraint, or `-`.
        constraint: String,
    },
    /// What is stored does not read back.
    #[error("a stored {0} does not read back")]
    Corrupt(&'static str),
    /// The connection was lost while committing: the change is there or it is not.
    #[error("the connection was lost while committing")]
    OutcomeUnknown,
}

impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreError({}: {self})", self.code())
    }
}

impl StoreError {
    /// Every code of this room.
    pub const CODES: &[&str] = &[
        "database-url-invalid",
        "database-unmigrated",
        "database-too-new",
        "database-altered",
        "database-not-initialised",
        "database-role-privileged",
        "bindings-exist",
        "workspaces-exist",
        "unknown-migration",
        "database-not-empty",
        "database-busy",
        "deadline-exceeded",
        "database-unavailable",
        "database-refused",
        "database-corrupt",
        "outcome-unknown",
    ];

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidUrl => "database-url-invalid",
            Self::Unmigrated => "database-unmigrated",
            Self::TooNew => "database-too-new",
            Self::Altered(_) => "database-altered",
            Self::NotInitialised => "database-not-initialised",
            Self::PrivilegedRole => "database-role-privileged",
            Self::BindingsExist => "bindings-exist",
            Self::WorkspacesExist => "workspaces-exist",
            Self::UnknownMigration => "unknown-migration",
            Self::NotEmpty => "database-not-empty",
            Self::Busy => "database-busy",
            Self::DeadlineExceeded => "deadline-exceeded",
            Self::Unavailable(_) => "database-unavailable",
            Self::Refused { .. } => "database-refused",
            Self::Corrupt(_) => "database-corrupt",
            Self::OutcomeUnknown => "outcome-unknown",
        }
    }

    /// Whether the same may be done later: it was not done, or whether it was is not known.
    #[must_use]
    pub(crate) fn is_for_now(&self) -> bool {
        matches!(self, Self::Busy | Self::DeadlineExceeded | Self::Unavailable(_) | Self::OutcomeUnknown)
    }

    /// Whether the whole transaction may succeed when simply repeated.
    #[must_use]
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Busy)
    }

    /// Of a lost connection during COMMIT nobody knows whether it happened.
    pub(super) fn while_committing(error: sqlx::Error) -> Self {
        // A disk that fails under SQLite: what was being written may be found again, or not.
        let disk = error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code)
            .is_some_and(|code| code.len() < 5 && code.parse::<u32>().is_ok_and(|code| code & 0xff == 10));
        match Self::from(error) {
            _ if disk => Self::OutcomeUnknown,
            Self::Unavailable(_) => Self::OutcomeUnknown,
            other => other,
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => {
                let code = error.code().unwrap_or_default();
                // The time-outs a transaction sets for itself are what is left of its deadline.
                if ["55P03", "57014"].contains(&code.as_ref()) {
                    return Self::DeadlineExceeded;
                }
                // Serialization failure, deadlock; SQLITE_BUSY and SQLITE_LOCKED in all their extended forms.
                let postgres_busy = ["40001", "40P01"].contains(&code.as_ref());
                let sqlite_busy = code.len() < 5 && code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6));
                if postgres_busy || sqlite_busy {
                    return Self::Busy;
                }
                // The connection or the server goes away: connection exceptions, shutdown, crash, not yet up, no
                // resources.
                let leaving = ["57P01", "57P02", "57P03"].contains(&code.as_ref());
                if code.len() == 5 && (leaving || code.starts_with("08") || code.starts_with("53")) {
                    return Self::Unavailable(format!("code {code}"));
                }
                Self::Refused { constraint: error.constraint().unwrap_or("-").to_owned(), code: code.into_owned() }
            }
            sqlx::Error::Io(error) => Self::Unavailable(error.kind().to_string()),
            sqlx::Error::Tls(_) => Self::Unavailable("TLS".to_owned()),
            sqlx::Error::PoolTimedOut => Self::Unavailable("no connection was free in time".to_owned()),
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed | sqlx::Error::BeginFailed => {
                Self::Unavailable("the connection is gone".to_owned())
            }
            sqlx::Error::Configuration(_) => Self::InvalidUrl,
            sqlx::Error::Migrate(error) => (*error).into(),
            sqlx::Error::Protocol(_) => Self::Unavailable("protocol".to_owned()),
            _ => Self::Corrupt("row"),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        use sqlx::migrate::MigrateError;
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..) => Self::TooNew,
            MigrateError::VersionMismatch(version) | MigrateError::Dirty(version) => Self::Altered(version),
            _ => Self::Unmigrated,
        }
    }
}
