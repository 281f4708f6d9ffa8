//! Inventory rows: what was last observed.

use std::collections::HashMap;
use std::fmt;

use provident_identity::{CanonicalSubjectKey, ProviderResourceDescriptor, ResourceIdentity, SubjectClass};
use sqlx::FromRow;
use uuid::Uuid;

use super::StoreError;
use super::engine::{Tx, on, run, sql};
use super::environment::EnvironmentScope;
use super::tx::{ReadTx, WriteTx};
use crate::clock::Timestamp;
use crate::inventory::{InventoryFilter, InventoryItem, Label, ObservationStatus};
use crate::page::{Page, PageRequest};

/// What an import needs to know of a row it may touch.
#[derive(Clone, FromRow)]
pub(crate) struct KnownItem {
    pub(crate) canonical_subject_key: String,
    pub(crate) descriptor_digest: String,
    pub(crate) fingerprint: Option<String>,
    display_label: Option<String>,
    pub(crate) last_import_id: Option<Uuid>,
    pub(crate) last_import_position: Option<i64>,
}

impl fmt::Debug for KnownItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A label is for people who look at the inventory, not for logs.
        f.debug_struct("KnownItem")
            .field("canonical_subject_key", &self.canonical_subject_key)
            .field("descriptor_digest", &self.descriptor_digest)
            .field("last_import_id", &self.last_import_id)
            .finish_non_exhaustive()
    }
}

impl KnownItem {
    /// What it was called.
    pub(crate) fn label(&self) -> Option<&str> {
        self.display_label.as_deref()
    }
}

/// The run and the connection a resource was seen through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Through {
    pub(crate) run_id: Uuid,
    pub(crate) connection_id: Uuid,
}

/// A resource seen by an import.
#[derive(Clone, Debug)]
pub(crate) struct Observation<'a> {
    pub(crate) key: &'a CanonicalSubjectKey,
    pub(crate) digest: &'a str,
    pub(crate) descriptor: &'a ProviderResourceDescriptor,
    pub(crate) label: Option<&'a Label>,
    pub(crate) import_id: Uuid,
    pub(crate) position: i64,
    pub(crate) adapter_digest: Option<&'a str>,
    pub(crate) through: Option<Through>,
}

#[derive(FromRow)]
#[expect(clippy::struct_excessive_bools, reason = "four columns, not a state")]
struct ItemRow {
    id: Uuid,
    workspace_id: Uuid,
    managed_environment_id: Uuid,
    provider_key: String,
    provider_connection_id: Option<Uuid>,
    canonical_subject_key: String,
    subject_domain: String,
    subject_class: String,
    subject_type_key: String,
    support_level: String,
    resource_type: String,
    provider_resource_id: Option<String>,
    external_id: Option<String>,
    discriminator: Option<String>,
    fingerprint: Option<String>,
    built_in: bool,
    is_default: bool,
    is_virtual: bool,
    tenant_owned: bool,
    display_label: Option<String>,
    descriptor_digest: String,
    observation_status: String,
    first_observed_at: Timestamp,
    last_observed_at: Timestamp,
    last_import_id: Option<Uuid>,
    adapter_digest: Option<String>,
}

impl TryFrom<ItemRow> for InventoryItem {
    type Error = StoreError;

    fn try_from(row: ItemRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            workspace_id: row.workspace_id,
            environment_id: row.managed_environment_id,
            provider_connection_id: row.provider_connection_id,
            canonical_subject_key: CanonicalSubjectKey::from_stored(row.canonical_subject_key),
            subject_domain: row.subject_domain,
            subject_class: row.subject_class.parse().map_err(|_| StoreError::Corrupt("subject class"))?,
            subject_type_key: row.subject_type_key,
            support_level: row.support_level.parse().map_err(|_| StoreError::Corrupt("support level"))?,
            identity: ResourceIdentity {
                provider_key: row.provider_key,
                resource_type: row.resource_type,
                provider_resource_id: row.provider_resource_id,
                external_id: row.external_id,
                discriminator: row.discriminator,
                fingerprint: row.fingerprint,
                built_in: row.built_in,
                default: row.is_default,
                virtual_: row.is_virtual,
                tenant_owned: row.tenant_owned,
            },
            display_label: row.display_label.map(Label::from_stored),
            descriptor_digest: row.descriptor_digest,
            observation_status: ObservationStatus::ALL
                .iter()
                .copied()
                .find(|status| status.as_str() == row.observation_status)
                .ok_or(StoreError::Corrupt("observation status"))?,
            first_observed_at: row.first_observed_at,
            last_observed_at: row.last_observed_at,
            last_import_id: row.last_import_id,
            adapter_digest: row.adapter_digest,
        })
    }
}

