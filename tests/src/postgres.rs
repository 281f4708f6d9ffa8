//! A throw-away PostgreSQL cluster for the tests of one process: made on first use, reached through a Unix socket in
//! a private directory only, stopped and removed when the process is gone, however it went.
//!
//! The server runs under a small supervising shell that waits for the end of a pipe this process holds. The kernel
//! closes the pipe on a return, a panic and a `SIGKILL` alike, so nothing here depends on a destructor being run.
//! PostgreSQL refuses to serve root: as root it is run as the user `postgres`, or `nobody` where there is none.
//!
//! `TEST_DATABASE_URL` names a server to use instead, by a URL of a database from which others may be created.
//! `PG_BIN_DIR` names the directory of `initdb` and `postgres`. No server and no way to start one is a failure, never
//! a skipped test. What is done with the server: [`crate::database`].

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use provident::actor::SystemPlane;
use provident::service::Service;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, postgres::PgConnectOptions};

/// Arguments: the private directory, the directory of the server's programs, the server's settings in one word list. Says
/// `ready` or `failed: …` in one line, then serves until its standard input ends. A line of input has a server that is
/// gone started again.
const SUPERVISOR: &str = r#"
set -u
trap '' INT TERM HUP
dir=$1; bin=$2; settings=$3; data=$dir/data; log=$dir/log
account=
if [ "$(id -u)" = 0 ]; then
    account=postgres; id "$account" >/dev/null 2>&1 || account=nobody
    chown "$account" "$dir"
fi
unprivileged() {
    if [ -z "$account" ]; then "$@"
    elif command -v setpriv >/dev/null; then
        setpriv --reuid "$account" --regid "$(id -g "$account")" --clear-groups "$@"
    elif command -v runuser >/dev/null; then runuser -u "$account" -- "$@"
    else su "$account" -s /bin/sh -c 'exec "$0" "$@"' "$@"
    fi
}
remove() {
    if pid=$(head -n 1 "$data/postmaster.pid" 2>/dev/null) && [ -n "$pid" ]; then
        kill -QUIT "$pid" 2>/dev/null
        n=0; while kill -0 "$pid" 2>/dev/null && [ $n -lt 100 ]; do sleep 0.05; n=$((n + 1)); done
        kill -KILL "$pid" 2>/dev/null
    fi
    rm -rf "$dir"
}
fail() {
    echo "failed: $1: $(tail -n 5 "$log" 2>/dev/null | tr '\n' ' ')"
    remove
    exit 1
}
cd "$dir" || exit 1
: >"$log"; [ -z "$account" ] || chown "$account" "$log"
unprivileged "$bin/initdb" --pgdata="$data" --username=postgres --auth=trust --encoding=UTF8 --no-locale --no-sync \
    >>"$log" 2>&1 </dev/null || fail initdb
serve() {
    rm -f "$dir/.s.PGSQL.5432"
    # One setting a word.
    # shellcheck disable=SC2086
    unprivileged "$bin/postgres" -D "$data" -k "$dir" -c listen_addresses= -c max_connections=200 -c jit=off $settings \
        >>"$log" 2>&1 </dev/null &
    n=0
    while [ ! -S "$dir/.s.PGSQL.5432" ]; do
        kill -0 $! 2>/dev/null || return 1
        [ $n -lt 600 ] || fail 'postgres did not start within 30 s'
        sleep 0.05; n=$((n + 1))
    done
    echo ready
}
serve || fail postgres
while read -r _; do
    # What is left of the one before may still be ending.
    m=0; until serve; do
        [ $m -lt 200 ] || fail 'postgres again'
        sleep 0.05; m=$((m + 1))
    done
done
remove
"#;

/// For tests that lose nothing worth keeping.
const FAST: &str = "-c fsync=off -c full_page_writes=off -c synchronous_commit=off";
/// As a server is run that must lose nothing.
const DURABLE: &str = "-c fsync=on -c full_page_writes=on -c synchronous_commit=on";

/// As that, with the memory of a small machine: for measurements.
const MEASURED: &str = "-c fsync=on -c full_page_writes=on -c synchronous_commit=on -c shared_buffers=512MB \
    -c max_wal_size=4GB";

/// What the roles of the tests log in with on a server that asks.
pub const PASSWORD: &str = "provident-tests";

