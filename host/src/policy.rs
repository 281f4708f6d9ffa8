//! Policy: who may do what. Pure.
//!
//! Capabilities, roles and the one map between them are data; [`authorize`] is the one function that decides,
//! for reads and writes alike. It is handed what was found and how the actor stands, and knows nothing of where
//! either came from. Hidden and missing are the same `None` and the same answer (P381-31, -32, -82, -83;
//! P339-10, -15, -40; P061-38..40).

use std::fmt;
use std::str::FromStr;

/// Something an actor may be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// See bindings, and that an environment exists.
    WorkspaceBaselinesView,
    /// Create, supersede and revoke bindings.
    WorkspaceBaselinesManage,
    /// See inventory, connections and runs.
    ProviderView,
    /// Change connections.
    ProviderManage,
    /// Start provider operations.
    ProviderRun,
    /// Read the audit log.
    AuditView,
    /// Import inventory from files.
    InventoryImport,
    /// Mirror registry rows from a platform.
    RegistrySync,
    /// Members, environments and entitlements.
    WorkspaceManage,
}

impl Capability {
    /// Every capability.
    pub const ALL: &[Self] = &[
        Self::WorkspaceBaselinesView,
        Self::WorkspaceBaselinesManage,
        Self::ProviderView,
        Self::ProviderManage,
        Self::ProviderRun,
        Self::AuditView,
        Self::InventoryImport,
        Self::RegistrySync,
        Self::WorkspaceManage,
    ];

    /// Its stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WorkspaceBaselinesView => "workspace_baselines.view",
            Self::WorkspaceBaselinesManage => "workspace_baselines.manage",
            Self::ProviderView => "provider.view",
            Self::ProviderManage => "provider.manage",
            Self::ProviderRun => "provider.run",
            Self::AuditView => "audit.view",
            Self::InventoryImport => "inventory.import",
            Self::RegistrySync => "registry.sync",
            Self::WorkspaceManage => "workspace.manage",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a member is in a workspace. Nothing but [`ROLE_CAPABILITIES`] says what that allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Answers for the workspace.
    Owner,
    /// Decides about bindings and connections.
    Manager,
    /// Runs provider operations.
    Operator,
    /// Looks.
    Readonly,
}

impl Role {
    /// Every role.
    pub const ALL: &[Self] = &[Self::Owner, Self::Manager, Self::Operator, Self::Readonly];

    /// Its stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Manager => "manager",
            Self::Operator => "operator",
            Self::Readonly => "readonly",
        }
    }

    /// Whether this role is what [`Capability`] `capability` asks for.
    #[must_use]
    pub fn allows(self, capability: Capability) -> bool {
        ROLE_CAPABILITIES.iter().any(|(role, capabilities)| *role == self && capabilities.contains(&capability))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role is one of `owner`, `manager`, `operator`, `readonly`")]
pub struct InvalidRole;

impl FromStr for Role {
    type Err = InvalidRole;

    fn from_str(text: &str) -> Result<Self, InvalidRole> {
        Self::ALL.iter().copied().find(|role| role.as_str() == text).ok_or(InvalidRole)
    }
}

impl serde::Serialize for Role {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The map from roles to capabilities (X25, P061-39).
pub const ROLE_CAPABILITIES: &[(Role, &[Capability])] = &[
    (Role::Owner, Capability::ALL),
    (
        Role::Manager,
        &[
            Capability::WorkspaceBaselinesView,
            Capability::WorkspaceBaselinesManage,
            Capability::ProviderView,
            Capability::ProviderManage,
            Capability::ProviderRun,
            Capability::AuditView,
            Capability::InventoryImport,
            Capability::RegistrySync,
        ],
    ),
    (Role::Operator, &[Capability::WorkspaceBaselinesView, Capability::ProviderView, Capability::ProviderRun]),
    (Role::Readonly, &[Capability::WorkspaceBaselinesView, Capability::ProviderView]),
];

/// The role of whoever a workspace is made for.
pub const FIRST_ROLE: Role = Role::Owner;

/// How an actor stands to a workspace and, where one is asked about, to an environment in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Not a member of the workspace, or there is no such workspace, or no such user.
    Stranger,
    /// A member, not entitled to the environment.
    Member(Role),
    /// A member, entitled to the environment.
    Entitled(Role),
}

impl Standing {
    /// Builds a standing from what is known of an actor.
    #[must_use]
    pub fn of(role: Option<Role>, entitled: bool) -> Self {
        match (role, entitled) {
            (None, _) => Self::Stranger,
            (Some(role), false) => Self::Member(role),
            (Some(role), true) => Self::Entitled(role),
        }
    }

    /// Whether the actor belongs to the workspace at all.
    #[must_use]
    pub fn is_member(self) -> bool {
        !matches!(self, Self::Stranger)
    }
}

/// What an operation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// The workspace itself: being a member is enough to know of it.
    Workspace,
    /// An environment or something in it: only the entitled know of it.
    Environment,
    /// The workspace with every environment in it: only those entitled to all of them may have it. Whose role would
    /// not do in any case is told so, and nothing of environments.
    EveryEnvironment,
}

