//! One statement text, two engines.
//!
//! [`Tx`] is a transaction on either; [`on!`](on) awaits one statement on the one it is. [`sql!`](sql) names a
//! statement, and in builds with debug assertions remembers that it ran, so that a test can go through all of
//! them. Nothing outside [`crate::store`] sees any of it.

use sqlx::{Postgres, Sqlite, Transaction};

/// A transaction that has begun. Dropped without a commit, it never was.
#[derive(Debug)]
pub(super) enum Tx {
    /// On PostgreSQL.
    Postgres(Transaction<'static, Postgres>),
    /// On SQLite.
    Sqlite(Transaction<'static, Sqlite>),
}

/// Awaits one statement on the engine the transaction belongs to. The driver is inferred in each arm.
macro_rules! on {
    ($tx:expr, |$conn:ident| $statement:expr) => {
        match &mut $tx {
            $crate::store::engine::Tx::Postgres(tx) => {
                let $conn = &mut **tx;
                $statement.await
            }
            $crate::store::engine::Tx::Sqlite(tx) => {
                let $conn = &mut **tx;
                $statement.await
            }
        }
    };
}

/// Awaits one reading statement on its own, without a transaction: one round trip. For the platform's tables alone, where
/// there is no workspace to say first; on SQLite by a reader, which cannot write.
macro_rules! alone {
    ($engine:expr, |$pool:ident| $statement:expr) => {
        match &$engine {
            $crate::store::open::Engine::Postgres($pool) => $statement.await,
            $crate::store::open::Engine::Sqlite { readers: $pool, .. } => $statement.await,
        }
    };
}

/// Runs one statement that answers no rows, and says how many it touched.
macro_rules! run {
    ($tx:expr, $statement:expr) => {
        match &mut $tx {
            $crate::store::engine::Tx::Postgres(tx) => {
                $statement.execute(&mut **tx).await.map(|done| done.rows_affected())
            }
            $crate::store::engine::Tx::Sqlite(tx) => {
                $statement.execute(&mut **tx).await.map(|done| done.rows_affected())
            }
        }
    };
}

/// A statement and its name. One text for both engines unless the name ends in one's.
macro_rules! sql {
    ($name:literal, $text:expr) => {{
        #[cfg(debug_assertions)]
        $crate::store::statement::ran($name, $text);
        $text
    }};
}

pub(super) use {alone, on, run, sql};
