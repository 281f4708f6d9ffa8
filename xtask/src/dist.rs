//! What is given away: the components, the C library, the packages for other languages, what they are made of.
//!
//! Everything goes to `target/dist`, with `SHA256SUMS` over it. The components are built twice more from nothing, once in
//! this folder and once from a copy of the sources elsewhere: the bytes must be those that are embedded.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::embed::{Packages, Profile};
use crate::need;
use crate::process::{Problem, answer, cargo, command, run};
use crate::say;
use crate::task::{component_name, component_packages, root, target};

#[path = "../../identity/build/component.rs"]
mod component;

/// What the components are made of, beside the files at the top.
const SOURCES: [&str; 4] = ["wit", "identity-component", "component-kit", "adapters"];
/// The packages a bill of materials is made for: the program, and the library.
const BILLED: [(&str, &str); 2] = [("host", "provident"), ("embed/c", "provident-c")];

pub(crate) fn dist() -> Result<(), Problem> {
    need::cargo_cyclonedx()?;
    let packages = Packages::build(Profile::Release)?;
    let dist = target().join("dist");
    emptied(&dist)?;
    let version = env!("CARGO_PKG_VERSION");
    same_everywhere(&packages.components)?;
    let platform = format!("{}-{}", env::consts::ARCH, env::consts::OS);
    bundle(&dist, &format!("provident-components-{version}"), |folder| {
        copy_all(&packages.components, folder, &["wasm"])?;
        copy_all(&root().join("wit"), folder, &["wit"])?;
        sums(folder)
    })?;
    bundle(&dist, &format!("provident-c-{version}-{platform}"), |folder| {
        let package = root().join("embed/c");
        copy_all(&package.join("include"), &folder.join("include"), &["h"])?;
        copy_all(&package.join("examples"), &folder.join("examples"), &["c"])?;
        copy(&package.join("README.md"), folder)?;
        stripped(&packages.library, &folder.join("lib"))?;
        stripped(&packages.library.with_file_name("libprovident_c.a"), &folder.join("lib"))
    })?;
    bundle(&dist, &format!("provident-php-{version}-{platform}"), |folder| {
        let package = root().join("embed/php");
        for file in ["composer.json", "README.md", "preload.php"] {
            copy(&package.join(file), folder)?;
        }
        copy_all(&package.join("src"), &folder.join("src"), &["php", "h"])?;
        stripped(&packages.library, &folder.join("lib"))
    })?;
    let mut pack = command("npm");
    run(pack.args(["pack", "--silent", "--pack-destination"]).arg(&dist).current_dir(root().join("embed/node")))?;
    let mut wheel = command(&packages.python);
    wheel.args(["-m", "build", "--no-isolation", "--outdir"]).arg(&dist).current_dir(root().join("embed/python"));
    run(&mut wheel)?;
    for (folder, package) in BILLED {
        bill_of_materials(folder, package, &dist)?;
    }
    complete(&dist, version)?;
    sums(&dist)?;
    say::line(&format!("\nin `{}`:", dist.display()));
    say::line(&answer(command("ls").arg("-l").arg(&dist)).unwrap_or_default());
    Ok(())
}

/// Everything that is to be given away is there.
fn complete(dist: &Path, version: &str) -> Result<(), Problem> {
    let names: Vec<String> =
        files(dist)?.iter().filter_map(|file| Some(file.file_name()?.to_str()?.to_owned())).collect();
    let expected = [
        (format!("provident-components-{version}"), ".tar.gz"),
        (format!("provident-c-{version}"), ".tar.gz"),
        (format!("provident-php-{version}"), ".tar.gz"),
        (format!("provident-identity-{version}"), ".tgz"),
        (format!("provident_identity-{version}"), ".whl"),
        (format!("provident_identity-{version}"), ".tar.gz"),
        ("provident.cdx".to_owned(), ".json"),
        ("provident-c.cdx".to_owned(), ".json"),
    ];
    for (begins, ends) in expected {
        if !names.iter().any(|name| name.starts_with(&begins) && name.ends_with(ends)) {
            return Err(Problem::new(format!("`{begins}…{ends}` is not in `{}`", dist.display())));
        }
    }
    Ok(())
}

/// A library without the names of what it does not export.
fn stripped(library: &Path, folder: &Path) -> Result<(), Problem> {
    copy(library, folder)?;
    let copied = folder.join(library.file_name().unwrap_or_default());
    let what = if library.extension().is_some_and(|kind| kind == "a") { "--strip-debug" } else { "--strip-unneeded" };
    run(command("strip").arg(what).arg(copied))
}

/// Two builds of every component from nothing, at different places, have the bytes of the one that is embedded.
fn same_everywhere(components: &Path) -> Result<(), Problem> {
    let (here, elsewhere) = (target().join("dist-builds/here"), target().join("dist-builds/a copy elsewhere"));
    emptied(&here)?;
    emptied(&elsewhere)?;
    let copy = elsewhere.join("sources");
    tracked(root(), &copy)?;
    for package in component_packages(root())? {
        let (package, name) = (package.as_str(), component_name(&package));
        let embedded = sha256(&components.join(format!("{name}.wasm")))?;
        say::line(&format!("{name}: {embedded} embedded"));
        for (what, sources, target_dir) in
            [("built here", root(), here.clone()), ("built elsewhere", copy.as_path(), elsewhere.join("target"))]
        {
            let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            run(&mut component::building(cargo, sources, &target_dir, package))?;
            let digest = sha256(&component::built(&target_dir, package))?;
            say::line(&format!("{name}: {digest} {what}"));
            if digest != embedded {
                return Err(Problem::new(format!("{name} has other bytes when it is {what}")));
            }
        }
    }
    fs::remove_dir_all(target().join("dist-builds")).map_err(|error| Problem::new(error.to_string()))
}