macro_rules! item_columns {
    () => {
        "id, workspace_id, managed_environment_id, provider_key, provider_connection_id, canonical_subject_key, \
         subject_domain, subject_class, subject_type_key, support_level, resource_type, provider_resource_id, \
         external_id, discriminator, fingerprint, built_in, is_default, is_virtual, tenant_owned, display_label, \
         descriptor_digest, observation_status, first_observed_at, last_observed_at, last_import_id, \
         adapter_digest"
    };
}

impl ReadTx {
    /// An item of a workspace by its id, wherever in it.
    pub(crate) async fn inventory_item_by_id(
        &mut self,
        workspace_id: Uuid,
        id: Uuid,
    ) -> Result<Option<InventoryItem>, StoreError> {
        let text = sql!(
            "inventory_item_by_id",
            concat!("SELECT ", item_columns!(), " FROM inventory_items WHERE workspace_id = $1 AND id = $2")
        );
        let row: Option<ItemRow> =
            on!(self.tx, |conn| sqlx::query_as(text).bind(workspace_id).bind(id).fetch_optional(conn))?;
        row.map(InventoryItem::try_from).transpose()
    }

    /// Those of these items that are the environment's; in no order.
    pub(crate) async fn inventory_items_by_id(
        &mut self,
        scope: &EnvironmentScope,
        ids: &[Uuid],
    ) -> Result<Vec<InventoryItem>, StoreError> {
        let mut rows: Vec<ItemRow> = Vec::new();
        match &mut self.tx {
            _ if ids.is_empty() => {}
            Tx::Postgres(tx) => {
                let text = sql!(
                    "inventory_items_by_id_postgres",
                    concat!(
                        "SELECT i.* FROM unnest(CAST($3 AS uuid[])) AS k(item) \
                         CROSS JOIN LATERAL (SELECT ",
                        item_columns!(),
                        " FROM inventory_items \
                         WHERE workspace_id = $1 AND managed_environment_id = $2 AND id = k.item) AS i"
                    )
                );
                let query = sqlx::query_as(text).bind(scope.workspace_id()).bind(scope.environment_id());
                rows = query.bind(ids).fetch_all(&mut **tx).await?;
            }
            // Here a statement costs no journey.
            Tx::Sqlite(tx) => {
                let text = sql!(
                    "inventory_items_by_id_sqlite",
                    concat!(
                        "SELECT ",
                        item_columns!(),
                        " FROM inventory_items WHERE workspace_id = $1 AND managed_environment_id = $2 AND id = $3"
                    )
                );
                for id in ids {
                    let query = sqlx::query_as(text).bind(scope.workspace_id()).bind(scope.environment_id());
                    rows.extend(query.bind(id).fetch_optional(&mut **tx).await?);
                }
            }
        }
        rows.into_iter().map(InventoryItem::try_from).collect()
    }

    /// The items of an environment that a filter lets through, by id.
    pub(crate) async fn inventory_items(
        &mut self,
        scope: &EnvironmentScope,
        filter: &InventoryFilter,
        page: PageRequest,
    ) -> Result<Page<InventoryItem>, StoreError> {
        let text = sql!(
            "inventory_items",
            concat!(
                "SELECT ",
                item_columns!(),
                " FROM inventory_items WHERE workspace_id = $1 AND managed_environment_id = $2 \
                 AND ($3 IS NULL OR id > $3) \
                 AND ($4 IS NULL OR provider_key = $4) \
                 AND ($5 IS NULL OR subject_class = $5) \
                 AND ($6 IS NULL OR subject_domain = $6) \
                 AND ($7 IS NULL OR subject_type_key = $7) \
                 AND ($8 IS NULL OR canonical_subject_key = $8) \
                 AND ($9 IS NULL OR observation_status = $9) \
                 ORDER BY id LIMIT $10"
            )
        );
        let rows: Vec<ItemRow> = on!(self.tx, |conn| sqlx::query_as(text)
            .bind(scope.workspace_id())
            .bind(scope.environment_id())
            .bind(page.after())
            .bind(filter.provider_key.as_deref())
            .bind(filter.subject_class.map(SubjectClass::as_str))
            .bind(filter.subject_domain.as_deref())
            .bind(filter.subject_type_key.as_deref())
            .bind(filter.canonical_subject_key.as_deref())
            .bind(filter.observation_status.map(ObservationStatus::as_str))
            .bind(page.limit())
            .fetch_all(conn))?;
        let items = rows.into_iter().map(InventoryItem::try_from).collect::<Result<Vec<_>, _>>()?;
        Ok(page.page(items, |item| item.id))
    }