/// A refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Denial {
    /// The actor may not know whether it exists; or it does not.
    NotFound,
    /// The actor may know of it, and not do this.
    Forbidden,
}

impl Denial {
    /// Its stable code.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::Forbidden => "forbidden",
        }
    }
}

/// Decides. Gives back what was found to those who may have it.
///
/// # Errors
/// [`Denial::NotFound`] for strangers, for members without entitlement where `reach` asks for it, and for what
/// does not exist; [`Denial::Forbidden`] for everybody else whose role lacks the capability. Of every environment at
/// once the role is judged first: otherwise the two refusals would tell a member whether there is an environment hidden
/// from them.
pub fn authorize<T>(capability: Capability, reach: Reach, standing: Standing, found: Option<T>) -> Result<T, Denial> {
    let role = match (standing, reach) {
        (Standing::Entitled(role), _) | (Standing::Member(role), Reach::Workspace) => role,
        (Standing::Member(role), Reach::EveryEnvironment) if !role.allows(capability) => {
            return Err(Denial::Forbidden);
        }
        (Standing::Member(_), Reach::Environment | Reach::EveryEnvironment) | (Standing::Stranger, _) => {
            return Err(Denial::NotFound);
        }
    };
    let found = found.ok_or(Denial::NotFound)?;
    if role.allows(capability) { Ok(found) } else { Err(Denial::Forbidden) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_and_missing_are_the_same_answer() {
        for &capability in Capability::ALL {
            for &role in Role::ALL {
                let hidden = authorize(capability, Reach::Environment, Standing::Member(role), Some(()));
                let missing = authorize::<()>(capability, Reach::Environment, Standing::Entitled(role), None);
                let strange = authorize(capability, Reach::Environment, Standing::Stranger, Some(()));
                assert_eq!(hidden, Err(Denial::NotFound));
                assert_eq!((missing, strange), (hidden, hidden));
            }
        }
    }

    #[test]
    fn the_entitled_are_judged_by_capability_alone() {
        for &capability in Capability::ALL {
            for &role in Role::ALL {
                let answer = authorize(capability, Reach::Environment, Standing::Entitled(role), Some(7));
                let expected = if role.allows(capability) { Ok(7) } else { Err(Denial::Forbidden) };
                assert_eq!(answer, expected, "{role} {capability}");
            }
        }
    }

    #[test]
    fn only_who_could_have_it_learns_of_hidden_environments_by_asking_for_every_one() {
        for &capability in Capability::ALL {
            for &role in Role::ALL {
                let judged = |standing| authorize(capability, Reach::EveryEnvironment, standing, Some(()));
                let (all, some) = (judged(Standing::Entitled(role)), judged(Standing::Member(role)));
                if role.allows(capability) {
                    assert_eq!((all, some), (Ok(()), Err(Denial::NotFound)), "{role} {capability}");
                } else {
                    assert_eq!((all, some), (Err(Denial::Forbidden), Err(Denial::Forbidden)), "{role} {capability}");
                }
                assert_eq!(judged(Standing::Stranger), Err(Denial::NotFound));
            }
        }
    }

    #[test]
    fn the_role_map_is_the_agreed_one() {
        let mut map = String::new();
        for &capability in Capability::ALL {
            map.push_str(capability.as_str());
            map.push(':');
            for &role in Role::ALL {
                if role.allows(capability) {
                    map.push(' ');
                    map.push_str(role.as_str());
                }
            }
            map.push('\n');
        }
        assert_eq!(
            map,
            "workspace_baselines.view: owner manager operator readonly\n\
             workspace_baselines.manage: owner manager\n\
             provider.view: owner manager operator readonly\n\
             provider.manage: owner manager\n\
             provider.run: owner manager operator\n\
             audit.view: owner manager\n\
             inventory.import: owner manager\n\
             registry.sync: owner manager\n\
             workspace.manage: owner\n"
        );
        assert_eq!(FIRST_ROLE, Role::Owner);
    }

    #[test]
    fn a_stranger_never_stands_anywhere() {
        assert_eq!(Standing::of(None, true), Standing::Stranger);
        assert!(!Standing::of(None, true).is_member());
        assert_eq!(Standing::of(Some(Role::Owner), false), Standing::Member(Role::Owner));
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(*role));
        }
        assert_eq!("Owner".parse::<Role>(), Err(InvalidRole));
    }
}
