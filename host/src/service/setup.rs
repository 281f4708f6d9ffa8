//! Setting up: an installation, its workspaces and its people. The system plane's, but for opening.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use provident_identity::Identity;
use uuid::Uuid;

use super::Service;
use crate::actor::SystemPlane;
use crate::audit::{Draft, Operation};
use crate::binding::Decider;
use crate::clock::{Clock, Ids};
use crate::error::{Conflict, Error};
use crate::page::{Page, PageRequest};
use crate::policy::FIRST_ROLE;
use crate::secret::{MasterKey, SecretError};
use crate::store::{Store, StoreError};
use crate::workspace::{DisplayName, PLATFORM_SLUG, PLATFORM_WORKSPACE, Slug, User, Workspace};

/// Where an installation keeps what, and where its times and ids come from.
#[derive(Clone)]
pub struct Settings {
    /// `sqlite:PATH` or `postgres://…`.
    pub database_url: String,
    /// The master key's file.
    pub master_key_path: PathBuf,
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
    /// The machine's own clock and randomness.
    #[must_use]
    pub fn new(database_url: impl Into<String>, master_key_path: impl Into<PathBuf>) -> Self {
        Self {
            database_url: database_url.into(),
            master_key_path: master_key_path.into(),
            clock: Clock::system(),
            ids: Ids::system(),
        }
    }
}

impl Service {
    /// Sets an installation up: database, tables, master key, the platform's own chain. What is there already
    /// stays; a database whose master key is gone is refused, not given a new one.
    ///
    /// # Errors
    /// When database or key cannot be made or do not belong together.
    pub async fn init(_plane: &SystemPlane, settings: &Settings) -> Result<Self, Error> {
        let store = Store::open_or_create(&settings.database_url).await?;
        store.migrate().await?;
        let set_up = store.read().await?.chain_head(PLATFORM_WORKSPACE).await?.is_some();
        let master = match MasterKey::load(&settings.master_key_path) {
            Err(SecretError::Missing) if !set_up => {
                let master = MasterKey::generate(&settings.ids)?;
                match master.store(&settings.master_key_path) {
                    // Somebody else sets it up at this moment: the key is the one that is there.
                    Err(SecretError::File(error)) if error.kind() == ErrorKind::AlreadyExists => {
                        MasterKey::load(&settings.master_key_path)?
                    }
                    stored => stored.map(|()| master)?,
                }
            }
            loaded => loaded?,
        };
        let service = Self::with(store, master, settings)?;
        if !set_up {
            service.retrying(|| service.init_once()).await?;
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
        let store = Store::open(&settings.database_url).await?;
        let master = MasterKey::load(&settings.master_key_path)?;
        let service = Self::with(store, master, settings)?;
        service.refuse_other_master_key().await?;
        Ok(service)
    }

    fn with(store: Store, master: MasterKey, settings: &Settings) -> Result<Self, Error> {
        Ok(Self {
            store,
            identity: Arc::new(Identity::embedded()?),
            clock: settings.clock.clone(),
            ids: settings.ids.clone(),
            master: Arc::new(master),
        })
    }

    async fn init_once(&self) -> Result<(), Error> {
        let mut tx = self.write(PLATFORM_WORKSPACE).await?;
        let (_, sealed) = self.master.new_note_key(PLATFORM_WORKSPACE, &self.ids)?;
        if !tx.insert_chain_head(PLATFORM_WORKSPACE, &sealed).await? {
            // Somebody else set it up meanwhile.
            return Ok(());
        }
        tx.commit(Draft::new(Operation::PlatformInit, Decider::System)).await?;
        Ok(())
    }

    async fn refuse_other_master_key(&self) -> Result<(), Error> {
        let head = self.store.read().await?.chain_head(PLATFORM_WORKSPACE).await?;
        let head = head.ok_or(StoreError::NotInitialised)?;
        self.master.open_note_key(&head.note_key, PLATFORM_WORKSPACE, head.note_key_version)?;
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
        self.retrying(|| self.create_workspace_once(&slug, &display_name, owner_user_id)).await
    }

    async fn create_workspace_once(
        &self,
        slug: &Slug,
        display_name: &DisplayName,
        owner_user_id: Uuid,
    ) -> Result<Workspace, Error> {
        let id = self.ids.next(self.clock.now())?;
        let mut tx = self.write(id).await?;
        if !tx.is_live_user(owner_user_id).await? {
            return Err(unknown_user());
        }
        if slug.as_str() == PLATFORM_SLUG {
            return Err(Conflict::SlugTaken.into());
        }
        let workspace = tx.insert_workspace(id, slug, display_name).await?.ok_or(Conflict::SlugTaken)?;
        tx.insert_membership(id, owner_user_id, FIRST_ROLE).await?;
        let (_, sealed) = self.master.new_note_key(id, &self.ids)?;
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
        Ok(self.store.read().await?.workspaces(page).await?)
    }

    /// Makes a person known. They are a stranger everywhere until made a member.
    ///
    /// # Errors
    /// `bad-display-name`.
    pub async fn create_user(&self, _plane: &SystemPlane, display_name: &str) -> Result<User, Error> {
        let display_name = self::display_name(display_name)?;
        self.retrying(|| self.create_user_once(&display_name)).await
    }

    async fn create_user_once(&self, display_name: &DisplayName) -> Result<User, Error> {
        let mut tx = self.write(PLATFORM_WORKSPACE).await?;
        let id = tx.new_id()?;
        let user = tx.insert_user(id, display_name).await?;
        let mut event = Draft::new(Operation::UserCreate, Decider::System);
        event.target_id = Some(id);
        tx.commit(event).await?;
        Ok(user)
    }

    /// People by id.
    ///
    /// # Errors
    /// Internal ones.
    pub async fn users(&self, _plane: &SystemPlane, page: PageRequest) -> Result<Page<User>, Error> {
        Ok(self.store.read().await?.users(page).await?)
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
