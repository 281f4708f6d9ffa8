//! Configuration: what may be set, and where each value comes from. A flag comes first, then the environment, then the
//! file, then the default.
//!
//! Nothing here says who acts, in which workspace or in which environment, and nothing ever will: such a key in a file
//! is refused as every key nobody knows. A value that may hold a secret is in no message.

use super::output::Failure;
use std::collections::BTreeMap;
use std::env::VarError;
use std::fmt;
use std::path::{Path, PathBuf};
use toml::Value;

/// What kind of value a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// A whole number, from the first to the second.
    Number(u64, u64),
    /// `true` or `false`.
    Switch,
}

/// Something that may be set: by a flag and a key of the file of this name, and by the environment.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// What holds where nothing is said; none where that depends, or where nothing is set.
    pub(super) default: Option<&'static str>,
    /// The name other programs know it by in the environment, beside our own.
    also: Option<&'static str>,
}

const fn setting(name: &'static str, kind: Kind, default: Option<&'static str>) -> Setting {
    Setting { name, kind, default, also: None }
}

/// Every setting there is.
pub(super) const SETTINGS: &[Setting] = &[
    setting("data_dir", Kind::Text, None),
    Setting { also: Some("DATABASE_URL"), ..setting("database_url", Kind::Text, None) },
    setting("allow_privileged_database_role", Kind::Switch, Some("false")),
    setting("listen", Kind::Text, Some("127.0.0.1:8080")),
    setting("metrics_listen", Kind::Text, None),
    setting("log_format", Kind::Text, None),
    setting("log_level", Kind::Text, Some("info")),
    Setting { also: Some(FOREIGN_ENDPOINT), ..setting("otel_endpoint", Kind::Text, None) },
    setting("body_bytes", Kind::Number(1 << 10, 64 << 20), Some("8388608")),
    setting("body_time_s", Kind::Number(1, 300), Some("15")),
    setting("request_time_s", Kind::Number(1, 300), Some("30")),
    setting("rate_per_s", Kind::Number(1, 1_000_000), Some("500")),
    setting("rate_burst", Kind::Number(1, 1_000_000), Some("1000")),
    setting("shutdown_grace_s", Kind::Number(0, 3_600), Some("30")),
    setting("workers", Kind::Number(0, 64), Some("1")),
    setting("run_lease_s", Kind::Number(1, 3_600), Some("60")),
];

/// The tables of the file that say whose JWTs are taken; they come from the file alone.
const ISSUER: &str = "issuer";
/// And those that say where providers are.
const PROVIDER: &str = "provider";
/// Where the file itself is, if no flag says it.
const CONFIG: &str = "PROVIDENT_CONFIG";

/// The collector that is named to every program on a machine.
pub(super) const FOREIGN_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Flag(String),
    Environment(String),
    File,
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Environment(name) => f.write_str(name),
            Self::File => f.write_str("file"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value as it was written, and where.
#[derive(Clone)]
pub(super) struct Given {
    pub(super) value: Option<String>,
    pub(super) source: Source,
}

/// What flags and file say. The environment is asked when a value is.
#[derive(Clone, Default)]
pub(super) struct Layers {
    flags: BTreeMap<&'static str, String>,
    file: BTreeMap<&'static str, String>,
    issuers: Vec<toml::Table>,
    providers: Vec<toml::Table>,
}

impl Setting {
    /// The one of this name. Only names of the list are asked for.
    fn named(name: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.name == name)
    }

    /// Its flag.
    pub(super) fn flag(&self) -> String {
        format!("--{}", self.name.replace('_', "-"))
    }

    /// Its names in the environment, ours first.
    fn variables(&self) -> impl Iterator<Item = String> {
        let ours = format!("PROVIDENT_{}", self.name.to_ascii_uppercase());
        [ours].into_iter().chain(self.also.map(str::to_owned))
    }

    /// A value of the file, as it would be written elsewhere.
    fn of_file(&self, value: &Value) -> Result<String, Failure> {
        match (self.kind, value) {
            (Kind::Text, Value::String(text)) => Ok(text.clone()),
            (Kind::Number(..), Value::Integer(number)) => Ok(number.to_string()),
            (Kind::Switch, Value::Boolean(on)) => Ok(on.to_string()),
            _ => Err(bad(self.name, self.takes())),
        }
    }

    fn takes(&self) -> String {
        match self.kind {
            Kind::Text => "takes text".to_owned(),
            Kind::Number(least, most) => format!("takes a whole number from {least} to {most}"),
            Kind::Switch => "takes `true` or `false`".to_owned(),
        }
    }
}

