//! The product of everything a decision is made of: what the suites put to the rules, the component, the service and
//! the database, which are to give one verdict.

use identity_component::decision::{self, Decision};
use identity_component::model::{ActorKind, DecisionAction, KeyForm, ResolutionMode, SubjectClass};

use crate::rows::{MEMBER, Row, SECOND_PROVIDER, Value, fresh, valid};

/// A decision of the product: what the rules judge and what the row is made of.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// How the subject is resolved.
    pub mode: ResolutionMode,
    /// Who decides.
    pub actor: ActorKind,
    /// The class of the subject.
    pub class: SubjectClass,
    /// Its key.
    pub subject: String,
    /// The resource's key.
    pub resource: Option<String>,
    /// Why.
    pub note: Option<String>,
    /// A reason code.
    pub reason: Option<String>,
}

/// Whether the rules let a decision be made.
#[must_use]
pub fn rules(candidate: &Candidate) -> bool {
    refusal(candidate).is_none()
}

/// The code the rules refuse a decision by: of several, the first.
#[must_use]
pub fn refusal(candidate: &Candidate) -> Option<&'static str> {
    let verdict = decision::check(&Decision {
        action: DecisionAction::Create,
        actor: candidate.actor,
        mode: Some(Some(candidate.mode)),
        subject: &candidate.subject,
        resource: candidate.resource.as_deref(),
        note: candidate.note.as_deref(),
        reason: candidate.reason.as_deref(),
    });
    verdict.err().and_then(|refusals| refusals.into_iter().next()).map(|refusal| refusal.code.as_str())
}

impl Candidate {
    /// The row the decision would leave, the descriptor's columns filled from the resource's key.
    #[must_use]
    pub fn row(&self) -> Row {
        let by_operator = self.actor == ActorKind::Operator;
        let row = valid("provider_resource_bindings")
            .with("resolution_mode", self.mode.as_str())
            .with("decided_by_kind", self.actor.as_str())
            .with("decided_by_user_id", by_operator.then_some(MEMBER))
            .with("subject_class", self.class.as_str())
            .with("subject_type_key", "t")
            .with("canonical_subject_key", self.subject.as_str())
            .with("operator_note", self.note.as_deref())
            .with("resolution_reason", self.reason.as_deref())
            .with("provider_resource_id", Value::Null)
            .with("provider_resource_type", Value::Null)
            .with("resource_key", self.resource.as_deref());
        let Some(resource) = &self.resource else { return row };
        let row = row.with("provider_resource_type", "w");
        let mut parts = resource.rsplit(':');
        let (value, form) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let column = match form {
            "id" => "provider_resource_id",
            "ext" => "provider_resource_external_id",
            _ => "provider_resource_discriminator",
        };
        row.with(column, value)
    }
}

/// Mode × actor × subject class and form × resource × note × reason; each with a subject of its own.
#[must_use]
pub fn product() -> Vec<Candidate> {
    let forms = [KeyForm::Id, KeyForm::Ext, KeyForm::Disc];
    let long = "n".repeat(2001);
    let mut candidates = Vec::new();
    for &mode in ResolutionMode::ALL {
        for &actor in ActorKind::ALL {
            for &class in SubjectClass::ALL {
                for form in forms {
                    for resource in 0..6 {
                        for note in [None, Some("because"), Some(long.as_str())] {
                            for reason in [None, Some("same-name"), Some("Free text")] {
                                let number = fresh();
                                let (token, form) = (class.token(), form.as_str());
                                let subject = format!("provider:fake:{token}:t:w:{form}:{number}");
                                let resource = match resource {
                                    0 => None,
                                    1 => Some(subject.clone()),
                                    2 => Some(format!("provider:fake:policy:t:w:id:r{number}")),
                                    3 => Some(format!("provider:fake:foundation:t:w:ext:r{number}")),
                                    4 => Some(format!("provider:fake:builtin:t:w:disc:r{number}")),
                                    _ => Some(format!("provider:{SECOND_PROVIDER}:policy:t:w:id:r{number}")),
                                };
                                candidates.push(Candidate {
                                    mode,
                                    actor,
                                    class,
                                    subject,
                                    resource,
                                    note: note.map(str::to_owned),
                                    reason: reason.map(str::to_owned),
                                });
                            }
                        }
                    }
                }
            }
        }
    }
    candidates
}