    /// What is known of these keys in an environment.
    pub(crate) async fn known_items(
        &mut self,
        scope: &EnvironmentScope,
        keys: &[&str],
    ) -> Result<HashMap<String, KnownItem>, StoreError> {
        let rows: Vec<KnownItem> = match &mut self.tx {
            Tx::Postgres(tx) => {
                let text = sql!(
                    "known_items_postgres",
                    "SELECT i.canonical_subject_key, i.descriptor_digest, i.fingerprint, i.display_label, \
                     i.last_import_id, i.last_import_position \
                     FROM unnest(CAST($3 AS text[])) AS k(key) \
                     JOIN inventory_items i ON i.workspace_id = $1 AND i.managed_environment_id = $2 \
                     AND i.canonical_subject_key = k.key"
                );
                sqlx::query_as(text)
                    .bind(scope.workspace_id())
                    .bind(scope.environment_id())
                    .bind(keys)
                    .fetch_all(&mut **tx)
                    .await?
            }
            Tx::Sqlite(tx) => {
                let text = sql!(
                    "known_items_sqlite",
                    "SELECT i.canonical_subject_key, i.descriptor_digest, i.fingerprint, i.display_label, \
                     i.last_import_id, i.last_import_position \
                     FROM json_each($3) AS k CROSS JOIN inventory_items i \
                     WHERE i.workspace_id = $1 AND i.managed_environment_id = $2 \
                     AND i.canonical_subject_key = k.value"
                );
                let keys = serde_json::to_string(keys).map_err(|_| StoreError::Corrupt("key"))?;
                sqlx::query_as(text)
                    .bind(scope.workspace_id())
                    .bind(scope.environment_id())
                    .bind(keys)
                    .fetch_all(&mut **tx)
                    .await?
            }
        };
        Ok(rows.into_iter().map(|row| (row.canonical_subject_key.clone(), row)).collect())
    }
}

impl WriteTx {
    /// Keeps an observation that says something new: a new row, or a new state of the one there is. Of two imports at
    /// once the later to write may have begun first: when it was last seen never moves back.
    pub(crate) async fn upsert_inventory_item(
        &mut self,
        scope: &EnvironmentScope,
        seen: &Observation<'_>,
    ) -> Result<(), StoreError> {
        let id = self.ids.next(self.now).map_err(|_| StoreError::Unavailable("no randomness".to_owned()))?;
        let text = sql!(
            "upsert_inventory_item",
            "INSERT INTO inventory_items ( \
                 workspace_id, id, managed_environment_id, provider_key, canonical_subject_key, \
                 canonical_key_version, subject_domain, subject_class, subject_type_key, support_level, \
                 resource_type, provider_resource_id, external_id, discriminator, fingerprint, built_in, \
                 is_default, is_virtual, tenant_owned, display_label, descriptor_digest, observation_status, \
                 first_observed_at, last_observed_at, last_import_id, last_import_position, adapter_digest, \
                 created_at, updated_at, provider_connection_id, source_operation_run_id) \
             VALUES ($1, $2, $3, $4, $5, 1, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, \
                 $20, 'observed', $21, $21, $22, $23, $24, $21, $21, $25, $26) \
             ON CONFLICT (workspace_id, managed_environment_id, canonical_subject_key) DO UPDATE SET \
                 subject_domain = excluded.subject_domain, support_level = excluded.support_level, \
                 provider_resource_id = excluded.provider_resource_id, external_id = excluded.external_id, \
                 discriminator = excluded.discriminator, fingerprint = excluded.fingerprint, \
                 built_in = excluded.built_in, is_default = excluded.is_default, \
                 is_virtual = excluded.is_virtual, tenant_owned = excluded.tenant_owned, \
                 display_label = excluded.display_label, descriptor_digest = excluded.descriptor_digest, \
                 observation_status = excluded.observation_status, \
                 last_observed_at = CASE WHEN excluded.last_observed_at > inventory_items.last_observed_at \
                     THEN excluded.last_observed_at ELSE inventory_items.last_observed_at END, \
                 last_import_id = excluded.last_import_id, \
                 last_import_position = excluded.last_import_position, \
                 adapter_digest = excluded.adapter_digest, updated_at = excluded.updated_at, \
                 provider_connection_id = coalesce(excluded.provider_connection_id, \
                     inventory_items.provider_connection_id), \
                 source_operation_run_id = coalesce(excluded.source_operation_run_id, \
                     inventory_items.source_operation_run_id)"
        );
        let (now, identity) = (self.now, &seen.descriptor.identity);
        run!(
            self.read.tx,
            sqlx::query(text)
                .bind(scope.workspace_id())
                .bind(id)
                .bind(scope.environment_id())
                .bind(identity.provider_key.as_str())
                .bind(seen.key.as_str())
                .bind(seen.descriptor.subject_domain.as_str())
                .bind(seen.descriptor.subject_class.as_str())
                .bind(seen.descriptor.subject_type_key.as_str())
                .bind(seen.descriptor.support_level.as_str())
                .bind(identity.resource_type.as_str())
                .bind(identity.provider_resource_id.as_deref())
                .bind(identity.external_id.as_deref())
                .bind(identity.discriminator.as_deref())
                .bind(identity.fingerprint.as_deref())
                .bind(identity.built_in)
                .bind(identity.default)
                .bind(identity.virtual_)
                .bind(identity.tenant_owned)
                .bind(seen.label.map(Label::as_str))
                .bind(seen.digest)
                .bind(now)
                .bind(seen.import_id)
                .bind(seen.position)
                .bind(seen.adapter_digest)
                .bind(seen.through.map(|through| through.connection_id))
                .bind(seen.through.map(|through| through.run_id))
        )?;
        Ok(())
    }

