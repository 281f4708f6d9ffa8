//! What a database says about its own schema, in one shape for both engines.
//!
//! SQLite forgets the names of its constraints, so they are read from the text of `CREATE TABLE`, one constraint a
//! piece as the migrations write them; what the pragmas tell is compared with that reading, so that a constraint
//! written in another way is not overlooked but fails. sqlx's own table is left out, and so are the parts of a
//! partitioned table, which live in schemas of their own.

use std::fmt::{self, Write as _};

use crate::database::Raw;
use crate::tables::PLATFORM_TABLES;

/// One table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// In their order.
    pub columns: Vec<Column>,
    /// Its name and columns.
    pub primary_key: Key,
    /// Unique constraints and unique indexes.
    pub unique: Vec<Key>,
    /// By name.
    pub foreign_keys: Vec<ForeignKey>,
    /// Name and text, by name.
    pub checks: Vec<(String, String)>,
    /// Indexes that are not unique.
    pub indexes: Vec<Key>,
    /// Name and text, by name.
    pub triggers: Vec<(String, String)>,
    /// On PostgreSQL: whether row-level security is on and holds the owner too, then its policies by name.
    pub policies: Vec<(String, String)>,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, with the collation that is not the database's own.
    pub kind: String,
    /// Whether it may be NULL.
    pub nullable: bool,
    /// Its default.
    pub default: Option<String>,
}

/// A primary key, a unique constraint or an index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Key {
    /// Its name.
    pub name: String,
    /// Its columns, in their order.
    pub columns: Vec<String>,
    /// The condition of a partial index.
    pub condition: Option<String>,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// Its name.
    pub name: String,
    /// Its columns, in their order.
    pub columns: Vec<String>,
    /// The table it points at.
    pub table: String,
    /// The columns it points at.
    pub references: Vec<String>,
    /// What follows, such as `ON UPDATE RESTRICT ON DELETE RESTRICT`.
    pub actions: String,
}

impl Table {
    /// Whether its rows belong to a workspace.
    #[must_use]
    pub fn is_tenants(&self) -> bool {
        !PLATFORM_TABLES.contains(&self.name.as_str())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.columns.join(", "))?;
        self.condition.as_ref().map_or(Ok(()), |condition| write!(f, " where {condition}"))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "table {}", self.name)?;
        for column in &self.columns {
            let null = if column.nullable { "" } else { " not null" };
            let default = column.default.as_ref().map(|text| format!(" default {text}")).unwrap_or_default();
            writeln!(f, "  column {} {}{null}{default}", column.name, column.kind)?;
        }
        writeln!(f, "  primary key {}", self.primary_key)?;
        for key in &self.unique {
            writeln!(f, "  unique {key}")?;
        }
        for key in &self.foreign_keys {
            let (columns, references) = (key.columns.join(", "), key.references.join(", "));
            writeln!(f, "  foreign key {} ({columns}) -> {} ({references}) {}", key.name, key.table, key.actions)?;
        }
        for (name, text) in &self.checks {
            writeln!(f, "  check {name}: {text}")?;
        }
        for key in &self.indexes {
            writeln!(f, "  index {key}")?;
        }
        for (name, text) in &self.triggers {
            writeln!(f, "  trigger {name}: {text}")?;
        }
        for (name, text) in &self.policies {
            writeln!(f, "  policy {name}: {text}")?;
        }
        Ok(())
    }
}

/// All tables as text, for a golden file.
#[must_use]
pub fn text(tables: &[Table]) -> String {
    let mut text = String::new();
    for table in tables {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{table}");
    }
    text
}

/// Reads the schema of the database at the other end, tables by name.
///
/// # Errors
///
/// What the database says.
///
/// # Panics
///
/// When a SQLite table is written in a way this does not read.
pub async fn read(raw: &mut Raw) -> Result<Vec<Table>, sqlx::Error> {
    let query = match raw {
        Raw::Sqlite(_) => "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name",
        Raw::Postgres(_) => {
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition \
             ORDER BY relname COLLATE \"C\""
        }
    };
    let names = raw.rows(query).await?.into_iter().filter_map(|row| row.into_iter().next().flatten());
    let mut tables = Vec::new();
    for name in names.filter(|name| !name.starts_with("sqlite_") && name != "_sqlx_migrations") {
        let mut table = match raw {
            Raw::Sqlite(_) => sqlite(raw, &name).await?,
            Raw::Postgres(_) => postgres(raw, &name).await?,
        };
        table.unique.sort_by(|a, b| a.name.cmp(&b.name));
        table.foreign_keys.sort_by(|a, b| a.name.cmp(&b.name));
        table.checks.sort();
        table.indexes.sort_by(|a, b| a.name.cmp(&b.name));
        tables.push(table);
    }
    Ok(tables)
}

