//! Reads one line of a sync, member by member, so that a refusal names the one at fault. Every member is taken once; what
//! is left over is unknown, and refused.

use std::fmt;
use std::str::FromStr;

use provident_identity::ErrorCode;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{
    ConnectionRecord, ConnectionStatus, Record, RecordKind, RegistryItem, RegistryLine, RunRecord, RunStatus, Version,
};
use crate::clock::Timestamp;
use crate::inventory::ImportRefusal;

/// How much of an unknown member's name is said back.
const SHOWN_CHARACTERS: usize = 64;

impl RegistryLine {
    /// Reads a line.
    ///
    /// # Errors
    /// `malformed-line`, `field-required`, `unknown-field`, `unknown-kind`, `bad-value`, `bad-external-ref`,
    /// `bad-display-name`, `bad-provider-key`, `bad-run-state`.
    pub fn read(position: u64, text: &str) -> RegistryItem {
        read(position, text).map_err(|refused| ImportRefusal {
            position,
            first_position: None,
            code: refused.code.to_owned(),
            field: refused.field,
            message: refused.message.to_owned(),
        })
    }
}

struct Refused {
    code: &'static str,
    field: String,
    message: &'static str,
}

impl Refused {
    fn new(code: &'static str, field: &str, message: &'static str) -> Self {
        Self { code, field: field.to_owned(), message }
    }
}

fn read(position: u64, text: &str) -> Result<RegistryLine, Refused> {
    let members = serde_json::from_str::<Members<'_>>(text)
        .map_err(|_| Refused::new("malformed-line", "line", "a line is one JSON object"))?;
    let mut members = members.without_doubles()?;
    let kind: RecordKind = members.word("kind", "unknown-kind", "none of the kinds of rows there are")?;
    let external_ref =
        members.word("external_ref", "bad-external-ref", "1 to 255 bytes, printable, no white space around it")?;
    let record = record(&mut members, kind)?;
    members.end()?;
    Ok(RegistryLine { position, external_ref, record })
}

fn record(members: &mut Members<'_>, kind: RecordKind) -> Result<Record, Refused> {
    Ok(match kind {
        RecordKind::Environment => Record::Environment { display_name: members.display_name()? },
        RecordKind::Membership => Record::Membership {
            user_id: members.required("user_id")?,
            role: members.word("role", "bad-value", "there is no such role")?,
            ended: members.optional("ended")?.unwrap_or_default(),
        },
        RecordKind::Entitlement => Record::Entitlement {
            environment: members.required("environment")?,
            user_id: members.required("user_id")?,
            ended: members.optional("ended")?.unwrap_or_default(),
        },
        RecordKind::ProviderConnection => Record::ProviderConnection(ConnectionRecord {
            environment: members.required("environment")?,
            provider_key: members.word(
                "provider_key",
                ErrorCode::BadProviderKey.as_str(),
                "outside `[a-z0-9][a-z0-9_-]{0,63}`",
            )?,
            directory_id: members.optional("directory_id")?,
            display_name: members.display_name()?,
            status: members.optional_word("status", "`enabled` or `disabled`")?.unwrap_or(ConnectionStatus::Enabled),
            is_default: members.optional("is_default")?.unwrap_or_default(),
        }),
        RecordKind::OperationRun => Record::OperationRun(run(members)?),
        RecordKind::BaselineProfile => Record::BaselineProfile { display_name: members.display_name()? },
        RecordKind::BaselineSnapshot => {
            Record::BaselineSnapshot { profile: members.required("baseline_profile")?, version: members.version()? }
        }
        RecordKind::BaselineAssignment => Record::BaselineAssignment {
            environment: members.required("environment")?,
            profile: members.required("baseline_profile")?,
            ended: members.optional("ended")?.unwrap_or_default(),
        },
        RecordKind::PolicyVersion => Record::PolicyVersion {
            environment: members.required("environment")?,
            inventory_item_id: members.optional("inventory_item_id")?,
            version: members.version()?,
        },
    })
}

