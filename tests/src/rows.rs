//! Rows written past the service: a small world of two workspaces, and one valid row of each table to start from.
//!
//! Ids are fixed, so that a test can name what it means: `WORKSPACE` holds `ENVIRONMENT` and `SISTER`,
//! `OTHER_WORKSPACE` holds `FOREIGN`; each environment has a connection, a run, an inventory item and a policy version
//! of its own, each workspace a profile and a snapshot of it. A row's own id and key are new each time.

use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::Error;
use uuid::Uuid;

use crate::database::{Engine, Raw, TestDatabase};

/// The instant at which everything in the world was made.
pub const THEN: &str = "2026-01-02T03:04:05.000006Z";
/// A microsecond later.
pub const LATER: &str = "2026-01-02T03:04:05.000007Z";
/// The provider that every environment has a connection of.
pub const PROVIDER: &str = "fake";
/// A provider with a connection in `ENVIRONMENT` only, whose directory is not known.
pub const SECOND_PROVIDER: &str = "ledger";

/// A workspace.
pub const WORKSPACE: Uuid = id(0x0a00);
/// Another workspace.
pub const OTHER_WORKSPACE: Uuid = id(0x0b00);
/// An environment of `WORKSPACE`.
pub const ENVIRONMENT: Uuid = id(0x0a10);
/// Another environment of `WORKSPACE`.
pub const SISTER: Uuid = id(0x0a20);
/// An environment of `OTHER_WORKSPACE`.
pub const FOREIGN: Uuid = id(0x0b10);
/// A member of both workspaces, entitled to every environment.
pub const MEMBER: Uuid = id(0x0c01);
/// A member of `OTHER_WORKSPACE` only.
pub const STRANGER: Uuid = id(0x0c02);
/// The connection of `SECOND_PROVIDER` in `ENVIRONMENT`.
pub const SECOND_CONNECTION: Uuid = id(0x0a1f);
/// The environments of the world, with their workspaces.
const ENVIRONMENTS: [(Uuid, Uuid); 3] = [(WORKSPACE, ENVIRONMENT), (WORKSPACE, SISTER), (OTHER_WORKSPACE, FOREIGN)];
/// The id of nothing.
pub const NOTHING: Uuid = id(0x0fff);

const fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + number)
}

const fn below(parent: Uuid, number: u128) -> Uuid {
    Uuid::from_u128(parent.as_u128() + number)
}

/// The connection of `PROVIDER` in an environment of the world.
#[must_use]
pub const fn connection_of(environment: Uuid) -> Uuid {
    below(environment, 1)
}

/// The operation run of an environment of the world.
#[must_use]
pub const fn run_of(environment: Uuid) -> Uuid {
    below(environment, 2)
}

/// The inventory item of an environment of the world.
#[must_use]
pub const fn item_of(environment: Uuid) -> Uuid {
    below(environment, 3)
}

/// The policy version of an environment of the world.
#[must_use]
pub const fn version_of(environment: Uuid) -> Uuid {
    below(environment, 4)
}

/// The baseline profile of a workspace of the world.
#[must_use]
pub const fn profile_of(workspace: Uuid) -> Uuid {
    below(workspace, 5)
}

/// The baseline snapshot of a workspace of the world.
#[must_use]
pub const fn snapshot_of(workspace: Uuid) -> Uuid {
    below(workspace, 6)
}

/// The binding of an environment of the world, about a subject of its own.
#[must_use]
pub const fn binding_of(environment: Uuid) -> Uuid {
    below(environment, 7)
}

/// A value, written into SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// NULL.
    Null,
    /// Text.
    Text(String),
    /// An id.
    Id(Uuid),
    /// A flag.
    Flag(bool),
    /// A number.
    Number(i64),
    /// So many bytes.
    Bytes(usize),
    /// An expression, as it stands.
    Sql(String),
}

