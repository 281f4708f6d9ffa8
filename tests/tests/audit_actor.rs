//! By what credential and in which request: both stand in the event of every operation of a person who came by one, in
//! those of denials, and in what the chain hashes. On both engines.
#![cfg(test)]

use std::collections::BTreeSet;

use provident::actor::Actor;
use provident::audit::{Operation, chain_hash};
use provident::service::Auditor;
use provident::workspace::WorkspaceRef;
use provident_tests::database::on_both_engines;
use provident_tests::installation::{Installation, exclusion, key, plane};
use provident_tests::trail::exported;
use provident_tests::workload::every_operation_of;
use uuid::Uuid;

const TOKEN: Uuid = Uuid::from_u128(0x7e);

fn platform() -> WorkspaceRef {
    WorkspaceRef::Id(Uuid::nil())
}

/// The same person by a token, in a request of a name.
fn asking(actor: Actor, request: &str) -> Actor {
    actor.by_token(TOKEN, None).in_request(request.parse().unwrap())
}

#[test]
fn every_operation_and_every_denial_names_the_token_and_the_request() {
    on_both_engines(|database| async move {
        let mut world = Installation::on(database).await;
        let before = exported(&world, &world.acme.workspace).await.len();
        let strange = exported(&world, &platform()).await.len();
        let acme = &mut world.acme;
        for actor in [
            &mut acme.owner,
            &mut acme.manager,
            &mut acme.operator,
            &mut acme.readonly,
            &mut acme.unentitled,
            &mut world.stranger,
        ] {
            *actor = asking(*actor, "req-1.of_all");
        }
        every_operation_of(&world, &world.acme).await;
        let of_here = exported(&world, &world.acme.workspace).await.split_off(before);
        let of_the_platform = exported(&world, &platform()).await.split_off(strange);
        let (mut done, mut denied) = (BTreeSet::new(), 0);
        for chained in of_here.iter().chain(&of_the_platform) {
            let event = &chained.event;
            let named = (event.actor_token_id, event.request_id.as_deref());
            let of_a_person = event.actor_kind == "operator";
            if of_a_person {
                assert_eq!(named, (Some(TOKEN), Some("req-1.of_all")), "{event:?}");
                assert_eq!(chain_hash(&chained.previous_hash, &event.canonical_json().unwrap()), chained.hash);
                // Said otherwise, the event is another one.
                for other in [
                    {
                        let mut other = event.clone();
                        other.actor_token_id = None;
                        other
                    },
                    {
                        let mut other = event.clone();
                        other.request_id = Some("req-2".to_owned());
                        other
                    },
                ] {
                    let hash = chain_hash(&chained.previous_hash, &other.canonical_json().unwrap());
                    assert_ne!(hash, chained.hash);
                }
            } else {
                assert_eq!(named, (None, None), "{event:?}");
            }
            done.insert(event.action.clone());
            denied += usize::from(event.denial.is_some());
        }
        assert!(denied >= 2, "a member's denial and a stranger's");
        for operation in Operation::ALL.iter().filter(|operation| operation.kind() != "system") {
            assert!(done.contains(operation.done()), "{operation:?} was not done");
        }
        for workspace in [&world.acme.workspace, &platform()] {
            let verdict = world.service.verify_audit(Auditor::System(&plane()), workspace, None).await.unwrap();
            assert!(verdict.is_ok(), "{verdict:?}");
        }
    });
}

#[test]
fn a_token_of_another_workspace_is_a_strangers_and_is_told_of_with_the_person() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let elsewhere =
            acme.manager.by_token(TOKEN, Some(world.rival.workspace_id)).in_request("req-2".parse().unwrap());
        let before = exported(&world, &acme.workspace).await.len();
        let request = exclusion(&key("1"));
        let denied = world.service.create_binding(elsewhere, &acme.workspace, acme.environment_id, &request).await;
        assert_eq!(denied.unwrap_err().code(), "not-found");
        assert_eq!(exported(&world, &acme.workspace).await.len(), before, "not the workspace's to know");
        let event = exported(&world, &platform()).await.pop().unwrap().event;
        assert_eq!(event.actor_user_id, Some(acme.manager.user_id()));
        assert_eq!((event.actor_token_id, event.request_id.as_deref()), (Some(TOKEN), Some("req-2")));
        assert!(event.denial.is_some());
        // Where it reaches, it is the person's own standing.
        let here = acme.manager.by_token(TOKEN, Some(acme.workspace_id));
        world.service.create_binding(here, &acme.workspace, acme.environment_id, &request).await.unwrap();
    });
}
