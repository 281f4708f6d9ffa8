//! The files of the project: what git tracks, or, in a copy without git, everything but build output.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One text file of the project.
#[derive(Clone, Debug)]
pub struct File {
    /// From the root of the repository, with `/`.
    pub path: String,
    /// The whole text.
    pub text: String,
}

/// The repository this crate was built from.
#[must_use]
pub fn root() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.parent().unwrap_or(crate_folder).to_owned()
}

/// Every text file under `root` that belongs to the project, in order of path. Files that are not UTF-8 are not text;
/// tracked files that were removed are passed over.
///
/// # Errors
/// A folder or file that cannot be read.
pub fn files(root: &Path) -> io::Result<Vec<File>> {
    let mut paths = match tracked(root) {
        Some(paths) => paths,
        None => walked(root)?,
    };
    paths.sort();
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        match fs::read(root.join(&path)) {
            Ok(bytes) => {
                if let Ok(text) = String::from_utf8(bytes) {
                    files.push(File { path, text });
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(files)
}

/// What git tracks, or nothing where git is missing or `root` is not the top of a repository.
fn tracked(root: &Path) -> Option<Vec<String>> {
    if !root.join(".git").exists() {
        return None;
    }
    let output = Command::new("git").arg("-C").arg(root).args(["ls-files", "-z"]).output().ok()?;
    let listed = String::from_utf8(output.stdout).ok()?;
    let paths: Vec<String> = listed.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect();
    (output.status.success() && !paths.is_empty()).then_some(paths)
}

/// Every file but those of `.git`, build output and pending snapshots.
fn walked(root: &Path) -> io::Result<Vec<String>> {
    let mut paths = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            let kind = entry.file_type()?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if kind.is_dir() && !matches!(name.as_str(), ".git" | "target") {
                folders.push(path);
            } else if kind.is_file() && !name.ends_with(".snap.new") {
                paths.push(path.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::{files, root, tracked, walked};
    use std::fs;

    #[test]
    fn a_copy_without_git_is_walked() {
        let copy = tempfile::tempdir().unwrap();
        for path in ["a/b.rs", "target/debug/x.rs", ".git/HEAD", "c.snap.new"] {
            let path = copy.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "//! text\n").unwrap();
        }
        fs::write(copy.path().join("binary"), [0xff, 0xfe]).unwrap();
        let found: Vec<_> = files(copy.path()).unwrap().into_iter().map(|file| file.path).collect();
        assert_eq!(found, ["a/b.rs"]);
    }

    #[test]
    fn the_walk_sees_what_git_sees() {
        let walked = walked(&root()).unwrap();
        for path in tracked(&root()).unwrap_or_default() {
            assert!(walked.contains(&path) || !root().join(&path).exists(), "{path}");
        }
        assert!(walked.contains(&"wit/identity.wit".to_owned()));
    }
}
