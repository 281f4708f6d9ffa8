//! Look-ups by descriptors, on both engines: answered as the keys the component derives from them, one refused spoils no
//! other, and the limit is that of keys.
#![cfg(test)]

use provident::binding::{LookupAnswer, Note};
use provident::clock::Timestamp;
use provident::service::MAX_LOOKUP_KEYS;
use provident_identity::ProviderResourceDescriptor;
use provident_tests::database::on_both_engines;
use provident_tests::installation::{Installation, exclusion, widget};

async fn by_descriptors(
    world: &Installation,
    descriptors: &[ProviderResourceDescriptor],
    at: Option<Timestamp>,
) -> Vec<LookupAnswer> {
    let acme = &world.acme;
    world
        .service
        .lookup_descriptors(acme.readonly, &acme.workspace, acme.environment_id, descriptors, at)
        .await
        .unwrap()
}

#[test]
fn descriptors_are_answered_as_the_keys_derived_from_them() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let asked = ["held", "ended", "never"].map(widget);
        let keys = asked
            .each_ref()
            .map(|descriptor| world.service.identity().describe(descriptor).unwrap().key.as_str().to_owned());
        let held = world.excluded(&keys[0]).await;
        let ended = world.excluded(&keys[1]).await;
        let note = Note::new("over");
        world.service.revoke_binding(acme.manager, &acme.workspace, ended.id, Some(&note)).await.unwrap();
        for at in [None, Some(ended.decided_at), Some(Timestamp::from_micros(0))] {
            let by_keys = world.service.lookup(acme.readonly, &acme.workspace, acme.environment_id, &keys, at).await;
            assert_eq!(by_descriptors(&world, &asked, at).await, by_keys.unwrap(), "{at:?}");
        }
        let now = by_descriptors(&world, &asked, None).await;
        assert!(matches!(&now[0], LookupAnswer::Active { binding } if binding.id == held.id), "{now:?}");
        assert!(matches!(&now[1], LookupAnswer::Ended { binding_id, .. } if *binding_id == ended.id), "{now:?}");
        assert_eq!(now[2], LookupAnswer::None);
        // What does not identify makes no difference.
        let mut labelled = asked[0].clone();
        labelled.display_label = Some("A name of its own".to_owned());
        labelled.identity.fingerprint = Some("seen differently".to_owned());
        assert_eq!(by_descriptors(&world, &[labelled], None).await[0], now[0]);
    });
}

#[test]
fn a_descriptor_that_is_refused_is_answered_for_itself() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let held = widget("held");
        let key = world.service.identity().describe(&held).unwrap().key;
        world.excluded(key.as_str()).await;
        let mut nameless = widget("nameless");
        nameless.identity.provider_resource_id = None;
        let mut endless = widget("endless");
        endless.display_label = Some("x".repeat(4 << 20));
        let answers = by_descriptors(&world, &[nameless, held.clone(), endless, held], None).await;
        let codes: Vec<&str> = answers
            .iter()
            .map(|answer| match answer {
                LookupAnswer::Refused { error } => error.code.as_str(),
                LookupAnswer::Active { .. } => "active",
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(codes, ["missing-identity", "active", "request-too-large", "active"]);
    });
}

#[test]
fn more_descriptors_than_keys_may_be_are_refused_to_whoever_may_look() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let (service, acme) = (&world.service, &world.acme);
        let many = vec![widget("same"); MAX_LOOKUP_KEYS + 1];
        for (who, expected) in [(acme.readonly, "too-many-keys"), (world.stranger, "not-found")] {
            let asked = service.lookup_descriptors(who, &acme.workspace, acme.environment_id, &many, None).await;
            assert_eq!(asked.unwrap_err().code(), expected);
        }
        // They are looked up in the environment named and in no other.
        let request = exclusion(service.identity().describe(&many[0]).unwrap().key.as_str());
        let hidden = acme.hidden_environment_id;
        service.create_binding(acme.owner, &acme.workspace, hidden, &request).await.unwrap();
        assert_eq!(by_descriptors(&world, &many[..1], None).await, [LookupAnswer::None]);
    });
}
