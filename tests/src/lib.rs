//! What the suites share: databases on both engines, and the guards over the sources.

pub mod database;
pub mod guard;
pub mod postgres;
