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
    #[error("the database has no tables or old ones: run `provident init`")]
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
    /// Others were in the way for too long.
    #[error("the database is busy")]
    Busy,
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
        "database-busy",
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
            Self::Busy => "database-busy",
            Self::Unavailable(_) => "database-unavailable",
            Self::Refused { .. } => "database-refused",
            Self::Corrupt(_) => "database-corrupt",
            Self::OutcomeUnknown => "outcome-unknown",
        }
    }

    /// Whether the whole transaction may succeed when simply repeated.
    #[must_use]
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Busy)
    }

    /// Of a lost connection during COMMIT nobody knows whether it happened.
    pub(super) fn while_committing(error: sqlx::Error) -> Self {
        match Self::from(error) {
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
                // Serialization failure, deadlock, lock not available, lock time-out; SQLITE_BUSY and SQLITE_LOCKED
                // in all their extended forms.
                let postgres_busy = ["40001", "40P01", "55P03"].contains(&code.as_ref());
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
