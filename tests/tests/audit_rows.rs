//! Tampering with the rows of the audit trail, by somebody who can write every table: what the database does not refuse,
//! verifying finds at the first place it was done.
#![cfg(test)]

use std::collections::BTreeMap;

use provident::audit::{ChainedEvent, Checkpoint, Fault, Finding, Verdict};
use provident_tests::database::{Engine, Raw, on_both_engines};
use provident_tests::installation::Installation;
use provident_tests::trail::{Dice, end_of, exported, relinked, story, verdict};
use uuid::Uuid;

/// What a column holds.
#[derive(Clone, Copy)]
enum Kind {
    Id,
    Whole,
    Text,
    Time,
}

const COLUMNS: [(&str, Kind); 48] = [
    ("workspace_id", Kind::Id),
    ("number", Kind::Whole),
    ("event_id", Kind::Id),
    ("occurred_at", Kind::Time),
    ("kind", Kind::Text),
    ("managed_environment_id", Kind::Id),
    ("actor_kind", Kind::Text),
    ("actor_user_id", Kind::Id),
    ("actor_token_id", Kind::Id),
    ("request_id", Kind::Text),
    ("action", Kind::Text),
    ("attempted_action", Kind::Text),
    ("denial", Kind::Text),
    ("target_id", Kind::Id),
    ("role", Kind::Text),
    ("old_role", Kind::Text),
    ("provider_key", Kind::Text),
    ("provider_connection_id", Kind::Id),
    ("canonical_subject_key", Kind::Text),
    ("subject_domain", Kind::Text),
    ("subject_class", Kind::Text),
    ("subject_type_key", Kind::Text),
    ("old_binding_id", Kind::Id),
    ("old_resolution_mode", Kind::Text),
    ("old_binding_status", Kind::Text),
    ("new_binding_id", Kind::Id),
    ("new_resolution_mode", Kind::Text),
    ("new_binding_status", Kind::Text),
    ("source_operation_run_id", Kind::Id),
    ("source_baseline_snapshot_id", Kind::Id),
    ("source_inventory_item_id", Kind::Id),
    ("source_policy_version_id", Kind::Id),
    ("resolution_reason", Kind::Text),
    ("note_length", Kind::Whole),
    ("note_hmac", Kind::Text),
    ("note_key_version", Kind::Whole),
    ("key_version", Kind::Whole),
    ("operation_type", Kind::Text),
    ("run_outcome", Kind::Text),
    ("run_reason_code", Kind::Text),
    ("import_id", Kind::Id),
    ("added_count", Kind::Whole),
    ("changed_count", Kind::Whole),
    ("unchanged_count", Kind::Whole),
    ("refused_count", Kind::Whole),
    ("format", Kind::Whole),
    ("previous_hash", Kind::Text),
    ("hash", Kind::Text),
];

/// A trail whose rows can be changed and put back.
struct Trail {
    world: Installation,
    raw: Raw,
    events: Vec<ChainedEvent>,
    checkpoint: Checkpoint,
}

impl Trail {
    /// The story's trail, its rows no longer frozen and copied aside.
    async fn of(world: Installation) -> Self {
        story(&world).await;
        let events = exported(&world, &world.acme.workspace).await;
        let mut raw = world.raw().await;
        if raw.engine() == Engine::Sqlite {
            for trigger in ["tr_events_no_update", "tr_events_no_delete", "tr_heads_forward", "tr_heads_no_delete"] {
                raw.execute(&format!("DROP TRIGGER {trigger}")).await.unwrap();
            }
        }
        for table in ["audit_events", "audit_heads"] {
            raw.execute(&format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}")).await.unwrap();
        }
        Self { checkpoint: end_of(&events), world, raw, events }
    }