/// What a run says must hold together: an outcome and an end when it is over and not before, a beginning once it runs.
fn run(members: &mut Members<'_>) -> Result<RunRecord, Refused> {
    let run = RunRecord {
        environment: members.required("environment")?,
        operation_type: members.word("operation_type", "bad-value", "outside `[a-z0-9][a-z0-9._-]{0,63}`")?,
        connection: members.optional("provider_connection")?,
        status: members.word("status", "bad-value", "`queued`, `running` or `completed`")?,
        outcome: members.optional_word("outcome", "`succeeded`, `partially_succeeded`, `failed` or `cancelled`")?,
        reason_code: members.optional_word("reason_code", "outside `[a-z0-9][a-z0-9._-]{0,63}`")?,
        started_at: members.moment("started_at")?,
        ended_at: members.moment("ended_at")?,
    };
    let over = run.status == RunStatus::Completed;
    let refuse = |field, message| Err(Refused::new("bad-run-state", field, message));
    if over != run.outcome.is_some() {
        return refuse("outcome", "a completed run has one, and no other");
    }
    if over != run.ended_at.is_some() {
        return refuse("ended_at", "a completed run has one, and no other");
    }
    if !over && (run.status == RunStatus::Running) != run.started_at.is_some() {
        return refuse("started_at", "a running run has one, a queued one has none");
    }
    if run.started_at.zip(run.ended_at).is_some_and(|(started_at, ended_at)| ended_at < started_at) {
        return refuse("ended_at", "before it began");
    }
    Ok(run)
}

/// A moment as RFC 3339 writes it, with any offset.
struct Moment(Timestamp);

impl FromStr for Moment {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        text.parse().map(|moment: jiff::Timestamp| Self(Timestamp::from_micros(moment.as_microsecond())))
    }
}

/// The members of an object that nobody has taken yet, as they are written.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    fn without_doubles(self) -> Result<Self, Refused> {
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        for pair in names.windows(2) {
            if let [one, other] = pair
                && one == other
            {
                return Err(Refused::new("malformed-line", &shown(one), "a member is given twice"));
            }
        }
        Ok(self)
    }

    /// A member's text; none for one that is left out or `null`.
    fn take(&mut self, name: &str) -> Option<&'a str> {
        let at = self.0.iter().position(|(other, _)| other == name)?;
        let (_, value) = self.0.swap_remove(at);
        Some(value.get()).filter(|text| *text != "null")
    }

    fn optional<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<Option<T>, Refused> {
        let read = |text| {
            serde_json::from_str(text).map_err(|_| Refused::new("bad-value", name, "not what this member takes"))
        };
        self.take(name).map(read).transpose()
    }

    fn required<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<T, Refused> {
        self.optional(name)?.ok_or_else(|| required(name))
    }

    fn parsed<T: FromStr>(
        &mut self,
        name: &'static str,
        code: &'static str,
        message: &'static str,
    ) -> Result<Option<T>, Refused> {
        let text: Option<String> = self.optional(name)?;
        text.map(|text| text.parse().map_err(|_| Refused::new(code, name, message))).transpose()
    }

    fn word<T: FromStr>(
        &mut self,
        name: &'static str,
        code: &'static str,
        message: &'static str,
    ) -> Result<T, Refused> {
        self.parsed(name, code, message)?.ok_or_else(|| required(name))
    }

    fn optional_word<T: FromStr>(&mut self, name: &'static str, message: &'static str) -> Result<Option<T>, Refused> {
        self.parsed(name, "bad-value", message)
    }

    fn moment(&mut self, name: &'static str) -> Result<Option<Timestamp>, Refused> {
        let moment: Option<Moment> = self.optional_word(name, "not a moment as RFC 3339 writes it")?;
        Ok(moment.map(|Moment(moment)| moment))
    }

    fn display_name<T: FromStr>(&mut self) -> Result<T, Refused> {
        let message = "1 to 512 bytes, printable, no white space around it";
        self.word("display_name", "bad-display-name", message)
    }

    fn version(&mut self) -> Result<Version, Refused> {
        Ok(Version { label: self.optional("version_label")?, captured_at: self.moment("captured_at")? })
    }

    fn end(self) -> Result<(), Refused> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => {
                Err(Refused::new(ErrorCode::UnknownField.as_str(), &shown(name), "no row of this kind has it"))
            }
        }
    }
}

fn required(name: &'static str) -> Refused {
    Refused::new("field-required", name, "a row of this kind needs it")
}

fn shown(name: &str) -> String {
    name.chars().take(SHOWN_CHARACTERS).collect()
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}