    /// Keeps an observation that says nothing new, but that it was made. False if it does say something new by now.
    pub(crate) async fn touch_inventory_item(
        &mut self,
        scope: &EnvironmentScope,
        seen: &Observation<'_>,
    ) -> Result<bool, StoreError> {
        let text = sql!(
            "touch_inventory_item",
            "UPDATE inventory_items SET observation_status = 'observed', \
             last_observed_at = CASE WHEN $4 > last_observed_at THEN $4 ELSE last_observed_at END, \
             last_import_id = $5, last_import_position = $6, adapter_digest = $7, \
             provider_connection_id = coalesce($11, provider_connection_id), \
             source_operation_run_id = coalesce($12, source_operation_run_id) \
             WHERE workspace_id = $1 AND managed_environment_id = $2 AND canonical_subject_key = $3 \
             AND descriptor_digest = $8 AND fingerprint IS NOT DISTINCT FROM $9 \
             AND display_label IS NOT DISTINCT FROM $10"
        );
        let now = self.now;
        let touched = run!(
            self.read.tx,
            sqlx::query(text)
                .bind(scope.workspace_id())
                .bind(scope.environment_id())
                .bind(seen.key.as_str())
                .bind(now)
                .bind(seen.import_id)
                .bind(seen.position)
                .bind(seen.adapter_digest)
                .bind(seen.digest)
                .bind(seen.descriptor.identity.fingerprint.as_deref())
                .bind(seen.label.map(Label::as_str))
                .bind(seen.through.map(|through| through.connection_id))
                .bind(seen.through.map(|through| through.run_id))
        )?;
        Ok(touched == 1)
    }

    /// Marks items of one type that an import has not seen and nobody since it began, at most so many; says how many. The
    /// conditions stand outside too: a row that somebody else has just seen is judged as it is then.
    pub(crate) async fn mark_not_observed(
        &mut self,
        scope: &EnvironmentScope,
        (provider_key, subject_type_key): (&str, &str),
        (import_id, begun_at): (Uuid, Timestamp),
        most: i64,
    ) -> Result<u64, StoreError> {
        let text = sql!(
            "mark_not_observed",
            "UPDATE inventory_items SET observation_status = 'not_observed', updated_at = $8 \
             WHERE workspace_id = $1 AND managed_environment_id = $2 AND observation_status = 'observed' \
             AND (last_import_id IS NULL OR last_import_id <> $5) AND last_observed_at < $6 AND id IN ( \
                 SELECT i.id FROM inventory_items i WHERE i.workspace_id = $1 AND i.managed_environment_id = $2 \
                 AND i.provider_key = $3 AND i.subject_type_key = $4 AND i.observation_status = 'observed' \
                 AND (i.last_import_id IS NULL OR i.last_import_id <> $5) AND i.last_observed_at < $6 \
                 ORDER BY i.id LIMIT $7)"
        );
        let now = self.now;
        Ok(run!(
            self.read.tx,
            sqlx::query(text)
                .bind(scope.workspace_id())
                .bind(scope.environment_id())
                .bind(provider_key)
                .bind(subject_type_key)
                .bind(import_id)
                .bind(begun_at)
                .bind(most)
                .bind(now)
        )?)
    }
}
