//! Every decision of the product put to the compiled component and, on both engines, to the service: both give the
//! verdict of the rules, down to the code. What the database itself says: `provider_resource_binding_schema.rs`.
#![cfg(test)]

use identity_component::model::ActorKind;
use provident::actor::SystemActor;
use provident::binding::{CreateBinding, Note, ResourceRef, SubjectRef};
use provident::error::Error;
use provident::service::BulkAnswer;
use provident_identity::{CallError, Decision, DecisionAction, Identity, ResolutionMode};
use provident_tests::database::on_both_engines;
use provident_tests::installation::Installation;
use provident_tests::product::{Candidate, product, refusal};

/// Of the system's refused decisions every so many is tried: each is a transaction of its own. Prime, so that no
/// member of the product always falls between.
const STEP: usize = 5;

fn mode(candidate: &Candidate) -> ResolutionMode {
    candidate.mode.as_str().parse().unwrap()
}

fn request(candidate: &Candidate) -> CreateBinding {
    let mut request = CreateBinding::new(mode(candidate), SubjectRef::Key(candidate.subject.clone()));
    request.subject_domain = Some("things".to_owned());
    request.resource = candidate.resource.clone().map(ResourceRef::Key);
    request.note = candidate.note.as_deref().map(Note::new);
    request.reason.clone_from(&candidate.reason);
    request
}

/// Asserts that the rules would have answered the same: nothing, or this code.
fn assert_same(told: Option<&str>, candidate: &Candidate) {
    assert_eq!(told, refusal(candidate), "{candidate:?}");
}

#[test]
fn the_compiled_component_gives_the_verdict_of_the_rules_over_the_whole_product() {
    let identity = Identity::embedded().unwrap();
    let candidates = product();
    assert_eq!(candidates.len(), 20_736);
    for candidate in &candidates {
        let verdict = identity.check(&Decision {
            action: DecisionAction::Create,
            actor: candidate.actor.as_str().parse().unwrap(),
            mode: Some(mode(candidate)),
            subject: candidate.subject.clone(),
            resource: candidate.resource.clone(),
            note: candidate.note.clone(),
            reason: candidate.reason.clone(),
        });
        match verdict {
            Ok(()) => assert_same(None, candidate),
            Err(CallError::Refused(errors)) => assert_same(Some(errors[0].code.as_str()), candidate),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn the_service_gives_operators_the_verdict_of_the_rules_over_the_whole_product() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let (acme, here) = (&world.acme, world.acme.environment_id);
        let candidates: Vec<Candidate> =
            product().into_iter().filter(|candidate| candidate.actor == ActorKind::Operator).collect();
        let mut created = 0;
        for chunk in candidates.chunks(500) {
            let requests: Vec<CreateBinding> = chunk.iter().map(request).collect();
            let answers =
                world.service.bulk_create_bindings(acme.manager, &acme.workspace, here, &requests).await.unwrap();
            assert_eq!(answers.len(), chunk.len());
            for (candidate, answer) in chunk.iter().zip(&answers) {
                match answer {
                    BulkAnswer::Created { .. } => assert_same(None, candidate),
                    BulkAnswer::Refused(refused) => assert_same(Some(refused.code), candidate),
                }
                created += usize::from(matches!(answer, BulkAnswer::Created { .. }));
            }
        }
        assert_eq!(candidates.len(), 20_736 / 2);
        assert!(created > 100, "{created} created");
        assert_eq!(world.count("provider_resource_bindings").await, created);
    });
}

#[test]
fn the_service_gives_the_system_the_verdict_of_the_rules() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let (workspace_id, here) = (world.acme.workspace_id, world.acme.environment_id);
        let (allowed, refused): (Vec<Candidate>, Vec<Candidate>) = product()
            .into_iter()
            .filter(|candidate| candidate.actor == ActorKind::System)
            .partition(|candidate| refusal(candidate).is_none());
        let tried = allowed.iter().chain(refused.iter().step_by(STEP));
        let (system, mut created) = (SystemActor::of_the_host(), 0);
        for candidate in tried {
            match world.service.create_automatic_binding(&system, workspace_id, here, &request(candidate)).await {
                Ok(_) => {
                    assert_same(None, candidate);
                    created += 1;
                }
                Err(error @ Error::Refused(_)) => assert_same(Some(error.code()), candidate),
                Err(error) => panic!("{error}: {candidate:?}"),
            }
        }
        assert!(created > 10, "{created} created");
        assert_eq!(created, allowed.len());
        assert_eq!(world.count("provider_resource_bindings").await, created);
    });
}