/// What is wrong with a setting. The value is not in the message: it may be a secret at the wrong place.
pub(super) fn bad(name: &str, takes: impl fmt::Display) -> Failure {
    Failure::usage("bad-setting", format!("{name}: {takes}"))
}

impl Layers {
    /// Reads the file, if one is named by its flag or in the environment. None is looked for.
    pub(super) fn read(flag: Option<&Path>) -> Result<Self, Failure> {
        let path = match flag {
            Some(path) => Some(path.to_owned()),
            None => std::env::var_os(CONFIG).filter(|path| !path.is_empty()).map(PathBuf::from),
        };
        path.map_or_else(|| Ok(Self::default()), |path| Self::of_file(&path))
    }

    fn of_file(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::usage("config-unreadable", format!("{shown}: {error}")))?;
        // The parser's own words show the line, in which there may be a password.
        let table: toml::Table = toml::from_str(&text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count().saturating_add(1);
            Failure::usage("config-malformed", format!("{shown}: line {line} is not TOML, or says something twice"))
        })?;
        let mut layers = Self::default();
        for (key, value) in &table {
            if key == ISSUER {
                layers.issuers = tables(ISSUER, value)?;
                continue;
            }
            if key == PROVIDER {
                layers.providers = tables(PROVIDER, value)?;
                continue;
            }
            let Some(setting) = Setting::named(key) else {
                return Err(Failure::usage("unknown-setting", format!("{shown}: there is no setting `{key}`")));
            };
            layers.file.insert(setting.name, setting.of_file(value)?);
        }
        Ok(layers)
    }

    /// The same with what flags say, over everything else.
    pub(super) fn with_flags(mut self, flags: impl IntoIterator<Item = (&'static str, Option<String>)>) -> Self {
        let said = flags.into_iter().filter_map(|(name, value)| Some((name, value?)));
        self.flags.extend(said);
        self
    }

    /// The value that holds for a setting. An empty variable says nothing.
    pub(super) fn given(&self, name: &'static str) -> Result<Given, Failure> {
        let Some(setting) = Setting::named(name) else {
            return Ok(Given { value: None, source: Source::Default });
        };
        if let Some(value) = self.flags.get(name) {
            return Ok(Given { value: Some(value.clone()), source: Source::Flag(setting.flag()) });
        }
        for variable in setting.variables() {
            match std::env::var(&variable) {
                Ok(value) if value.is_empty() => {}
                Ok(value) => return Ok(Given { value: Some(value), source: Source::Environment(variable) }),
                Err(VarError::NotPresent) => {}
                Err(VarError::NotUnicode(_)) => return Err(bad(name, format!("{variable} is not UTF-8"))),
            }
        }
        if let Some(value) = self.file.get(name) {
            return Ok(Given { value: Some(value.clone()), source: Source::File });
        }
        Ok(Given { value: setting.default.map(str::to_owned), source: Source::Default })
    }

    /// A text, if it is set.
    pub(super) fn text(&self, name: &'static str) -> Result<Option<String>, Failure> {
        Ok(self.given(name)?.value)
    }

    /// A number in its range.
    pub(super) fn number(&self, name: &'static str) -> Result<u64, Failure> {
        let value = self.text(name)?.unwrap_or_default();
        let Some(setting) = Setting::named(name) else { return Err(bad(name, "takes nothing")) };
        let number = value.parse().ok().filter(|number| match setting.kind {
            Kind::Number(least, most) => (least..=most).contains(number),
            Kind::Text | Kind::Switch => false,
        });
        number.ok_or_else(|| bad(name, setting.takes()))
    }

    /// Whether something is switched on.
    pub(super) fn switch(&self, name: &'static str) -> Result<bool, Failure> {
        match self.text(name)?.as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(bad(name, "takes `true` or `false`")),
        }
    }

    /// The tables of issuers, as they stand in the file.
    pub(super) fn issuers(&self) -> &[toml::Table] {
        &self.issuers
    }

    /// The tables of providers, as they stand in the file.
    pub(super) fn providers(&self) -> &[toml::Table] {
        &self.providers
    }
}