/// A server that databases can be made on.
#[derive(Debug)]
pub struct Server {
    /// Connects to the database that others are created from.
    admin: PgConnectOptions,
    /// Where the cluster lives, if it is ours.
    directory: Option<PathBuf>,
    /// Held open for as long as this process lives; its end is what the supervisor waits for.
    supervisor: Option<Mutex<(ChildStdin, BufReader<ChildStdout>)>>,
    roles_made: tokio::sync::OnceCell<()>,
}

impl Server {
    /// Options that connect to the database `name`.
    #[must_use]
    pub fn database(&self, name: &str) -> PgConnectOptions {
        self.admin.clone().database(name)
    }

    /// A URL of the database `name` for a role, in the form `Store::open` takes.
    #[must_use]
    pub fn url(&self, name: &str, role: &str) -> String {
        match &self.directory {
            Some(directory) => format!("postgres://{role}@localhost/{name}?host={}", directory.display()),
            None => self.database(name).username(role).password(PASSWORD).to_url_lossy().to_string(),
        }
    }

    /// A URL of the database `name` for the administrator.
    #[must_use]
    pub fn admin_url(&self, name: &str) -> String {
        match &self.directory {
            Some(_) => self.url(name, "postgres"),
            None => self.database(name).to_url_lossy().to_string(),
        }
    }

    /// Where the cluster lives; none if the server is somebody else's.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// The process that a server of our own is.
    ///
    /// # Errors
    ///
    /// When it is not ours, or not running.
    pub fn process(&self) -> Result<u32, String> {
        let directory = self.directory.as_ref().ok_or("the server is somebody else's")?;
        let text = std::fs::read_to_string(directory.join("data/postmaster.pid")).map_err(|error| error.to_string())?;
        text.lines().next().and_then(|line| line.trim().parse().ok()).ok_or_else(|| "no process".to_owned())
    }

    /// Starts a server of our own again that was killed.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn start_again(&self) -> Result<(), String> {
        let supervisor = self.supervisor.as_ref().ok_or("the server is somebody else's")?;
        let mut supervisor = supervisor.lock().unwrap_or_else(PoisonError::into_inner);
        let (lifeline, answers) = &mut *supervisor;
        writeln!(lifeline, "again").map_err(|error| format!("its supervisor: {error}"))?;
        ready(answers)
    }

    /// Makes the roles that `provident migrate roles` makes, as it says, once.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn make_roles(&self) -> Result<(), sqlx::Error> {
        let make = async || {
            let mut admin = self.admin().await?;
            let roles = Service::role_sql(&SystemPlane::at_the_shell());
            admin.execute(sqlx::raw_sql(AssertSqlSafe(roles))).await?;
            if self.directory.is_none() {
                for role in ["provident_owner", "provident_app"] {
                    let password = format!("ALTER ROLE {role} PASSWORD '{PASSWORD}'");
                    admin.execute(AssertSqlSafe(password)).await?;
                }
            }
            admin.close().await
        };
        self.roles_made.get_or_try_init(make).await.copied()
    }

    /// A connection as an administrator, retried while the server starts up.
    ///
    /// # Errors
    ///
    /// What the driver says after 30 seconds.
    pub async fn admin(&self) -> Result<PgConnection, sqlx::Error> {
        let mut left = 300_u32;
        loop {
            match self.admin.connect().await {
                Err(_) if left > 0 => left -= 1,
                done => return done,
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// The server of this process.
///
/// # Panics
///
/// Without a server and a way to start one; says what to install.
#[expect(clippy::panic, reason = "a database that is missing fails the test, it does not skip it")]
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
    match SERVER.get_or_init(|| given().unwrap_or_else(|| start(FAST))) {
        Ok(server) => server,
        Err(reason) => panic!("no PostgreSQL for the tests: {reason}"),
    }
}

/// The server that `TEST_DATABASE_URL` names.
fn given() -> Option<Result<Server, String>> {
    let url = env::var("TEST_DATABASE_URL").ok().filter(|url| !url.is_empty())?;
    Some(match url.parse() {
        Ok(admin) => Ok(Server { admin, directory: None, supervisor: None, roles_made: tokio::sync::OnceCell::new() }),
        Err(error) => Err(format!("TEST_DATABASE_URL: {error}")),
    })
}

/// Where a program lies that comes with the server.
///
/// # Errors
///
/// When it is not there; says what to install.
pub fn program(name: &str) -> Result<PathBuf, String> {
    let path = programs()?.join(name);
    let missing = || format!("`{}` is missing: install all of PostgreSQL's programs", path.display());
    if path.is_file() { Ok(path) } else { Err(missing()) }
}

/// A cluster of its own that keeps what it has acknowledged, for tests that kill it.
///
/// # Errors
///
/// Without a way to start one; says what to install.
pub fn durable() -> Result<&'static Server, String> {
    lasting(DURABLE)
}

/// A cluster of its own that keeps what it has acknowledged and has room for a million bindings, for measurements.
///
/// # Errors
///
/// Without a way to start one; says what to install.
pub fn measured() -> Result<&'static Server, String> {
    lasting(MEASURED)
}

