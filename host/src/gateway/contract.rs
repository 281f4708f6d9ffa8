//! Contracts: everything that may be asked of a provider, as data.
//!
//! A request is made for a declared [`Contract`] and for nothing else. There is no method in one: everything is read with
//! GET, and the one exception, the request for a token, is declared by [`Auth`] beside it. What a provider has is declared in
//! [`crate::provider`]; how a request is sent is told in [`super::session`].

/// What may be asked of a provider, and how.
///
/// Only the host declares one:
///
/// ```compile_fail,E0451
/// use provident::gateway::{Contract, Paging};
///
/// const FORGED: Contract = Contract {
///     name: "fake.everything",
///     path: "/everything",
///     query: "",
///     permissions: &[],
///     paging: Paging::None,
///     keeps: &[],
///     covers: &[],
/// };
/// ```
#[derive(Debug)]
pub struct Contract {
    pub(crate) name: &'static str,
    pub(crate) path: &'static str,
    pub(crate) query: &'static str,
    pub(crate) permissions: &'static [&'static str],
    pub(crate) paging: Paging,
    pub(crate) keeps: &'static [&'static str],
    pub(crate) covers: &'static [&'static str],
}

/// Whether an answer goes on, and where that stands in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paging {
    /// It is whole.
    None,
    /// It is a page, and may name the next one.
    NextLink {
        /// The member with the list of what is on the page.
        items: &'static str,
        /// The member with the next page; absent or null on the last one.
        next: &'static str,
        /// How that is written.
        link: Link,
    },
}

/// How the next page is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// As a whole URL.
    Absolute,
    /// As a path and a query.
    Path,
}

/// How a provider is told who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// A field of the credentials is the bearer token.
    Bearer {
        /// The field.
        field: &'static str,
    },
    /// A bearer token is fetched with an id and a secret (RFC 6749, section 4.4), and fetched anew before it expires.
    ClientCredentials {
        /// The name of the request for a token.
        name: &'static str,
        /// Where tokens are given, unless the installation says otherwise; `{directory}` stands for the connection's
        /// directory.
        token_url: &'static str,
        /// What the token is for; `{api}` stands for where the provider is.
        scope: &'static str,
        /// The field with the id.
        id_field: &'static str,
        /// The field with the secret.
        secret_field: &'static str,
    },
}

/// A provider, as the gateway knows it.
#[derive(Debug)]
pub struct ProviderApi {
    /// The provider.
    pub provider_key: &'static str,
    /// Where it is, unless the installation says otherwise; none where only the installation knows.
    pub api_url: Option<&'static str>,
    /// How it is told who asks.
    pub auth: Auth,
    /// Everything that is ever asked of it.
    pub contracts: &'static [Contract],
}

impl Contract {
    /// Its name, `<provider>.<what>`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its path; `{directory}` stands for the connection's directory.
    #[must_use]
    pub fn path(&self) -> &'static str {
        self.path
    }

    /// Its query, as it is sent; empty where there is none.
    #[must_use]
    pub fn query(&self) -> &'static str {
        self.query
    }

    /// What the provider's administrator has to allow, in the provider's words.
    #[must_use]
    pub fn permissions(&self) -> &'static [&'static str] {
        self.permissions
    }

    /// Whether the answer comes in pages.
    #[must_use]
    pub fn paging(&self) -> Paging {
        self.paging
    }

    /// Of what is answered, the members that are read.
    #[must_use]
    pub fn keeps(&self) -> &'static [&'static str] {
        self.keeps
    }

    /// The subject types of which a complete reading has seen all there is; empty where it is no inventory.
    #[must_use]
    pub fn covers(&self) -> &'static [&'static str] {
        self.covers
    }
}

impl Auth {
    /// The fields of credentials it takes.
    #[must_use]
    pub fn fields(&self) -> Vec<&'static str> {
        match *self {
            Self::Bearer { field } => vec![field],
            Self::ClientCredentials { id_field, secret_field, .. } => vec![id_field, secret_field],
        }
    }
}

impl ProviderApi {
    /// Whether a contract is one of its own: this very one, not one that looks like it.
    pub(super) fn declares(&self, contract: &Contract) -> bool {
        self.contracts.iter().any(|declared| std::ptr::eq(declared, contract))
    }
}