fn tables(name: &str, value: &Value) -> Result<Vec<toml::Table>, Failure> {
    let takes = || bad(name, format!("takes tables, each begun by `[[{name}]]`"));
    let tables = value.as_array().ok_or_else(takes)?;
    tables.iter().map(|table| table.as_table().cloned().ok_or_else(takes)).collect()
}

/// A database's URL without what may be secret in it: the password, and every parameter but those that say where.
pub(super) fn masked(url: &str) -> String {
    const SHOWN: [&str; 6] = ["application_name", "dbname", "host", "port", "sslmode", "user"];
    let Some((scheme, rest)) = url.split_once("://").filter(|(scheme, _)| !scheme.starts_with("sqlite")) else {
        // A path, of which nothing is secret; anything else is no URL of ours.
        return if url.starts_with("sqlite:") { url.to_owned() } else { "***".to_owned() };
    };
    let (place, parameters) = rest.split_once('?').map_or((rest, None), |(place, rest)| (place, Some(rest)));
    let (who, place) = place.rsplit_once('@').map_or((None, place), |(who, place)| (Some(who), place));
    let (authority, path) = place.split_once('/').unwrap_or((place, ""));
    let port_is_one = authority.rsplit_once(':').is_none_or(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let strange = !port_is_one || path.contains(['@', ':']) || parameters.is_some_and(|all| all.contains('@'));
    if strange {
        return format!("{scheme}://***");
    }
    let who = who.map_or_else(String::new, |who| match who.split_once(':') {
        Some((user, _)) => format!("{user}:***@"),
        None => format!("{who}@"),
    });
    let parameters = parameters.map_or_else(String::new, |all| {
        let shown = all.split('&').map(|parameter| match parameter.split_once('=') {
            Some((name, _)) if SHOWN.contains(&name) => parameter.to_owned(),
            Some((name, _)) => format!("{name}=***"),
            None => "***".to_owned(),
        });
        format!("?{}", shown.collect::<Vec<_>>().join("&"))
    });
    format!("{scheme}://{who}{place}{parameters}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_database_url_the_password_is_masked_and_the_place_is_not() {
        for (url, shown) in [
            ("sqlite:/var/lib/x.sqlite", "sqlite:/var/lib/x.sqlite"),
            ("postgres://app@db/provident", "postgres://app@db/provident"),
            ("postgres://app:s3cret@db:5432/provident", "postgres://app:***@db:5432/provident"),
            ("postgres://app:s3@cret@db/provident", "postgres://app:***@db/provident"),
            (
                "postgres://db/p?user=a&password=s3cret&sslmode=require",
                "postgres://db/p?user=a&password=***&sslmode=require",
            ),
            ("postgres://app:s3/cret@db/provident", "postgres://app:***@db/provident"),
            ("postgres://app:s3?cret@db/provident", "postgres://***"),
            ("postgres://app:s3cret", "postgres://***"),
            ("postgresql://app@/p?host=/run/pg&pass%77ord=s3cret", "postgresql://app@/p?host=/run/pg&pass%77ord=***"),
            ("mysql:s3cret", "***"),
        ] {
            assert_eq!(masked(url), shown);
        }
    }

    #[test]
    fn every_default_is_a_value_its_setting_takes() {
        let layers = Layers::default();
        for setting in SETTINGS {
            let Some(default) = setting.default else { continue };
            match setting.kind {
                Kind::Text => assert_eq!(layers.text(setting.name).unwrap().unwrap(), default),
                Kind::Number(..) => assert_eq!(layers.number(setting.name).unwrap().to_string(), default),
                Kind::Switch => assert_eq!(layers.switch(setting.name).unwrap().to_string(), default),
            }
        }
    }
}