async fn postgres(raw: &mut Raw, name: &str) -> Result<Table, sqlx::Error> {
    let mut table = Table { name: name.to_owned(), ..Table::default() };
    let rows = raw
        .rows(&format!(
            "SELECT attname, format_type(atttypid, atttypmod)
                || coalesce(' collate ' || (SELECT collname FROM pg_collation c
                    WHERE c.oid = attcollation AND collname <> 'default'), ''),
                attnotnull, pg_get_expr(adbin, adrelid)
             FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
             WHERE attrelid = '{name}'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        ))
        .await?;
    for row in rows {
        let [name, kind, required, default] = cells(row);
        table.columns.push(Column { name: is(name), kind: is(kind), nullable: is(required) == "f", default });
    }
    let columns = |keys: &str, table: &str| {
        format!(
            "(SELECT string_agg(attname, ',' ORDER BY place) FROM unnest({keys}) WITH ORDINALITY AS k (number, place)
                JOIN pg_attribute ON attrelid = {table} AND attnum = number)"
        )
    };
    let rows = raw
        .rows(&format!(
            "SELECT conname, contype, pg_get_constraintdef(oid), {}, confrelid::regclass, {},
                substring(pg_get_constraintdef(oid) FROM ' (ON .*)$')
             FROM pg_constraint WHERE conrelid = '{name}'::regclass AND conparentid = 0 ORDER BY conname COLLATE \"C\"",
            columns("conkey", "conrelid"),
            columns("confkey", "confrelid"),
        ))
        .await?;
    for row in rows {
        let [name, kind, text, own, other, references, actions] = cells(row);
        let (name, own) = (is(name), split(&own.unwrap_or_default()));
        match is(kind).as_str() {
            "p" => table.primary_key = Key { name, columns: own, condition: None },
            "u" => table.unique.push(Key { name, columns: own, condition: None }),
            "c" => table.checks.push((name, one_line(&is(text)))),
            "f" => table.foreign_keys.push(ForeignKey {
                name,
                columns: own,
                table: is(other),
                references: split(&is(references)),
                actions: actions.unwrap_or_default(),
            }),
            other => table.checks.push((name, format!("kind {other}"))),
        }
    }
    let rows = raw
        .rows(&format!(
            "SELECT relname, indisunique, {}, pg_get_expr(indpred, indrelid)
             FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
             WHERE indrelid = '{name}'::regclass
                 AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND conrelid = indrelid)",
            columns("indkey::int2[]", "indrelid"),
        ))
        .await?;
    for row in rows {
        let [name, unique, own, condition] = cells(row);
        let key = Key { name: is(name), columns: split(&is(own)), condition };
        if is(unique) == "t" { table.unique.push(key) } else { table.indexes.push(key) }
    }
    let triggers = format!(
        "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = '{name}'::regclass AND NOT tgisinternal"
    );
    for row in raw.rows(&triggers).await? {
        let [name, text] = cells(row);
        table.triggers.push((is(name), is(text)));
    }
    table.policies = policies(raw, name).await?;
    Ok(table)
}

async fn policies(raw: &mut Raw, name: &str) -> Result<Vec<(String, String)>, sqlx::Error> {
    let query = format!(
        "SELECT '', 'enabled ' || relrowsecurity || ', forced ' || relforcerowsecurity
         FROM pg_class WHERE oid = '{name}'::regclass
         UNION ALL
         SELECT polname, CASE polpermissive WHEN true THEN 'permissive' ELSE 'restrictive' END || ' for ' || CAST(polcmd AS text)
             || ' using ' || coalesce(pg_get_expr(polqual, polrelid), '-')
             || ' check ' || coalesce(pg_get_expr(polwithcheck, polrelid), '-')
         FROM pg_policy WHERE polrelid = '{name}'::regclass ORDER BY 1"
    );
    let rows = raw.rows(&query).await?.into_iter().map(|row| {
        let [name, text] = cells(row);
        (is(name), one_line(&is(text)))
    });
    Ok(rows.collect())
}