    /// Takes away what refuses rows that are none.
    async fn without_checks(&mut self) {
        let sql = match self.raw.engine() {
            Engine::Sqlite => "PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF",
            Engine::Postgres => {
                "DO $$ DECLARE c record; BEGIN FOR c IN SELECT conname FROM pg_constraint \
                 WHERE conrelid = 'audit_events'::regclass AND contype IN ('c', 'f') AND conparentid = 0 \
                 LOOP EXECUTE format('ALTER TABLE audit_events DROP CONSTRAINT %I', c.conname); END LOOP; END $$"
            }
        };
        self.raw.execute(sql).await.unwrap();
    }

    fn workspace(&self) -> String {
        self.raw.engine().id(self.world.acme.workspace_id)
    }

    /// `WHERE` for one event.
    fn at(&self, number: usize) -> String {
        format!("WHERE workspace_id = {} AND number = {number}", self.workspace())
    }

    async fn sql(&mut self, sql: &str) {
        self.raw.execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Puts every row back.
    async fn restore(&mut self) {
        for table in ["audit_events", "audit_heads"] {
            self.sql(&format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table}")).await;
        }
    }

    async fn verdict(&self) -> Verdict {
        verdict(&self.world, &self.world.acme.workspace, Some(&self.checkpoint)).await
    }

    fn found(&self, number: usize, fault: Fault) -> Verdict {
        let number = i64::try_from(number).unwrap();
        Err(Finding { workspace_id: self.world.acme.workspace_id, number, fault })
    }

    /// Changes rows, has the chain verified and puts them back.
    async fn after(&mut self, sql: &str) -> Verdict {
        self.sql(sql).await;
        let verdict = self.verdict().await;
        self.restore().await;
        verdict
    }
}

/// Another value of a column, in SQL; and the number a row has then, if that is the column.
fn another(engine: Engine, name: &str, kind: Kind, value: Option<&str>, dice: &mut Dice) -> (String, Option<i64>) {
    let Some(value) = value else {
        let texts = ["x", "owner", "policy", "active", "manual_binding", "not-found", "binding.create", "succeeded"];
        return match kind {
            Kind::Id => (engine.id(Uuid::from_u128(7)), None),
            Kind::Whole => ("1".to_owned(), None),
            Kind::Text | Kind::Time => (format!("'{}'", texts[dice.below(texts.len())]), None),
        };
    };
    if dice.below(8) == 0 {
        return ("NULL".to_owned(), None);
    }
    match kind {
        Kind::Id => {
            (engine.id(Uuid::from_u128(value.parse::<Uuid>().unwrap().as_u128() ^ (1 << dice.below(128)))), None)
        }
        Kind::Whole => {
            let number = value.parse::<i64>().unwrap() ^ (1 << dice.below(20));
            (number.to_string(), (name == "number").then_some(number))
        }
        Kind::Text => {
            let mut bytes = value.as_bytes().to_vec();
            let at = dice.below(bytes.len());
            bytes[at] ^= 1 << dice.below(5);
            let text = String::from_utf8_lossy(&bytes).replace('\'', "''").replace('\0', "\u{1}");
            (format!("'{text}'"), None)
        }
        Kind::Time if engine == Engine::Sqlite => (format!("replace({name}, '.000000Z', '.000001Z')"), None),
        Kind::Time => (format!("{name} + interval '1 microsecond'"), None),
    }
}

#[test]
fn an_edit_of_any_column_is_refused_or_found() {
    on_both_engines(|database| async move {
        let mut trail = Trail::of(Installation::on(database).await).await;
        let engine = trail.raw.engine();
        let mut dice = Dice(0xd1ce);
        let (mut refused, mut found) = (0, BTreeMap::<&str, u32>::new());
        for case in 0..480 {
            if case == 240 {
                assert!(refused > 20 && found.values().sum::<u32>() > 80, "{refused} refused, found {found:?}");
                trail.without_checks().await;
            }
            let (name, kind) = COLUMNS[case % COLUMNS.len()];
            let number = dice.number(trail.events.len());
            let at = trail.at(number);
            let value = trail.raw.value(&format!("SELECT {name} FROM audit_events {at}")).await.unwrap();
            let (new, moved) = another(engine, name, kind, value.as_deref(), &mut dice);
            if trail.raw.execute(&format!("UPDATE audit_events SET {name} = {new} {at}")).await.is_err() {
                refused += 1;
                continue;
            }
            let verdict = trail.verdict().await;
            let Err(finding) = verdict else { panic!("case {case}: {name} of {number} to {new}: {verdict:?}") };
            // A row whose number is none stands before all others.
            let place = if moved.is_some_and(|moved| moved < 1) { 1 } else { number };
            assert_eq!(finding.number, i64::try_from(place).unwrap(), "case {case}: {name} of {number} to {new}");
            *found.entry(finding.fault.code()).or_default() += 1;
            trail.restore().await;
        }
        assert!(trail.verdict().await.is_ok());
        assert!(found.values().sum::<u32>() > 280, "{refused} refused, found {found:?}");
        eprintln!("{engine}: {refused} edits refused, found {found:?}");
    });
}

#[test]
fn rows_taken_away_added_or_moved_are_found() {
    on_both_engines(|database| async move {
        let mut trail = Trail::of(Installation::on(database).await).await;
        trail.without_checks().await;
        let (last, acme) = (trail.events.len(), trail.workspace());
        let rival = trail.raw.engine().id(trail.world.rival.workspace_id);
        let mut dice = Dice(0xcafe);
        let all = "UPDATE audit_events SET number =";
        for _ in 0..20 {
            let (one, two) = (dice.number(last - 1), dice.number(last - 1));
            let (at, first) = (trail.at(one), one.min(two));
            if one != two {
                let swap = format!(
                    "{all} -1 {at}; {all} {one} {}; {all} {two} WHERE workspace_id = {acme} AND number = -1",
                    trail.at(two)
                );
                assert_eq!(trail.after(&swap).await, trail.found(first, Fault::PreviousHashMismatch));
            }
            let drop = format!("DELETE FROM audit_events {at}");
            assert_eq!(trail.after(&drop).await, trail.found(one, Fault::NumberGap));
            let close = format!(
                "{all} -number WHERE workspace_id = {acme} AND number > {one}; \
                                 {all} -number - 1 WHERE workspace_id = {acme} AND number < 0"
            );
            let closed = trail.after(&format!("{drop}; {close}")).await;
            assert_eq!(closed, trail.found(one, Fault::PreviousHashMismatch));
            let splice = format!(
                "{drop}; UPDATE audit_events SET workspace_id = {acme} WHERE workspace_id = {rival} AND number = {one}"
            );
            let fault = if one == 1 { Fault::HashMismatch } else { Fault::PreviousHashMismatch };
            assert_eq!(trail.after(&splice).await, trail.found(one, fault));
            let cut = format!("DELETE FROM audit_events WHERE workspace_id = {acme} AND number >= {one}");
            assert_eq!(trail.after(&cut).await, trail.found(one, Fault::CutTail));
        }
        // A row behind the end, and rows that hide before the first.
        trail.sql("CREATE TABLE copy AS SELECT * FROM audit_events WHERE number = 2").await;
        for (number, place, fault) in [
            (i64::try_from(last).unwrap() + 1, last + 1, Fault::PreviousHashMismatch),
            (0, 1, Fault::NumberOutOfOrder),
            (-7, 1, Fault::NumberOutOfOrder),
        ] {
            let copy = format!(
                "UPDATE copy SET number = {number}, event_id = {}; \
                 INSERT INTO audit_events SELECT * FROM copy WHERE workspace_id = {acme}",
                trail.raw.engine().id(Uuid::from_u128(7))
            );
            assert_eq!(trail.after(&copy).await, trail.found(place, fault));
        }
    });
}

#[test]
fn a_head_moved_with_the_end_of_its_chain_is_found_by_the_checkpoint_alone() {
    on_both_engines(|database| async move {
        let mut trail = Trail::of(Installation::on(database).await).await;
        trail.without_checks().await;
        let (last, acme) = (trail.events.len(), trail.workspace());
        let workspace = trail.world.acme.workspace.clone();
        let head = |number: usize, hash: &str| {
            format!("UPDATE audit_heads SET last_number = {number}, last_hash = '{hash}' WHERE workspace_id = {acme}")
        };
        let hash = |number: usize| trail.events[number - 1].hash.clone();

        // The end is cut, and the head moved back to it.
        let (cut, back) =
            (format!("DELETE FROM audit_events WHERE number > {}", last - 3), head(last - 3, &hash(last - 3)));
        // Every event from one on is written anew, and the head with them.
        let mut forged = trail.events.clone();
        forged[4].event.resolution_reason = Some("forged".to_owned());
        let forged = relinked(forged, 4);
        let mut anew = vec![format!("UPDATE audit_events SET resolution_reason = 'forged' {}", trail.at(5))];
        for event in &forged {
            let at = trail.at(usize::try_from(event.event.number).unwrap());
            let (previous, hash) = (&event.previous_hash, &event.hash);
            anew.push(format!("UPDATE audit_events SET previous_hash = '{previous}', hash = '{hash}' {at}"));
        }
        anew.push(head(last, &forged[last - 1].hash));
        let only_head = [
            (head(last - 1, &hash(last - 1)), last, Fault::HeadMismatch),
            (head(last + 1, &hash(last)), last + 1, Fault::CutTail),
            (head(last, &hash(last - 1)), last, Fault::HeadMismatch),
            (format!("DELETE FROM audit_heads WHERE workspace_id = {acme}"), last, Fault::HeadMissing),
        ];

        for (sql, place, fault) in
            [(format!("{cut}; {back}"), last - 2, Fault::CutTail), (anew.join("; "), last, Fault::CheckpointMismatch)]
        {
            trail.sql(&sql).await;
            assert!(verdict(&trail.world, &workspace, None).await.is_ok(), "a chain alone shows nothing");
            assert_eq!(trail.verdict().await, trail.found(place, fault));
            trail.restore().await;
        }
        for (sql, place, fault) in only_head {
            trail.sql(&sql).await;
            assert_eq!(verdict(&trail.world, &workspace, None).await, trail.found(place, fault));
            trail.restore().await;
        }
        assert!(trail.verdict().await.is_ok());
    });
}

#[test]
fn a_row_that_does_not_read_back_is_a_finding_at_its_number() {
    on_both_engines(|database| async move {
        let mut trail = Trail::of(Installation::on(database).await).await;
        trail.without_checks().await;
        let edits: &[&str] = match trail.raw.engine() {
            Engine::Sqlite => &["event_id = X'00'", "action = CAST(X'ff' AS TEXT)", "occurred_at = 'then'"],
            Engine::Postgres => {
                let nullable = "ALTER TABLE audit_events ALTER COLUMN action DROP NOT NULL, \
                                ALTER COLUMN event_id DROP NOT NULL, ALTER COLUMN format DROP NOT NULL";
                trail.sql(nullable).await;
                &["action = NULL", "event_id = NULL", "format = NULL"]
            }
        };
        for edit in edits {
            trail.sql(&format!("UPDATE audit_events SET {edit} {}", trail.at(9))).await;
            assert_eq!(trail.verdict().await, trail.found(9, Fault::UnreadableEvent));
            // An export has no line for it, and says so.
            let plane = provident_tests::installation::plane();
            let auditor = provident::service::Auditor::System(&plane);
            let mut export = trail.world.service.export_audit(auditor, &trail.world.acme.workspace).await.unwrap();
            assert_eq!(export.next_events().await.unwrap_err().code(), "database-corrupt");
            drop(export);
            // What is missing before it comes first.
            trail.sql(&format!("DELETE FROM audit_events {}", trail.at(5))).await;
            assert_eq!(trail.verdict().await, trail.found(5, Fault::NumberGap));
            trail.restore().await;
        }
    });
}
