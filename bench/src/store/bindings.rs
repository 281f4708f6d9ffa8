//! The bindings databases are filled with: every row is a function of its number, so that whoever asks for one knows
//! the answer beforehand.
//!
//! Blocks of 16 subjects have 20 rows: twelve decided once, two superseded once, one superseded twice, one revoked.
//! Keys are scattered, as ids given by others are, over every environment there is. How rows get into a table: `fill`.

use super::place::Home;
use provident::clock::Timestamp;
use std::fmt::Write as _;
use uuid::Uuid;

/// Columns of the table, in the order of a row's cells.
pub(crate) const COLUMNS: [&str; 34] = [
    "workspace_id",
    "id",
    "managed_environment_id",
    "provider_key",
    "provider_connection_id",
    "subject_domain",
    "subject_class",
    "subject_type_key",
    "legacy_subject_key",
    "canonical_subject_key",
    "canonical_key_version",
    "resource_key",
    "provider_resource_type",
    "provider_resource_id",
    "provider_resource_external_id",
    "provider_resource_discriminator",
    "provider_resource_fingerprint",
    "binding_status",
    "resolution_mode",
    "resolution_reason",
    "operator_note",
    "decided_by_kind",
    "decided_by_user_id",
    "decided_at",
    "ended_at",
    "ended_by_user_id",
    "ended_note",
    "supersedes_binding_id",
    "source_operation_run_id",
    "source_baseline_snapshot_id",
    "source_inventory_item_id",
    "source_policy_version_id",
    "created_at",
    "updated_at",
];

/// A value of a row.
#[derive(Clone)]
pub(super) enum Cell {
    Null,
    Id(Uuid),
    Time(Timestamp),
    Text(String),
    Number(i64),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Uuid> for Cell {
    fn from(id: Uuid) -> Self {
        Self::Id(id)
    }
}

impl From<Timestamp> for Cell {
    fn from(time: Timestamp) -> Self {
        Self::Time(time)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Appends a row as COPY reads it. No text here has a tab, a line feed or a backslash.
pub(super) fn write_copy_line(line: &mut String, cells: &[Cell]) {
    for (at, cell) in cells.iter().enumerate() {
        if at > 0 {
            line.push('\t');
        }
        // Writing to a string cannot fail.
        let _ = match cell {
            Cell::Null => line.write_str("\\N"),
            Cell::Id(id) => write!(line, "{id}"),
            Cell::Time(time) => write!(line, "{time}"),
            Cell::Text(text) => line.write_str(text),
            Cell::Number(number) => write!(line, "{number}"),
        };
    }
    line.push('\n');
}

/// What a look-up has to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Active(Uuid),
    Ended(Uuid),
    Nothing,
}

/// A question and its answer.
pub(super) struct Question {
    pub(super) home: Home,
    pub(super) key: String,
    pub(super) expected: Expected,
}

/// Rows and subjects of a block.
const BLOCK_ROWS: u64 = 20;
const BLOCK_SUBJECTS: u64 = 16;
/// Numbers of subjects nobody decided about start here.
const UNKNOWN: u64 = 1 << 40;
/// Numbers of subjects that are decided about while measuring start here.
pub(super) const NEW: u64 = 1 << 44;
/// 2024-01-01; a row is decided a second after the one before.
const FIRST_US: i64 = 1_704_067_200_000_000;

/// A number that looks like any other: the finaliser of splitmix64.
pub(crate) fn scattered(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// An id as providers give them.
fn guid(number: u64) -> Uuid {
    Uuid::from_u64_pair(scattered(number), scattered(!number))
}

/// The key of a subject.
pub(super) fn key(subject: u64) -> String {
    format!("provider:fake:policy:widgetPolicy:widget:id:{}", guid(subject))
}

/// When a row was decided.
fn decided_at(row: u64) -> Timestamp {
    Timestamp::from_micros(FIRST_US + i64::try_from(row).unwrap_or(0).saturating_mul(1_000_000))
}

/// A row's id, in the order of time as the service's are.
fn row_id(row: u64) -> Uuid {
    let millis = u64::try_from(decided_at(row).as_micros() / 1_000).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random_bytes(row)).into_uuid()
}

fn random_bytes(number: u64) -> [u8; 10] {
    let mut bytes = [0; 10];
    let drawn = scattered(number).to_le_bytes().into_iter().chain(scattered(!number).to_le_bytes());
    bytes.iter_mut().zip(drawn).for_each(|(byte, drawn)| *byte = drawn);
    bytes
}

/// How a subject of a block was decided about: where its rows begin, how many there are, whether the last one ended.
fn shape(at: u64) -> (u64, u64, bool) {
    match at {
        0..12 => (at, 1, false),
        12 => (12, 2, false),
        13 => (14, 2, false),
        14 => (16, 3, false),
        _ => (19, 1, true),
    }
}

/// So many rows, over these environments.
#[derive(Clone)]
pub(super) struct Bindings {
    pub(super) homes: Vec<Home>,
    pub(super) rows: u64,
}

impl Bindings {
    pub(super) fn subjects(&self) -> u64 {
        self.rows / BLOCK_ROWS * BLOCK_SUBJECTS
    }

