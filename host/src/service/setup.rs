//! Setting up: an installation, its workspaces and its people. The system plane's, but for opening.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use provident_identity::Identity;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::Service;
use crate::actor::SystemPlane;
use crate::audit::{Draft, Operation};
use crate::binding::Decider;
use crate::clock::{Clock, Ids};
use crate::error::{Conflict, Error};
use crate::page::{Page, PageRequest};
use crate::policy::FIRST_ROLE;
use crate::secret::{MasterKey, MasterKeys, SecretError};
use crate::store::{self, Store, StoreError, WriteTx};
use crate::workspace::{DisplayName, PLATFORM_SLUG, PLATFORM_WORKSPACE, Slug, User, UserKind, Workspace};

/// What a mutation has until its COMMIT is sent, unless told otherwise (P381-14).
const MUTATION_DEADLINE: Duration = Duration::from_secs(2);

/// How long the database may take to say that it is there.
const READINESS_TIME: Duration = Duration::from_secs(2);

/// Where an installation keeps what, and where its times and ids come from.
#[derive(Clone)]
pub struct Settings {
    /// `sqlite:PATH` or `postgres://…`.
    pub database_url: String,
    /// The master key's file. Not looked at if the key is given.
    pub master_key_path: PathBuf,
    /// The master keys' text form, if they are not kept in a file: one, or several with white space between them.
    pub master_key: Option<Zeroizing<String>>,
    /// Whether a PostgreSQL role is good enough that could pass by what holds the others.
    pub allow_privileged_role: bool,
    /// What a mutation has until its COMMIT is sent (P381-14).
    pub mutation_deadline: Duration,
    /// Times.
    pub clock: Clock,
    /// Ids, keys and nonces.
    pub ids: Ids,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may hold a password.
        f.debug_struct("Settings").field("master_key_path", &self.master_key_path).finish_non_exhaustive()
    }
}

impl Settings {
    /// The machine's own clock and randomness, a key in a file, a role that is held, and 2 seconds a mutation.
    #[must_use]
    pub fn new(database_url: impl Into<String>, master_key_path: impl Into<PathBuf>) -> Self {
        Self {
            database_url: database_url.into(),
            master_key_path: master_key_path.into(),
            master_key: None,
            allow_privileged_role: false,
            mutation_deadline: MUTATION_DEADLINE,
            clock: Clock::system(),
            ids: Ids::system(),
        }
    }

    pub(super) fn load_master_keys(&self) -> Result<MasterKeys, SecretError> {
        match &self.master_key {
            Some(text) => MasterKeys::from_text(text),
            None => MasterKeys::load(&self.master_key_path),
        }
    }

    /// Whether set-up may make tables: in a file of its own, or as a role that is said to be good enough.
    fn makes_tables(&self) -> bool {
        self.allow_privileged_role || self.database_url.starts_with("sqlite:")
    }
}

impl Service {
    /// Sets an installation up: database, tables, master key, the platform's own chain. What is there already
    /// stays; a database whose master key is gone is refused, not given a new one. The tables of a PostgreSQL database
    /// are made by its owner: see [`Service::migrate_up`].
    ///
    /// # Errors
    /// When database or key cannot be made or do not belong together; `database-unmigrated`,
    /// `database-role-privileged`.
    pub async fn init(_plane: &SystemPlane, settings: &Settings) -> Result<Self, Error> {
        let url = settings.database_url.as_str();
        let store = match Store::open_patiently(url, settings.allow_privileged_role).await {
            Err(StoreError::Unmigrated) if settings.makes_tables() => {
                store::migrate_up(url).await?;
                Store::open_patiently(url, settings.allow_privileged_role).await?
            }
            opened => opened?,
        };
        let set_up = store.read(PLATFORM_WORKSPACE).await?.chain_head(PLATFORM_WORKSPACE).await?.is_some();
        let master = match settings.load_master_keys() {
            Err(SecretError::Missing) if !set_up => {
                match MasterKey::generate(&settings.ids)?.store(&settings.master_key_path) {
                    // Somebody else sets it up at this moment: the key is the one that is there.
                    Err(SecretError::File(error)) if error.kind() == ErrorKind::AlreadyExists => {}
                    stored => stored?,
                }
                MasterKeys::load(&settings.master_key_path)?
            }
            loaded => loaded?,
        };
        let service = Self::with(store, master, settings)?;
        if !set_up {
            service.mutate(PLATFORM_WORKSPACE, |tx| service.init_once(tx)).await?;
        }
        service.refuse_other_master_key().await?;
        Ok(service)
    }