async fn sqlite(raw: &mut Raw, name: &str) -> Result<Table, sqlx::Error> {
    let mut table = Table { name: name.to_owned(), ..Table::default() };
    let sql = is(raw.value(&format!("SELECT sql FROM sqlite_schema WHERE name = '{name}'")).await?);
    // A single number as the key would be the row's own number, which SQLite makes up where none is given.
    assert!(sql.ends_with(") STRICT") || sql.ends_with(") STRICT, WITHOUT ROWID"), "`{name}` is not a strict table");
    let info = format!("SELECT name, type, \"notnull\", dflt_value FROM pragma_table_xinfo('{name}')");
    for row in raw.rows(&info).await? {
        let [name, kind, required, default] = cells(row);
        table.columns.push(Column { name: is(name), kind: is(kind), nullable: is(required) == "0", default });
    }
    for (name, text) in constraints(&sql) {
        if let Some(columns) = text.strip_prefix("PRIMARY KEY ") {
            table.primary_key = Key { name, columns: listed(columns), condition: None };
        } else if let Some(columns) = text.strip_prefix("UNIQUE ") {
            table.unique.push(Key { name, columns: listed(columns), condition: None });
        } else if text.starts_with("CHECK ") {
            table.checks.push((name, text));
        } else {
            table.foreign_keys.push(foreign_key(name, &text));
        }
    }
    let read = 1 + table.unique.len();
    let list = format!("SELECT name, \"unique\", origin FROM pragma_index_list('{name}')");
    let mut of_constraints = 0;
    for row in raw.rows(&list).await? {
        let [name, unique, origin] = cells(row);
        let name = is(name);
        if is(origin) != "c" {
            of_constraints += 1;
            continue;
        }
        let own = raw.rows(&format!("SELECT name FROM pragma_index_info('{name}')")).await?;
        let columns = own.into_iter().map(|row| row.into_iter().flatten().collect()).collect();
        let sql = one_line(&is(raw.value(&format!("SELECT sql FROM sqlite_schema WHERE name = '{name}'")).await?));
        let condition = sql.split_once(" WHERE ").map(|(_, condition)| condition.to_owned());
        let key = Key { name, columns, condition };
        if is(unique) == "1" { table.unique.push(key) } else { table.indexes.push(key) }
    }
    assert_eq!(of_constraints, read, "`{name}`: keys of constraints");
    let keys = format!("SELECT count(DISTINCT id) FROM pragma_foreign_key_list('{name}')");
    let count = table.foreign_keys.len().to_string();
    assert_eq!(raw.value(&keys).await?, Some(count), "`{name}`: foreign keys");
    assert_eq!(sql.matches("CHECK (").count(), table.checks.len(), "`{name}`: checks");
    let triggers =
        format!("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = '{name}' ORDER BY name");
    for row in raw.rows(&triggers).await? {
        let [name, text] = cells(row);
        table.triggers.push((is(name), one_line(&is(text))));
    }
    Ok(table)
}

/// Name and text, on one line, of every constraint of a `CREATE TABLE`.
fn constraints(sql: &str) -> Vec<(String, String)> {
    let code: Vec<&str> = sql.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let code = code.join("\n");
    code.split("\n    CONSTRAINT ")
        .skip(1)
        .filter_map(|piece| {
            let (name, text) = piece.split_once(char::is_whitespace)?;
            let text = text.strip_suffix(", WITHOUT ROWID").unwrap_or(text);
            let text = one_line(text.strip_suffix("\n) STRICT").unwrap_or(text));
            Some((name.to_owned(), text.trim_end_matches(',').to_owned()))
        })
        .collect()
}

/// Of `FOREIGN KEY (a, b) REFERENCES t (c, d) ON …`.
fn foreign_key(name: String, text: &str) -> ForeignKey {
    let mut parts = text.splitn(3, ['(', ')']).skip(1);
    let columns = split(parts.next().unwrap_or_default());
    let rest = parts.next().unwrap_or_default().trim().trim_start_matches("REFERENCES ");
    let (table, rest) = rest.split_once(' ').unwrap_or_default();
    let (references, actions) = rest.split_once(')').unwrap_or_default();
    ForeignKey {
        name,
        columns,
        table: table.to_owned(),
        references: split(references.trim_start_matches('(')),
        actions: actions.trim().to_owned(),
    }
}

fn listed(text: &str) -> Vec<String> {
    split(text.trim_start_matches('(').trim_end_matches(')'))
}

fn split(text: &str) -> Vec<String> {
    text.split(',').map(|column| column.trim().to_owned()).filter(|column| !column.is_empty()).collect()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn cells<const N: usize>(row: Vec<Option<String>>) -> [Option<String>; N] {
    let mut row = row.into_iter();
    std::array::from_fn(|_| row.next().flatten())
}

fn is(cell: Option<String>) -> String {
    cell.unwrap_or_default()
}
