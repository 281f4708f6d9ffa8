//! Which subjects are bound to a resource now, on both engines.
#![cfg(test)]

use std::collections::BTreeSet;

use provident::actor::Actor;
use provident::binding::{Binding, CreateBinding, Note, ResourceRef, SupersedeBinding};
use provident::error::Error;
use provident::page::{Page, PageRequest};
use provident_identity::ResolutionMode;
use provident_tests::database::on_both_engines;
use provident_tests::installation::{Installation, Tenant, exclusion, key};
use uuid::Uuid;

fn bound(subject: &str, resource: &str) -> CreateBinding {
    let mut request = exclusion(subject);
    request.mode = ResolutionMode::ManualBinding;
    request.resource = Some(ResourceRef::Key(resource.to_owned()));
    request
}

async fn bind(world: &Installation, of: &Tenant, environment: Uuid, request: &CreateBinding) -> Binding {
    world.service.create_binding(of.owner, &of.workspace, environment, request).await.unwrap()
}

async fn bound_to(
    world: &Installation,
    actor: Actor,
    resource: &str,
    page: PageRequest,
) -> Result<Page<Binding>, Error> {
    let acme = &world.acme;
    world.service.bindings_of_resource(actor, &acme.workspace, acme.environment_id, resource, page).await
}

#[test]
fn the_subjects_bound_to_a_resource_are_those_of_now_and_of_here() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let (acme, rival) = (&world.acme, &world.rival);
        let here = acme.environment_id;
        let (door, gate) = (key("door"), key("gate"));
        let kept = bind(&world, acme, here, &bound(&key("1"), &door)).await;
        let moved = bind(&world, acme, here, &bound(&key("2"), &door)).await;
        let revoked = bind(&world, acme, here, &bound(&key("3"), &door)).await;
        // One may name a resource without being bound to it alone: it is there all the same.
        let mut accepted = bound(&key("4"), &door);
        accepted.mode = ResolutionMode::AcceptedLimitation;
        let accepted = bind(&world, acme, here, &accepted).await;
        let _ = bind(&world, acme, acme.hidden_environment_id, &bound(&key("1"), &door)).await;
        let _ = bind(&world, rival, rival.environment_id, &bound(&key("1"), &door)).await;
        // The resource itself is a subject of its own.
        let _ = bind(&world, acme, here, &exclusion(&door)).await;
        let mut request = SupersedeBinding::new(ResolutionMode::ManualBinding);
        request.resource = Some(ResourceRef::Key(gate.clone()));
        request.note = Some(Note::new("it was the gate"));
        let moved = world.service.supersede_binding(acme.owner, &acme.workspace, moved.id, &request).await.unwrap();
        let note = Note::new("was wrong");
        world.service.revoke_binding(acme.owner, &acme.workspace, revoked.id, Some(&note)).await.unwrap();
        let page = PageRequest::default();
        let found = bound_to(&world, acme.readonly, &door, page).await.unwrap();
        assert_eq!((found.items, found.next), (vec![accepted, kept], None));
        assert_eq!(bound_to(&world, acme.readonly, &gate, page).await.unwrap().items, [moved]);
        assert_eq!(bound_to(&world, acme.readonly, &key("nothing"), page).await.unwrap().items, []);
        let refused = bound_to(&world, acme.readonly, "no key", page).await.unwrap_err();
        let Error::Refused(errors) = refused else { panic!("{refused:?}") };
        assert_eq!(errors[0].field, "resource");
        for nobody in [rival.owner, acme.unentitled, world.stranger] {
            assert!(matches!(bound_to(&world, nobody, &door, page).await, Err(Error::NotFound)));
        }
    });
}

#[test]
fn pages_of_the_subjects_of_a_resource_hold_still_while_others_are_bound() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let door = key("door");
        let items: Vec<_> = (0..25).map(|id| bound(&key(&id.to_string()), &door)).collect();
        let made = world.service.bulk_create_bindings(acme.owner, &acme.workspace, acme.environment_id, &items).await;
        assert_eq!(made.unwrap().len(), 25);
        let (mut seen, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = bound_to(&world, acme.readonly, &door, PageRequest::new(10, after)).await.unwrap();
            pages += 1;
            seen.extend(page.items.iter().map(|binding| binding.id));
            // What is bound meanwhile is newer than every page to come.
            let _ = bind(&world, acme, acme.environment_id, &bound(&key(&format!("later-{pages}")), &door)).await;
            let Some(next) = page.next else { break };
            after = Some(next);
        }
        assert_eq!((seen.len(), pages), (25, 3));
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 25);
        assert!(seen.is_sorted_by(|one, other| one > other));
    });
}