    fn home(&self, subject: u64) -> Option<Home> {
        let count = u64::try_from(self.homes.len()).unwrap_or(u64::MAX).max(1);
        let at = scattered(subject ^ 0x5eed) % count;
        self.homes.get(usize::try_from(at).unwrap_or(0)).copied()
    }

    /// A question: one in a hundred is about a subject nobody decided about, the others are spread evenly.
    pub(super) fn question(&self, number: u64) -> Option<Question> {
        let drawn = scattered(number);
        if number % 100 == 37 {
            let subject = UNKNOWN + drawn % UNKNOWN;
            return Some(Question { home: self.home(subject)?, key: key(subject), expected: Expected::Nothing });
        }
        let subject = drawn % self.subjects().max(1);
        let (first, count, ended) = shape(subject % BLOCK_SUBJECTS);
        let last = subject / BLOCK_SUBJECTS * BLOCK_ROWS + first + count - 1;
        let expected = if ended { Expected::Ended(row_id(last)) } else { Expected::Active(row_id(last)) };
        Some(Question { home: self.home(subject)?, key: key(subject), expected })
    }

    /// The rows of some subjects, in order.
    pub(super) fn rows_of(&self, subjects: std::ops::Range<u64>) -> impl Iterator<Item = [Cell; 34]> + '_ {
        subjects.filter_map(|subject| Some((subject, self.home(subject)?))).flat_map(|(subject, home)| {
            let (first, count, ended) = shape(subject % BLOCK_SUBJECTS);
            let first = subject / BLOCK_SUBJECTS * BLOCK_ROWS + first;
            (0..count).map(move |at| cells(&home, subject, first, at, count, ended))
        })
    }

    /// Every row.
    pub(super) fn all(&self) -> impl Iterator<Item = [Cell; 34]> + '_ {
        self.rows_of(0..self.subjects())
    }
}

/// What of a row its mode decides.
struct Decision {
    mode: &'static str,
    resource: Option<Uuid>,
    by_system: bool,
}

/// Three in five bound by the platform, a quarter by hand, the others kept out or missed. What follows a decision is
/// decided by hand.
fn decision(subject: u64, at: u64) -> Decision {
    let elsewhere = Some(guid(subject ^ (1 << 50)));
    let (mode, resource, by_system) = match scattered(subject ^ 0x00de_c1de) % 20 {
        0..12 if at == 0 => ("exact_provider_identity", Some(guid(subject)), true),
        17 | 18 if at == 0 => ("excluded_non_governed", None, false),
        19 if at == 0 => ("missing_expected", None, false),
        _ => ("manual_binding", elsewhere, false),
    };
    Decision { mode, resource, by_system }
}

fn cells(home: &Home, subject: u64, first: u64, at: u64, count: u64, ended: bool) -> [Cell; 34] {
    let row = first + at;
    let decision = decision(subject, at);
    let superseded = at + 1 < count;
    let revoked = ended && !superseded;
    let user_id = home.actor.user_id();
    let status = if superseded {
        "superseded"
    } else if revoked {
        "revoked"
    } else {
        "active"
    };
    let ended_at = (superseded || revoked).then(|| decided_at(row + 1));
    let legacy = subject.is_multiple_of(2).then(|| format!("widget|Widget policy {subject}"));
    let note = format!("Decided in review {} for the widgets of line {}.", row / 50, subject % 97);
    let resource_key = decision.resource.map(|id| format!("provider:fake:policy:widgetPolicy:widget:id:{id}"));
    [
        home.workspace_id.into(),
        row_id(row).into(),
        home.environment_id.into(),
        "fake".into(),
        home.connection_id.into(),
        "things".into(),
        "policy".into(),
        "widgetPolicy".into(),
        legacy.into(),
        key(subject).into(),
        Cell::Number(1),
        resource_key.into(),
        decision.resource.map(|_| "widget").into(),
        decision.resource.map(|id| id.to_string()).into(),
        Cell::Null,
        Cell::Null,
        Cell::Null,
        status.into(),
        decision.mode.into(),
        decision.by_system.then_some("same-identity").into(),
        (!decision.by_system).then_some(note).into(),
        if decision.by_system { "system" } else { "operator" }.into(),
        (!decision.by_system).then_some(user_id).into(),
        decided_at(row).into(),
        ended_at.into(),
        revoked.then_some(user_id).into(),
        revoked.then_some("No longer ours to govern.").into(),
        (at > 0).then(|| row_id(row.saturating_sub(1))).into(),
        decision.by_system.then_some(home.run_id).into(),
        Cell::Null,
        Cell::Null,
        Cell::Null,
        decided_at(row).into(),
        ended_at.unwrap_or_else(|| decided_at(row)).into(),
    ]
}
