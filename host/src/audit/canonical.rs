//! An event as RFC 8785 JSON: the bytes a hash is made of.
//!
//! The same bytes as `serde_json` writes for an [`AuditEvent`], which a test holds it to, in a third of the time:
//! whoever verifies a chain writes every event of it again. Nothing here knows hashes or chains; see `verify.rs`.

use std::io::Write as _;

use uuid::Uuid;
use uuid::fmt::Hyphenated;

use super::AuditEvent;
use crate::clock::Timestamp;

/// A kind of value an event has.
trait Member {
    fn write(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error>;
}

impl<T: Member> Member for Option<T> {
    fn write(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        if let Some(member) = self {
            return member.write(out);
        }
        out.extend_from_slice(b"null");
        Ok(())
    }
}

impl Member for String {
    fn write(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        // Without a way out of the loop, many bytes are looked at at once.
        let escaped = |byte| matches!(byte, 0..=0x1f | b'"' | b'\\');
        let plain = self.bytes().fold(0, |found, byte| found | u8::from(escaped(byte))) == 0;
        if !plain {
            return serde_json::to_writer(out, self);
        }
        out.push(b'"');
        out.extend_from_slice(self.as_bytes());
        out.push(b'"');
        Ok(())
    }
}

impl Member for Uuid {
    fn write(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        out.push(b'"');
        out.extend_from_slice(self.hyphenated().encode_lower(&mut [0; Hyphenated::LENGTH]).as_bytes());
        out.push(b'"');
        Ok(())
    }
}

impl Member for Timestamp {
    fn write(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        write!(out, "\"{self}\"").map_err(serde_json::Error::io)
    }
}

impl Member for i32 {
    fn write(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        serde_json::to_writer(out, self)
    }
}

impl Member for i64 {
    fn write(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        serde_json::to_writer(out, self)
    }
}

/// Writes members in the order they are named in. Taking the event apart makes it an error to leave one out.
macro_rules! object {
    ($event:expr, $out:expr, $first:ident $(, $member:ident)*) => {{
        let AuditEvent { $first $(, $member)* } = $event;
        $out.extend_from_slice(concat!("{\"", stringify!($first), "\":").as_bytes());
        $first.write($out)?;
        $(
            $out.extend_from_slice(concat!(",\"", stringify!($member), "\":").as_bytes());
            $member.write($out)?;
        )*
        $out.push(b'}');
    }};
}

/// Appends the event, nulls kept. All its numbers are integers below 2^53 and its member names ASCII, so that the order
/// of names and plain decimal digits are that form.
pub(super) fn write(event: &AuditEvent, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    object!(
        event,
        out,
        action,
        actor_kind,
        actor_token_id,
        actor_user_id,
        added_count,
        attempted_action,
        canonical_subject_key,
        changed_count,
        denial,
        event_id,
        import_id,
        key_version,
        kind,
        managed_environment_id,
        new_binding_id,
        new_binding_status,
        new_resolution_mode,
        note_hmac,
        note_key_version,
        note_length,
        number,
        occurred_at,
        old_binding_id,
        old_binding_status,
        old_resolution_mode,
        old_role,
        operation_type,
        provider_connection_id,
        provider_key,
        refused_count,
        request_id,
        resolution_reason,
        role,
        run_outcome,
        run_reason_code,
        source_baseline_snapshot_id,
        source_inventory_item_id,
        source_operation_run_id,
        source_policy_version_id,
        subject_class,
        subject_domain,
        subject_type_key,
        target_id,
        unchanged_count,
        workspace_id
    );
    Ok(())
}
