//! Who may ask the stand-in: clients of directories and the tokens they get, and bare keys. Nothing here is printed.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::tenant::Tenant;

/// A directory: its clients with their secrets, and what is in it.
struct Directory {
    clients: BTreeMap<String, String>,
    tenant: Tenant,
}

struct Token {
    directory_id: String,
    until: Instant,
    is_revoked: bool,
}

/// Everything that opens something.
#[derive(Default)]
pub(super) struct Access {
    directories: BTreeMap<String, Directory>,
    keys: BTreeMap<String, Tenant>,
    tokens: BTreeMap<String, Token>,
}

/// Whether a client is known.
pub(super) enum Client {
    /// With this secret.
    Good,
    /// With another secret.
    WrongSecret,
    /// Not in this directory.
    Unknown,
    /// There is no such directory.
    NoDirectory,
}

impl Access {
    pub(super) fn add_directory(&mut self, id: &str, tenant: Tenant) {
        let clients = self.directories.remove(id).map(|directory| directory.clients).unwrap_or_default();
        self.directories.insert(id.to_owned(), Directory { clients, tenant });
    }

    pub(super) fn set_client(&mut self, directory_id: &str, client_id: &str, secret: &str) {
        let directory = self.directories.get_mut(directory_id).unwrap();
        directory.clients.insert(client_id.to_owned(), secret.to_owned());
    }

    pub(super) fn remove_client(&mut self, directory_id: &str, client_id: &str) {
        if let Some(directory) = self.directories.get_mut(directory_id) {
            directory.clients.remove(client_id);
        }
    }

    pub(super) fn add_key(&mut self, key: &str, tenant: Tenant) {
        self.keys.insert(key.to_owned(), tenant);
    }

    pub(super) fn remove_key(&mut self, key: &str) {
        self.keys.remove(key);
    }

    /// What a key opens.
    pub(super) fn by_key(&self, key: &str) -> Option<&Tenant> {
        self.keys.get(key)
    }

    pub(super) fn client(&self, directory_id: &str, client_id: &str, secret: &str) -> Client {
        let Some(directory) = self.directories.get(directory_id) else { return Client::NoDirectory };
        match directory.clients.get(client_id) {
            Some(known) if known == secret => Client::Good,
            Some(_) => Client::WrongSecret,
            None => Client::Unknown,
        }
    }

    /// A new token of a directory; it says nothing to whoever has it.
    pub(super) fn issue(&mut self, directory_id: &str, now: Instant, life: Duration) -> String {
        let digest = Sha256::digest(format!("token {} of {directory_id}", self.tokens.len()));
        let text = format!("stand-in.{}", URL_SAFE_NO_PAD.encode(digest));
        let token = Token { directory_id: directory_id.to_owned(), until: now + life, is_revoked: false };
        self.tokens.insert(text.clone(), token);
        text
    }

    /// The directory a token opens at a moment, and what is in it.
    pub(super) fn by_token(&self, token: &str, now: Instant) -> Option<(&str, &Tenant)> {
        let token = self.tokens.get(token).filter(|token| !token.is_revoked && now < token.until)?;
        let directory = self.directories.get(&token.directory_id)?;
        Some((&token.directory_id, &directory.tenant))
    }

    pub(super) fn revoke(&mut self, token: &str) {
        if let Some(token) = self.tokens.get_mut(token) {
            token.is_revoked = true;
        }
    }

    pub(super) fn revoke_all(&mut self) {
        for token in self.tokens.values_mut() {
            token.is_revoked = true;
        }
    }

    pub(super) fn tokens(&self) -> Vec<String> {
        self.tokens.keys().cloned().collect()
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = [self.directories.len(), self.keys.len(), self.tokens.len()];
        formatter.debug_struct("Access").field("directories, keys, tokens", &count).finish()
    }
}