impl Value {
    fn sql(&self, engine: Engine) -> String {
        match self {
            Self::Null => "NULL".to_owned(),
            Self::Text(text) => format!("'{}'", text.replace('\'', "''")),
            Self::Id(id) => engine.id(*id),
            Self::Flag(flag) => flag.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Bytes(count) => match engine {
                Engine::Sqlite => format!("X'{}'", "07".repeat(*count)),
                Engine::Postgres => format!("'\\x{}'::bytea", "07".repeat(*count)),
            },
            Self::Sql(sql) => sql.clone(),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Uuid> for Value {
    fn from(id: Uuid) -> Self {
        Self::Id(id)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A row to insert. A column that is not named is NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    table: String,
    values: Vec<(String, Value)>,
}

impl Row {
    /// A row of `table` with nothing in it.
    #[must_use]
    pub fn of(table: &str) -> Self {
        Self { table: table.to_owned(), values: Vec::new() }
    }

    /// The same row with another value.
    #[must_use]
    pub fn with(mut self, column: &str, value: impl Into<Value>) -> Self {
        self.values.retain(|(name, _)| name != column);
        self.values.push((column.to_owned(), value.into()));
        self
    }

    /// The table it is for.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.table
    }

    /// What stands in a column.
    #[must_use]
    pub fn value(&self, column: &str) -> &Value {
        self.values.iter().find(|(name, _)| name == column).map_or(&Value::Null, |(_, value)| value)
    }

    /// Columns and values as `(a, b)` and `(1, 2)`.
    #[must_use]
    pub fn parts(&self, engine: Engine) -> (String, String) {
        let columns: Vec<&str> = self.values.iter().map(|(name, _)| name.as_str()).collect();
        let values: Vec<String> = self.values.iter().map(|(_, value)| value.sql(engine)).collect();
        (format!("({})", columns.join(", ")), format!("({})", values.join(", ")))
    }

    /// The statement that inserts it.
    #[must_use]
    pub fn sql(&self, engine: Engine) -> String {
        let (columns, values) = self.parts(engine);
        format!("INSERT INTO {} {columns} VALUES {values}", self.table)
    }

    /// Inserts it.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn insert(&self, raw: &mut Raw) -> Result<(), Error> {
        let sql = self.sql(raw.engine());
        raw.execute(&sql).await.map(|_| ())
    }
}

/// A number not used before in this process.
#[must_use]
pub fn fresh() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// An id not used before in this process.
#[must_use]
pub fn fresh_id() -> Uuid {
    below(id(0x1_0000), u128::from(fresh()))
}

/// A key not used before in this process: class `policy`, form `id`.
#[must_use]
pub fn fresh_key() -> String {
    format!("provider:{PROVIDER}:policy:widgetPolicy:widget:id:{}", fresh())
}

/// A valid row of `table`, in `ENVIRONMENT`, not equal to any before.
#[must_use]
pub fn valid(table: &str) -> Row {
    let row = Row::of(table);
    let own = |row: Row| row.with("workspace_id", WORKSPACE).with("id", fresh_id());
    let registered = |row: Row| changing(own(row).with("origin", "own"));
    let here = |row: Row| row.with("managed_environment_id", ENVIRONMENT);
    match table {
        "workspaces" => {
            let slug = format!("workspace-{}", fresh());
            row.with("id", fresh_id()).with("slug", slug).with("display_name", "A workspace").with("created_at", THEN)
        }
        "users" => {
            row.with("id", fresh_id()).with("display_name", "A person").with("kind", "person").with("created_at", THEN)
        }
        "api_tokens" => row
            .with("id", fresh_id())
            .with("user_id", MEMBER)
            .with("label", "A token")
            .with("secret_sha256", "e".repeat(64))
            .with("may_act_for_others", false)
            .with("created_at", THEN)
            .with("expires_at", LATER),
        "user_identities" => changing(row)
            .with("issuer", "https://id.example/")
            .with("subject", format!("subject-{}", fresh()))
            .with("user_id", MEMBER),
        "run_queue" => row.with("workspace_id", WORKSPACE).with("run_id", run_of(ENVIRONMENT)).with("due_at", LATER),
        "master_keys" => row
            .with("version", i64::try_from(fresh()).unwrap_or(i64::MAX).saturating_add(1_000))
            .with("fingerprint", "a".repeat(64))
            .with("created_at", THEN),
        "managed_environments" => registered(row).with("display_name", "An environment"),
        "workspace_memberships" => changing(row)
            .with("workspace_id", WORKSPACE)
            .with("user_id", STRANGER)
            .with("role", "operator")
            .with("origin", "own"),
        "environment_entitlements" => {
            changing(here(row)).with("workspace_id", WORKSPACE).with("user_id", MEMBER).with("origin", "own")
        }
        "environment_directories" => {
            let provider = format!("provider-{}", fresh());
            changing(here(row)).with("workspace_id", WORKSPACE).with("provider_key", provider)
        }
        "provider_connections" => here(registered(row))
            .with("provider_key", PROVIDER)
            .with("display_name", "A connection")
            .with("status", "enabled")
            .with("is_default", false)
            .with("health_status", "unknown"),
        "provider_credentials" => changing(here(row))
            .with("workspace_id", WORKSPACE)
            .with("provider_key", PROVIDER)
            .with("provider_connection_id", connection_of(ENVIRONMENT))
            .with("field", format!("field_{}", fresh()))
            .with("data_key_sealed", Value::Bytes(72))
            .with("value_sealed", Value::Bytes(50))
            .with("master_key_version", 1),
        "operation_runs" => here(registered(row))
            .with("operation_type", "inventory.collect")
            .with("scope_key", format!("fake:dir-{}", fresh()))
            .with("status", "queued"),
        "baseline_profiles" => registered(row).with("display_name", "A profile"),
        "baseline_snapshots" => registered(row).with("baseline_profile_id", profile_of(WORKSPACE)),
        "baseline_assignments" => {
            here(registered(row)).with("baseline_profile_id", profile_of(WORKSPACE)).with("ended_at", LATER)
        }
        "policy_versions" => here(registered(row)),
        "inventory_items" => inventory_item(here(own(row))),
        "provider_resource_bindings" => binding(here(own(row))),
        "audit_events" => event(row),
        "idempotency_keys" => row
            .with("workspace_id", WORKSPACE)
            .with("acting_user_id", MEMBER)
            .with("idempotency_key", format!("key-{}", fresh()))
            .with("operation", "binding.create")
            .with("request_sha256", "d".repeat(64))
            .with("binding_id", binding_of(ENVIRONMENT))
            .with("created_at", THEN),
        _ => row
            .with("workspace_id", WORKSPACE)
            .with("last_number", 0)
            .with("last_hash", "0".repeat(64))
            .with("note_key_sealed", Value::Bytes(72))
            .with("note_key_version", 1)
            .with("updated_at", THEN),
    }
}

/// A valid row of `table` that collides with none of the world's.
#[must_use]
pub fn uncrowded(table: &str) -> Row {
    match table {
        "environment_entitlements" => valid(table)
            .with("workspace_id", OTHER_WORKSPACE)
            .with("managed_environment_id", FOREIGN)
            .with("user_id", STRANGER),
        "audit_heads" => valid(table).with("workspace_id", Uuid::nil()),
        _ => valid(table),
    }
}

fn changing(row: Row) -> Row {
    row.with("created_at", THEN).with("updated_at", THEN)
}

fn event(row: Row) -> Row {
    let number = i64::try_from(fresh()).unwrap_or(i64::MAX).saturating_add(1);
    row.with("workspace_id", WORKSPACE)
        .with("number", number)
        .with("event_id", fresh_id())
        .with("occurred_at", THEN)
        .with("kind", "tenant")
        .with("managed_environment_id", ENVIRONMENT)
        .with("actor_kind", "operator")
        .with("actor_user_id", MEMBER)
        .with("action", "binding.created")
        .with("format", 1)
        .with("previous_hash", "a".repeat(64))
        .with("hash", "b".repeat(64))
}

fn inventory_item(row: Row) -> Row {
    let key = fresh_key();
    let value = key.rsplit(':').next().unwrap_or_default().to_owned();
    changing(row)
        .with("provider_key", PROVIDER)
        .with("canonical_subject_key", key)
        .with("canonical_key_version", 1)
        .with("subject_domain", "widgets")
        .with("subject_class", "policy")
        .with("subject_type_key", "widgetPolicy")
        .with("support_level", "supported")
        .with("resource_type", "widget")
        .with("provider_resource_id", value)
        .with("built_in", false)
        .with("is_default", false)
        .with("is_virtual", false)
        .with("tenant_owned", true)
        .with("descriptor_digest", format!("sha256:{}", "c".repeat(64)))
        .with("observation_status", "observed")
        .with("first_observed_at", THEN)
        .with("last_observed_at", THEN)
}

fn binding(row: Row) -> Row {
    changing(row)
        .with("provider_key", PROVIDER)
        .with("subject_domain", "widgets")
        .with("subject_class", "policy")
        .with("subject_type_key", "widgetPolicy")
        .with("canonical_subject_key", fresh_key())
        .with("canonical_key_version", 1)
        .with("resource_key", format!("provider:{PROVIDER}:policy:widgetPolicy:widget:id:R-1"))
        .with("provider_resource_type", "widget")
        .with("provider_resource_id", "R-1")
        .with("binding_status", "active")
        .with("resolution_mode", "manual_binding")
        .with("operator_note", "the same widget under a new name")
        .with("decided_by_kind", "operator")
        .with("decided_by_user_id", MEMBER)
        .with("decided_at", THEN)
}

/// A connection to a migrated database that now holds the world.
///
/// # Errors
///
/// What the database says.
pub async fn world(database: &TestDatabase) -> Result<Raw, Error> {
    let mut raw = database.raw().await;
    fill(&mut raw).await?;
    Ok(raw)
}

/// Fills a migrated database with the world.
///
/// # Errors
///
/// What the database says.
pub async fn fill(raw: &mut Raw) -> Result<(), Error> {
    fill_foundation(raw).await?;
    valid("master_keys").with("version", 1).insert(raw).await?;
    for (workspace, environment) in ENVIRONMENTS {
        let binding = valid("provider_resource_bindings").with("workspace_id", workspace);
        let binding = binding.with("managed_environment_id", environment);
        binding.with("id", binding_of(environment)).insert(raw).await?;
    }
    Ok(())
}

/// Fills the tables that are there before there are decisions.
///
/// # Errors
///
/// What the database says.
pub async fn fill_foundation(raw: &mut Raw) -> Result<(), Error> {
    for user in [MEMBER, STRANGER] {
        valid("users").with("id", user).insert(raw).await?;
    }
    for workspace in [WORKSPACE, OTHER_WORKSPACE] {
        valid("workspaces").with("id", workspace).insert(raw).await?;
        let of = |table| valid(table).with("workspace_id", workspace);
        of("workspace_memberships").with("user_id", MEMBER).with("role", "owner").insert(raw).await?;
        of("baseline_profiles").with("id", profile_of(workspace)).insert(raw).await?;
        let snapshot = of("baseline_snapshots").with("id", snapshot_of(workspace));
        snapshot.with("baseline_profile_id", profile_of(workspace)).insert(raw).await?;
        of("audit_heads").insert(raw).await?;
    }
    valid("workspace_memberships").with("workspace_id", OTHER_WORKSPACE).insert(raw).await?;
    for (workspace, environment) in ENVIRONMENTS {
        fill_environment(raw, workspace, environment).await?;
    }
    let of = |table| valid(table).with("provider_key", SECOND_PROVIDER);
    of("environment_directories").insert(raw).await?;
    of("provider_connections").with("id", SECOND_CONNECTION).insert(raw).await
}

async fn fill_environment(raw: &mut Raw, workspace: Uuid, environment: Uuid) -> Result<(), Error> {
    let of = |table| valid(table).with("workspace_id", workspace).with("managed_environment_id", environment);
    let named = valid("managed_environments").with("workspace_id", workspace).with("id", environment);
    named.insert(raw).await?;
    of("environment_entitlements").insert(raw).await?;
    let directory = of("environment_directories").with("provider_key", PROVIDER);
    directory.with("directory_id", "dir-1").insert(raw).await?;
    let connection = of("provider_connections").with("id", connection_of(environment));
    connection.with("directory_id", "dir-1").insert(raw).await?;
    of("operation_runs").with("id", run_of(environment)).insert(raw).await?;
    of("inventory_items").with("id", item_of(environment)).insert(raw).await?;
    of("policy_versions").with("id", version_of(environment)).insert(raw).await?;
    let assignment = of("baseline_assignments").with("baseline_profile_id", profile_of(workspace));
    assignment.with("ended_at", Value::Null).insert(raw).await
}
