//! The context of an operation: for which run, where, through which connection, until when. It opens credentials, and nothing
//! else does.

use tokio::time::Instant;
use uuid::Uuid;

use crate::run::OperationRun;

/// What an operation works for (P061-05). Made of a run that is being worked on, by whoever works on it.
///
/// Nobody outside the host can make one:
///
/// ```compile_fail,E0624
/// use provident::gateway::OperationContext;
///
/// fn forged(run: &provident::run::OperationRun) -> Option<OperationContext> {
///     OperationContext::of_run(run, tokio::time::Instant::now())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct OperationContext {
    workspace_id: Uuid,
    environment_id: Uuid,
    connection_id: Uuid,
    provider_key: String,
    directory_id: Option<String>,
    run_id: Uuid,
    initiated_by_user_id: Option<Uuid>,
    attempt: u32,
    deadline: Instant,
}

impl OperationContext {
    /// Of a run that has been begun. None of one that goes through no connection, or was not begun.
    pub(crate) fn of_run(run: &OperationRun, deadline: Instant) -> Option<Self> {
        let context = run.context.as_ref()?;
        Some(Self {
            workspace_id: run.workspace_id,
            environment_id: run.environment_id,
            connection_id: run.provider_connection_id?,
            provider_key: run.provider_key.clone()?,
            directory_id: context.directory_id.clone(),
            run_id: run.id,
            initiated_by_user_id: run.initiated_by_user_id,
            attempt: context.attempt,
            deadline,
        })
    }

    /// The workspace.
    #[must_use]
    pub fn workspace_id(&self) -> Uuid {
        self.workspace_id
    }

    /// The environment.
    #[must_use]
    pub fn environment_id(&self) -> Uuid {
        self.environment_id
    }

    /// The connection.
    #[must_use]
    pub fn connection_id(&self) -> Uuid {
        self.connection_id
    }

    /// The provider.
    #[must_use]
    pub fn provider_key(&self) -> &str {
        &self.provider_key
    }

    /// The provider's directory, where it is known.
    #[must_use]
    pub fn directory_id(&self) -> Option<&str> {
        self.directory_id.as_deref()
    }

    /// The run.
    #[must_use]
    pub fn run_id(&self) -> Uuid {
        self.run_id
    }

    /// Who started it, if somebody did.
    #[must_use]
    pub fn initiated_by_user_id(&self) -> Option<Uuid> {
        self.initiated_by_user_id
    }

    /// Which attempt this is, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Until when it may go on.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }
}

#[cfg(test)]
pub(in crate::gateway) mod tests {
    use super::*;

    /// The context of an operation of this connection.
    pub(in crate::gateway) fn context(
        workspace_id: Uuid,
        environment_id: Uuid,
        connection_id: Uuid,
    ) -> OperationContext {
        OperationContext {
            workspace_id,
            environment_id,
            connection_id,
            provider_key: "fake".to_owned(),
            directory_id: None,
            run_id: Uuid::from_u128(9),
            initiated_by_user_id: None,
            attempt: 1,
            deadline: Instant::now(),
        }
    }

    impl OperationContext {
        /// The same at another provider, in a directory.
        pub(in crate::gateway) fn at(self, provider_key: &str, directory_id: Option<&str>) -> Self {
            Self { provider_key: provider_key.to_owned(), directory_id: directory_id.map(str::to_owned), ..self }
        }

        /// The same until so long from now.
        pub(in crate::gateway) fn lasting(self, time: std::time::Duration) -> Self {
            Self { deadline: Instant::now() + time, ..self }
        }
    }
}