    /// Opens an installation that was set up.
    ///
    /// # Errors
    /// `database-unmigrated` or `database-not-initialised` if it was not, naming the command to run; errors of
    /// the master key if it is missing or another one.
    pub async fn open(settings: &Settings) -> Result<Self, Error> {
        let store = Store::open(&settings.database_url, settings.allow_privileged_role).await?;
        let master = settings.load_master_keys()?;
        let service = Self::with(store, master, settings)?;
        service.refuse_other_master_key().await?;
        Ok(service)
    }

    /// Whether the database can be reached and has the tables this program knows. Asked for nobody, and of nobody's rows.
    ///
    /// # Errors
    /// `database-unavailable` if it does not answer within two seconds; `database-unmigrated`, `database-too-new`,
    /// `database-altered`.
    pub async fn readiness(&self) -> Result<(), Error> {
        Ok(self.store.readiness(READINESS_TIME).await?)
    }

    fn with(store: Store, master: MasterKeys, settings: &Settings) -> Result<Self, Error> {
        Ok(Self {
            store,
            identity: Arc::new(Identity::embedded()?),
            clock: settings.clock.clone(),
            ids: settings.ids.clone(),
            master: Arc::new(master),
            deadline: settings.mutation_deadline,
        })
    }

    async fn init_once(&self, mut tx: WriteTx) -> Result<(), Error> {
        tx.insert_master_key(&self.master.newest()).await?;
        let (_, sealed) = tx.sealing_key().await?.new_note_key(PLATFORM_WORKSPACE, &self.ids)?;
        if !tx.insert_chain_head(PLATFORM_WORKSPACE, &sealed).await? {
            // Somebody else set it up meanwhile.
            return Ok(());
        }
        tx.commit(Draft::new(Operation::PlatformInit, Decider::System)).await?;
        Ok(())
    }

    /// Holds the master keys to those the database knows: the current one has to be among them. One that nothing was known
    /// of yet is made known.
    async fn refuse_other_master_key(&self) -> Result<(), Error> {
        let mut tx = self.read(PLATFORM_WORKSPACE).await?;
        let head = tx.chain_head(PLATFORM_WORKSPACE).await?.ok_or(StoreError::NotInitialised)?;
        let known = tx.master_keys().await?;
        drop(tx);
        self.master.open_note_key(&head.note_key, PLATFORM_WORKSPACE, head.note_key_version)?;
        if let Some(current) = known.iter().rfind(|key| key.superseded_at.is_none()) {
            current.among(&self.master)?;
            return Ok(());
        }
        let version = head.note_key.master_key_version()?;
        // Once in the life of an installation: its size is no matter of everybody's.
        Box::pin(self.mutate(PLATFORM_WORKSPACE, |tx| self.register_master_key_once(tx, version))).await
    }

    async fn register_master_key_once(&self, mut tx: WriteTx, version: u32) -> Result<(), Error> {
        if tx.insert_master_key(&*self.master.of_version(version)?).await? {
            let mut event = Draft::new(Operation::MasterKeyRegister, Decider::System);
            event.key_version = Some(version);
            tx.commit(event).await?;
        }
        Ok(())
    }

    /// Makes a workspace, its first owner a member of it, and its chain.
    ///
    /// # Errors
    /// `bad-slug`, `bad-display-name`, `unknown-user`, `slug-taken`.
    pub async fn create_workspace(
        &self,
        _plane: &SystemPlane,
        slug: &str,
        display_name: &str,
        owner_user_id: Uuid,
    ) -> Result<Workspace, Error> {
        let slug: Slug = slug.parse().map_err(|_| bad_slug())?;
        let display_name = self::display_name(display_name)?;
        let id = self.ids.next(self.clock.now())?;
        self.mutate(id, |tx| self.create_workspace_once(tx, id, &slug, &display_name, owner_user_id)).await
    }