/// The sources of the components, and what cargo needs to see of the others.
fn tracked(from: &Path, to: &Path) -> Result<(), Problem> {
    let listed = answer(command("git").args(["ls-files", "-z"]).current_dir(from))
        .ok_or_else(|| Problem::new("`git ls-files` does not say which files are the project's"))?;
    for file in listed.split('\0').filter(|file| !file.is_empty()) {
        let is_source = SOURCES.iter().any(|folder| file.starts_with(&format!("{folder}/")));
        let is_seen =
            Path::new(file).extension().is_some_and(|kind| ["rs", "toml", "lock"].iter().any(|seen| kind == *seen));
        if (is_source || is_seen) && from.join(file).is_file() {
            let folder = to.join(file).parent().map(Path::to_path_buf).unwrap_or_default();
            copy(&from.join(file), &folder)?;
        }
    }
    Ok(())
}

/// One archive of a folder that `fill` puts together: the same bytes for the same files.
fn bundle(dist: &Path, name: &str, fill: impl FnOnce(&Path) -> Result<(), Problem>) -> Result<(), Problem> {
    let folder = dist.join(name);
    emptied(&folder)?;
    copy(&root().join("LICENSE"), &folder)?;
    fill(&folder)?;
    let mut tar = command("tar");
    tar.args([
        "--sort=name",
        "--owner=0",
        "--group=0",
        "--numeric-owner",
        "--mtime=@0",
        "--mode=u=rwX,go=rX",
        "--use-compress-program=gzip -n",
    ]);
    run(tar.args(["--create", "--file"]).arg(dist.join(format!("{name}.tar.gz"))).arg("-C").arg(dist).arg(name))?;
    fs::remove_dir_all(&folder).map_err(|error| Problem::new(error.to_string()))
}

/// A bill of materials as `CycloneDX` has it, of one package with everything it is built from.
fn bill_of_materials(folder: &str, package: &str, dist: &Path) -> Result<(), Problem> {
    let name = format!("{package}.cdx");
    let mut bill = cargo();
    bill.args([
        "cyclonedx",
        "--format",
        "json",
        "--spec-version",
        "1.5",
        "--override-filename",
        &name,
        "--manifest-path",
    ]);
    run(bill.arg(root().join(folder).join("Cargo.toml")))?;
    let file = format!("{name}.json");
    copy(&root().join(folder).join(&file), dist)?;
    // It writes one beside every member it looks at.
    let listed = answer(
        command("git").args(["ls-files", "--others", "--exclude-standard", "-z", "*.cdx.json"]).current_dir(root()),
    );
    for left in listed.unwrap_or_default().split('\0').filter(|left| !left.is_empty()) {
        fs::remove_file(root().join(left)).map_err(|error| Problem::new(format!("{left}: {error}")))?;
    }
    Ok(())
}

fn sums(folder: &Path) -> Result<(), Problem> {
    let mut lines = String::new();
    for file in files(folder)? {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let digest = sha256(&file)?;
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{digest}  {name}");
    }
    fs::write(folder.join("SHA256SUMS"), lines).map_err(|error| Problem::new(error.to_string()))
}

fn sha256(file: &Path) -> Result<String, Problem> {
    let said = answer(command("sha256sum").arg(file));
    let digest = said.and_then(|said| said.split(' ').next().map(str::to_owned)).filter(|digest| digest.len() == 64);
    digest.ok_or_else(|| Problem::new(format!("`sha256sum` has no digest of `{}`", file.display())))
}

fn emptied(folder: &Path) -> Result<(), Problem> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|error| Problem::new(format!("{}: {error}", folder.display())))?;
    }
    fs::create_dir_all(folder).map_err(|error| Problem::new(format!("{}: {error}", folder.display())))
}

fn copy(file: &Path, folder: &Path) -> Result<(), Problem> {
    let name = file.file_name().unwrap_or_default();
    fs::create_dir_all(folder)
        .and_then(|()| fs::copy(file, folder.join(name)))
        .map(drop)
        .map_err(|error| Problem::new(format!("cannot copy `{}`: {error}", file.display())))
}

/// The files of these kinds, with the folders they stand in.
fn copy_all(from: &Path, to: &Path, kinds: &[&str]) -> Result<(), Problem> {
    for entry in entries(from)? {
        if entry.is_dir() {
            copy_all(&entry, &to.join(entry.file_name().unwrap_or_default()), kinds)?;
        } else if entry.extension().is_some_and(|kind| kinds.iter().any(|known| kind == *known)) {
            copy(&entry, to)?;
        }
    }
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Problem> {
    Ok(entries(folder)?.into_iter().filter(|entry| entry.is_file()).collect())
}

/// What stands in a folder, by name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Problem> {
    let unreadable = |error| Problem::new(format!("cannot read `{}`: {error}", folder.display()));
    let mut found = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>())
        .map_err(unreadable)?;
    found.sort();
    Ok(found)
}
