//! Finding programs on this machine.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::process::{answer, command};

/// Where Debian and its relatives keep `PostgreSQL`'s server programs, one folder per major version.
pub(crate) const POSTGRES_VERSIONS: &str = "/usr/lib/postgresql";

/// The folder that holds a working `initdb` and `postgres` of one installation.
///
/// Looked for in this order: `named` (the variable `PG_BIN_DIR`), the folders of `path` (the variable `PATH`; a link
/// is followed to where the real program lives, since `initdb` looks for `postgres` beside itself), then the newest
/// version under `versions`. A named folder that does not hold them is not replaced by another one. `version` asks a
/// program for its version.
pub(crate) fn postgres(
    named: Option<&OsStr>,
    path: &OsStr,
    versions: &Path,
    version: impl Fn(&Path) -> Option<String>,
) -> Option<PathBuf> {
    let is_postgres = |folder: &PathBuf| holds_postgres(folder, &version);
    if let Some(named) = named.filter(|named| !named.is_empty()) {
        return Some(PathBuf::from(named)).filter(is_postgres);
    }
    std::env::split_paths(path)
        .filter_map(|folder| home_of(&folder.join("initdb")))
        .chain(newest_first(versions))
        .find(is_postgres)
}

/// The folder a program really lives in.
fn home_of(program: &Path) -> Option<PathBuf> {
    Some(fs::canonicalize(program).ok()?.parent()?.to_owned())
}

/// `versions/<number>/bin`, the highest number first.
fn newest_first(versions: &Path) -> impl Iterator<Item = PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(versions)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, folder)| folder)
}

/// Both programs are there and say that they are `PostgreSQL`'s: a version manager's stand-ins only start.
fn holds_postgres(folder: &Path, version: impl Fn(&Path) -> Option<String>) -> bool {
    ["initdb", "postgres"]
        .iter()
        .all(|program| version(&folder.join(program)).is_some_and(|version| version.contains("PostgreSQL")))
}

/// What a program answers to `--version`.
pub(crate) fn version(program: &Path) -> Option<String> {
    answer(command(program).arg("--version"))
}

/// Whether `apt-get` is how this system installs software: Debian, or one that says it is like it.
pub(crate) fn is_debian_like(os_release: &str) -> bool {
    os_release.lines().filter_map(|line| line.split_once('=')).any(|(name, value)| {
        matches!(name, "ID" | "ID_LIKE")
            && value.trim_matches('"').split(' ').any(|id| matches!(id, "debian" | "ubuntu"))
    })
}

#[cfg(test)]
mod tests {
    use super::{is_debian_like, postgres};
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::{Path, PathBuf};

    fn version(program: &Path) -> Option<String> {
        fs::read_to_string(program).ok()
    }

    /// A folder of this test's own, removed when it ends.
    struct Machine(PathBuf);

    impl Machine {
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("xtask-tool-{name}-{}", std::process::id()));
            fs::create_dir_all(&root).unwrap();
            Self(root.canonicalize().unwrap())
        }

        /// A program: its text is what it would answer to `--version`.
        fn program(&self, folder: &str, name: &str, version: &str) -> PathBuf {
            let folder = self.0.join(folder);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(name), format!("{name} {version}")).unwrap();
            folder
        }

        fn server(&self, folder: &str) -> PathBuf {
            self.program(folder, "initdb", "(PostgreSQL) 15.1");
            self.program(folder, "postgres", "(PostgreSQL) 15.1")
        }

        fn find(&self, named: Option<&Path>, path: &[&Path]) -> Option<PathBuf> {
            let path = std::env::join_paths(path).unwrap();
            let versions = self.0.join("versions");
            postgres(named.map(Path::as_os_str), &path, &versions, version)
        }
    }

    impl Drop for Machine {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn the_server_is_found_on_the_path() {
        let machine = Machine::new("path");
        let empty = machine.0.join("empty");
        let server = machine.server("server");
        assert_eq!(machine.find(None, &[&empty, &server]), Some(server));
    }

    #[test]
    fn a_link_leads_to_where_the_programs_live() {
        let machine = Machine::new("link");
        let server = machine.server("real");
        let links = machine.0.join("links");
        fs::create_dir_all(&links).unwrap();
        symlink(server.join("initdb"), links.join("initdb")).unwrap();
        assert_eq!(machine.find(None, &[&links]), Some(server));
    }

    #[test]
    fn half_an_installation_and_stand_ins_are_passed_over() {
        let machine = Machine::new("half");
        let half = machine.program("half", "initdb", "(PostgreSQL) 15.1");
        machine.program("shim", "initdb", "no version is set");
        let shim = machine.program("shim", "postgres", "no version is set");
        assert_eq!(machine.find(None, &[&half, &shim]), None);
    }

    #[test]
    fn the_newest_version_by_number_is_taken() {
        let machine = Machine::new("versions");
        machine.server("versions/9/bin");
        let newest = machine.server("versions/16/bin");
        machine.program("versions/17/bin", "initdb", "(PostgreSQL) 17.0");
        machine.server("versions/other/bin");
        assert_eq!(machine.find(None, &[]), Some(newest));
    }

    #[test]
    fn a_named_folder_is_the_only_one_asked() {
        let machine = Machine::new("named");
        let on_path = machine.server("on-path");
        let named = machine.server("named");
        assert_eq!(machine.find(Some(&named), &[&on_path]), Some(named));
        assert_eq!(machine.find(Some(&machine.0), &[&on_path]), None);
        assert_eq!(postgres(Some(OsStr::new("")), on_path.as_os_str(), &machine.0, version), Some(on_path));
    }

    #[test]
    fn debian_and_its_relatives_are_told_from_others() {
        assert!(is_debian_like("PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n"));
        assert!(is_debian_like("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"));
        assert!(!is_debian_like("ID=fedora\nVARIANT=debian\n"));
        assert!(!is_debian_like("ID=\"rhel\"\nID_LIKE=\"fedora\"\n"));
        assert!(!is_debian_like(""));
    }
}