    async fn create_workspace_once(
        &self,
        mut tx: WriteTx,
        id: Uuid,
        slug: &Slug,
        display_name: &DisplayName,
        owner_user_id: Uuid,
    ) -> Result<Workspace, Error> {
        if !tx.is_live_user(owner_user_id).await? {
            return Err(unknown_user());
        }
        if slug.as_str() == PLATFORM_SLUG {
            return Err(Conflict::SlugTaken.into());
        }
        let workspace = tx.insert_workspace(id, slug, display_name).await?.ok_or(Conflict::SlugTaken)?;
        tx.insert_membership(id, owner_user_id, FIRST_ROLE).await?;
        let (_, sealed) = tx.sealing_key().await?.new_note_key(id, &self.ids)?;
        tx.insert_chain_head(id, &sealed).await?;
        let mut event = Draft::new(Operation::WorkspaceCreate, Decider::System);
        event.target_id = Some(owner_user_id);
        event.role = Some(FIRST_ROLE);
        tx.commit(event).await?;
        Ok(workspace)
    }

    /// Workspaces by id.
    ///
    /// # Errors
    /// Internal ones.
    pub async fn workspaces(&self, _plane: &SystemPlane, page: PageRequest) -> Result<Page<Workspace>, Error> {
        Ok(self.read(PLATFORM_WORKSPACE).await?.workspaces(page).await?)
    }

    /// Makes a person known. They are a stranger everywhere until made a member.
    ///
    /// # Errors
    /// `bad-display-name`.
    pub async fn create_user(&self, _plane: &SystemPlane, display_name: &str) -> Result<User, Error> {
        let display_name = self::display_name(display_name)?;
        self.mutate(PLATFORM_WORKSPACE, |tx| self.create_user_once(tx, &display_name, UserKind::Person)).await
    }

    /// Makes a backend known that acts with credentials of its own: a user as people are.
    ///
    /// # Errors
    /// `bad-display-name`.
    pub async fn create_service_user(&self, _plane: &SystemPlane, display_name: &str) -> Result<User, Error> {
        let display_name = self::display_name(display_name)?;
        self.mutate(PLATFORM_WORKSPACE, |tx| self.create_user_once(tx, &display_name, UserKind::Service)).await
    }

    async fn create_user_once(
        &self,
        mut tx: WriteTx,
        display_name: &DisplayName,
        kind: UserKind,
    ) -> Result<User, Error> {
        let id = tx.new_id()?;
        let user = tx.insert_user(id, display_name, kind).await?;
        let mut event = Draft::new(Operation::UserCreate, Decider::System);
        event.target_id = Some(id);
        tx.commit(event).await?;
        Ok(user)
    }

    /// Makes a user a stranger everywhere, for ever: no credential of theirs holds any more. What they did stays theirs. A
    /// workspace may be left without an owner who can act.
    ///
    /// # Errors
    /// `unknown-user`, also for one who is disabled already.
    pub async fn disable_user(&self, _plane: &SystemPlane, user_id: Uuid) -> Result<User, Error> {
        self.mutate(PLATFORM_WORKSPACE, |tx| self.disable_user_once(tx, user_id)).await
    }

    async fn disable_user_once(&self, mut tx: WriteTx, user_id: Uuid) -> Result<User, Error> {
        let user = tx.disable_user(user_id).await?.ok_or_else(unknown_user)?;
        let mut event = Draft::new(Operation::UserDisable, Decider::System);
        event.target_id = Some(user_id);
        tx.commit(event).await?;
        Ok(user)
    }

    /// People by id.
    ///
    /// # Errors
    /// Internal ones.
    pub async fn users(&self, _plane: &SystemPlane, page: PageRequest) -> Result<Page<User>, Error> {
        Ok(self.read(PLATFORM_WORKSPACE).await?.users(page).await?)
    }
}

pub(super) fn display_name(text: &str) -> Result<DisplayName, Error> {
    text.parse().map_err(|_| {
        Error::invalid("bad-display-name", "display_name", "1 to 512 bytes, printable, no white space around it")
    })
}

pub(super) fn unknown_user() -> Error {
    Error::invalid("unknown-user", "user_id", "there is no such user")
}

fn bad_slug() -> Error {
    Error::invalid("bad-slug", "slug", "1 to 63 of `a-z`, `0-9` and `-`, not starting with `-`, not an id")
}