/// Its end is the end of this process, as that of the other.
fn lasting(settings: &str) -> Result<&'static Server, String> {
    start(settings).map(|server| &*Box::leak(Box::new(server)))
}

fn start(settings: &str) -> Result<Server, String> {
    let programs = programs()?;
    // Not TMPDIR: another account must be able to reach the directory, and a socket's path has 107 bytes.
    let directory = tempfile::Builder::new()
        .prefix("provident-postgres-")
        .tempdir_in("/tmp")
        .map_err(|error| format!("a private directory in /tmp: {error}"))?
        .keep();
    let mut supervisor = Command::new("/bin/sh")
        .args(["-c", SUPERVISOR, "provident-postgres"])
        .args([&directory, &programs])
        .arg(settings)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // Out of reach of an interrupt meant for the tests.
        .process_group(0)
        .spawn()
        .map_err(|error| format!("/bin/sh: {error}"))?;
    let (Some(lifeline), Some(output)) = (supervisor.stdin.take(), supervisor.stdout.take()) else {
        return Err("its supervisor has no pipes".to_owned());
    };
    let mut answers = BufReader::new(output);
    ready(&mut answers).map_err(|error| format!("{error} in `{}`", programs.display()))?;
    let admin =
        PgConnectOptions::new_without_pgpass().socket(&directory).port(5432).username("postgres").database("postgres");
    let supervisor = Some(Mutex::new((lifeline, answers)));
    Ok(Server { admin, directory: Some(directory), supervisor, roles_made: tokio::sync::OnceCell::new() })
}

fn ready(answers: &mut BufReader<ChildStdout>) -> Result<(), String> {
    let mut answer = String::new();
    answers.read_line(&mut answer).map_err(|error| format!("its supervisor: {error}"))?;
    if answer.trim_end() == "ready" { Ok(()) } else { Err(answer.trim_end().to_owned()) }
}

/// The directory of `initdb` and `postgres`: `PG_BIN_DIR`, that of a real `initdb` on the path, or the newest of the
/// places distributions use.
fn programs() -> Result<PathBuf, String> {
    let complete = |directory: &PathBuf| directory.join("initdb").is_file() && directory.join("postgres").is_file();
    if let Some(directory) = env::var_os("PG_BIN_DIR").map(PathBuf::from) {
        return if complete(&directory) {
            Ok(directory)
        } else {
            Err(format!("PG_BIN_DIR is `{}`, which has no `initdb` and `postgres`", directory.display()))
        };
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).filter_map(|directory| {
        let program = directory.join("initdb").canonicalize().ok()?;
        program.parent().map(Path::to_path_buf)
    });
    let mut packaged: Vec<(u32, PathBuf)> = ["/usr/lib/postgresql", "/usr/pgsql", "/opt/homebrew/opt"]
        .iter()
        .filter_map(|root| std::fs::read_dir(root).ok())
        .flat_map(|entries| entries.filter_map(Result::ok))
        .map(|entry| {
            let version = entry.file_name().to_string_lossy().replace("postgresql@", "").parse().unwrap_or(0);
            (version, entry.path().join("bin"))
        })
        .collect();
    packaged.sort();
    on_path.chain(packaged.into_iter().rev().map(|(_, directory)| directory)).find(complete).ok_or_else(|| {
        "found no `initdb` and `postgres`: install a server (Debian: `apt-get install -y --no-install-recommends \
         postgresql`), or name its directory in PG_BIN_DIR, or a running server in TEST_DATABASE_URL"
            .to_owned()
    })
}
