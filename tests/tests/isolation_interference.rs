//! Two tenants on one database, on both engines: whatever one does, the other's answers and rows are the same to the
//! byte, and no operation of one touches a row of the other.
//!
//! Each tenant has a service of its own on the database, with its own seeded clock and ids: times and ids are then no
//! way for one to hear of the other. The same acts are played on two databases that began alike, once with the other
//! tenant at work in between and once without.
#![cfg(test)]

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use provident::actor::Actor;
use provident::binding::{BindingFilter, Note, ResourceRef, SupersedeBinding};
use provident::clock::{Clock, Ids, Timestamp};
use provident::error::Error;
use provident::inventory::InventoryFilter;
use provident::page::PageRequest;
use provident::policy::Role;
use provident::service::Service;
use provident_identity::ResolutionMode;
use provident_tests::catalog::{self, Table};
use provident_tests::database::{Raw, TestDatabase, on_both_engines};
use provident_tests::installation::{Installation, Tenant, exclusion, key, plane, settings, widget};
use serde::Serialize;
use uuid::Uuid;

/// How many sequences of acts each engine plays.
const CASES: u32 = 6;

/// Something a tenant does. Numbers choose among subjects, people, and what was made before.
#[derive(Debug, Clone)]
enum Act {
    Create(u8, u8),
    Supersede(u8, u8),
    Revoke(u8),
    Import(Vec<u8>),
    AddMember(u8),
    ChangeRole(u8, bool),
    EndMember(u8),
    Grant(u8),
    EndGrant(u8),
    MakeEnvironment,
    LookUp,
    List,
    History(u8),
    Inventory,
    Members,
    Environments,
    Log,
    /// Reads, supersedes and revokes a binding of the other tenant, and decides in their environment.
    Trespass(u8),
}

fn act() -> impl Strategy<Value = Act> {
    let small = || 0_u8..4;
    prop_oneof![
        4 => (small(), 0_u8..5).prop_map(|(subject, mode)| Act::Create(subject, mode)),
        2 => (small(), 0_u8..5).prop_map(|(made, mode)| Act::Supersede(made, mode)),
        2 => small().prop_map(Act::Revoke),
        2 => proptest::collection::vec(small(), 1..4).prop_map(Act::Import),
        2 => (0_u8..3).prop_map(Act::AddMember),
        1 => (0_u8..3, any::<bool>()).prop_map(|(user, up)| Act::ChangeRole(user, up)),
        2 => (0_u8..3).prop_map(Act::EndMember),
        2 => (0_u8..3).prop_map(Act::Grant),
        1 => (0_u8..3).prop_map(Act::EndGrant),
        1 => Just(Act::MakeEnvironment),
        2 => Just(Act::LookUp),
        2 => Just(Act::List),
        1 => small().prop_map(Act::History),
        1 => Just(Act::Inventory),
        1 => Just(Act::Members),
        1 => Just(Act::Environments),
        2 => Just(Act::Log),
        2 => small().prop_map(Act::Trespass),
    ]
}

/// What every sequence begins with, so that none is all refusals: each is answered with an object.
fn opening() -> Vec<(bool, Act)> {
    let acts = [Act::Create(0, 1), Act::Supersede(0, 2), Act::Create(1, 0), Act::Revoke(1), Act::MakeEnvironment];
    acts.into_iter().flat_map(|act| [(true, act.clone()), (false, act)]).collect()
}

/// A tenant at work.
struct Side {
    service: Service,
    tenant: Tenant,
    /// People both tenants may make members.
    people: Vec<Actor>,
    made: Vec<Uuid>,
    /// The other's environment.
    elsewhere: Uuid,
}

fn told<T: Serialize>(outcome: Result<T, Error>) -> String {
    match outcome {
        Ok(answer) => serde_json::to_string(&answer).unwrap(),
        Err(error) => format!("{}: {error}; {error:?}", error.code()),
    }
}

fn mode(number: u8) -> ResolutionMode {
    [
        ResolutionMode::ManualBinding,
        ResolutionMode::ExcludedNonGoverned,
        ResolutionMode::AcceptedLimitation,
        ResolutionMode::UnsupportedCoverage,
        ResolutionMode::MissingExpected,
    ][usize::from(number)]
}

impl Side {
    async fn on(world: &Installation, tenant: &Tenant, other: &Tenant, people: &[Actor], seed: u64) -> Self {
        let mut settings = settings(&world.database, &world.directory);
        settings.clock = Clock::stepping(Timestamp::from_micros(1_800_000_000_000_000), 1_000_000);
        settings.ids = Ids::seeded(seed);
        Self {
            service: Service::open(&settings).await.unwrap(),
            tenant: tenant.clone(),
            people: people.to_vec(),
            made: Vec::new(),
            elsewhere: other.environment_id,
        }
    }

    fn made(&self, number: u8) -> Uuid {
        // Of nothing made yet, the id of nothing.
        self.made.get(usize::from(number) % self.made.len().max(1)).copied().unwrap_or(Uuid::max())
    }

    /// Does it; `theirs` are the other's bindings. Answers all there is to be heard.
    async fn act(&mut self, act: &Act, theirs: &[Uuid]) -> String {
        let (service, tenant, page) = (&self.service, &self.tenant, PageRequest::default());
        let (at, here, owner, manager) = (&tenant.workspace, tenant.environment_id, tenant.owner, tenant.manager);
        let person = |number: &u8| self.people[usize::from(*number)].user_id();
        match act {
            Act::Create(subject, number) => {
                let mut request = exclusion(&key(&subject.to_string()));
                request.mode = mode(*number);
                if request.mode == ResolutionMode::ManualBinding {
                    request.resource = Some(ResourceRef::Descriptor(Box::new(widget("R"))));
                }
                let outcome = service.create_binding(manager, at, here, &request).await;
                self.made.extend(outcome.as_ref().ok().map(|binding| binding.id));
                told(outcome)
            }
            Act::Supersede(made, number) => {
                let mut request = SupersedeBinding::new(mode(*number));
                request.note = Some(Note::new("why"));
                let outcome = service.supersede_binding(manager, at, self.made(*made), &request).await;
                self.made.extend(outcome.as_ref().ok().map(|binding| binding.id));
                told(outcome)
            }
            Act::Revoke(made) => {
                told(service.revoke_binding(manager, at, self.made(*made), Some(&Note::new("why"))).await)
            }
            Act::Import(objects) => told(self.import(objects).await),
            Act::AddMember(user) => told(service.add_member(owner, at, person(user), Role::Operator).await),
            Act::ChangeRole(user, up) => {
                let role = if *up { Role::Manager } else { Role::Readonly };
                told(service.change_member_role(owner, at, person(user), role).await)
            }
            Act::EndMember(user) => told(service.end_membership(owner, at, person(user)).await),
            Act::Grant(user) => told(service.grant_entitlement(owner, at, here, person(user)).await),
            Act::EndGrant(user) => told(service.end_entitlement(owner, at, here, person(user)).await),
            Act::MakeEnvironment => told(service.create_environment(owner, at, "Another").await),
            Act::LookUp => {
                let keys: Vec<String> = (0..4).map(|subject| key(&subject.to_string())).collect();
                told(service.lookup(manager, at, here, &keys, None).await)
            }
            Act::List => told(service.bindings(manager, at, here, &BindingFilter::default(), page).await),
            Act::History(subject) => {
                told(service.history_of_subject(manager, at, here, &key(&subject.to_string()), page).await)
            }
            Act::Inventory => told(service.inventory(manager, at, here, &InventoryFilter::default(), page).await),
            Act::Members => told(service.members(owner, at, page).await),
            Act::Environments => told(service.environments(owner, at, page).await),
            Act::Log => told(service.audit_events(owner, at, None, 0, 500).await),
            Act::Trespass(number) => {
                let id = theirs.get(usize::from(*number) % theirs.len().max(1)).copied().unwrap_or(Uuid::max());
                let mut succession = SupersedeBinding::new(ResolutionMode::MissingExpected);
                succession.note = Some(Note::new("why"));
                let request = exclusion(&key("theirs"));
                let there = self.elsewhere;
                [
                    told(service.binding(manager, at, id).await),
                    told(service.history_of_binding(manager, at, id, page).await),
                    told(service.supersede_binding(manager, at, id, &succession).await),
                    told(service.revoke_binding(manager, at, id, Some(&Note::new("why"))).await),
                    told(service.create_binding(manager, at, there, &request).await),
                    told(service.bindings(manager, at, there, &BindingFilter::default(), page).await),
                    told(service.inventory(manager, at, there, &InventoryFilter::default(), page).await),
                    told(service.grant_entitlement(owner, at, there, manager.user_id()).await),
                    told(service.audit_events(owner, at, Some(there.into()), 0, 500).await),
                ]
                .join("\n")
            }
        }
    }

    async fn import(&self, objects: &[u8]) -> Result<(String, impl Serialize), Error> {
        let (service, tenant) = (&self.service, &self.tenant);
        let objects: Vec<_> =
            (0..).zip(objects).map(|(position, object)| Ok((position, widget(&object.to_string())))).collect();
        let mut import = service.begin_import(tenant.manager, &tenant.workspace, tenant.environment_id, None).await?;
        let chunk = service.import_chunk(&mut import, &objects).await?;
        Ok((format!("{} {chunk:?}", import.id()), service.finish_import(&import).await?))
    }
}

/// Every row of a workspace.
async fn rows_of(raw: &mut Raw, tables: &[Table], workspace: Uuid) -> Vec<String> {
    let id = raw.engine().id(workspace);
    let mut all = Vec::new();
    for Table { name, .. } in tables {
        let rows = raw.rows(&format!("SELECT * FROM {name} WHERE workspace_id = {id}")).await.unwrap();
        let mut rows: Vec<String> = rows.iter().map(|row| format!("{name} {row:?}")).collect();
        rows.sort();
        all.extend(rows);
    }
    all
}

/// What is in one list and not in the other.
fn difference(one: &[String], other: &[String]) -> Vec<String> {
    let missing = |of: &[String], from: &[String], sign: &str| -> Vec<String> {
        of.iter().filter(|text| !from.contains(text)).map(|text| format!("{sign} {text}")).collect()
    };
    [missing(one, other, "-"), missing(other, one, "+")].concat()
}

fn assert_untouched(before: &[String], after: &[String], act: &Act) {
    assert!(before == after, "{act:?} of one changed rows of the other:\n{}", difference(before, after).join("\n"));
}

/// What one tenant heard and has.
struct Heard {
    answers: Vec<String>,
    rows: Vec<String>,
}

/// Plays the acts of `acme`, and between them, if `disturbed`, those of `rival`. Of the bindings of `rival` that `acme`
/// goes for at each of its acts, `trespassed` is the list: written when disturbed, read when not.
async fn played(
    database: TestDatabase,
    acts: &[(bool, Act)],
    disturbed: bool,
    trespassed: &mut Vec<Vec<Uuid>>,
) -> Heard {
    let world = Installation::on(database).await;
    let mut people = Vec::new();
    for _ in 0..3 {
        people.push(Actor::user(world.service.create_user(&plane(), "Somebody").await.unwrap().id));
    }
    let (acme, rival) = (world.acme.clone(), world.rival.clone());
    // Two of them are members of both from the start: what is done to one membership is not done to the other.
    for tenant in [&acme, &rival] {
        for person in people.iter().take(2).map(|person| person.user_id()) {
            world.service.add_member(tenant.owner, &tenant.workspace, person, Role::Operator).await.unwrap();
            let here = tenant.environment_id;
            world.service.grant_entitlement(tenant.owner, &tenant.workspace, here, person).await.unwrap();
        }
    }
    let mut ours = Side::on(&world, &acme, &rival, &people, 100).await;
    let mut others = Side::on(&world, &rival, &acme, &people, 200).await;
    let mut raw = world.raw().await;
    let tables: Vec<Table> = catalog::read(&mut raw).await.unwrap().into_iter().filter(Table::is_tenants).collect();
    let mut answers = Vec::new();
    let mut mine = rows_of(&mut raw, &tables, acme.workspace_id).await;
    let mut theirs = rows_of(&mut raw, &tables, rival.workspace_id).await;
    for (other, act) in acts.iter().filter(|(other, _)| disturbed || !other) {
        if *other {
            others.act(act, &ours.made.clone()).await;
            assert_untouched(&mine, &rows_of(&mut raw, &tables, acme.workspace_id).await, act);
            theirs = rows_of(&mut raw, &tables, rival.workspace_id).await;
            continue;
        }
        if disturbed {
            trespassed.push(others.made.clone());
        }
        let answer = ours.act(act, &trespassed[answers.len()]).await;
        answers.push(format!("{act:?}: {answer}"));
        if disturbed {
            assert_untouched(&theirs, &rows_of(&mut raw, &tables, rival.workspace_id).await, act);
            mine = rows_of(&mut raw, &tables, acme.workspace_id).await;
        }
    }
    assert_eq!(rows_of(&mut raw, &tables, rival.workspace_id).await, theirs);
    let rows = rows_of(&mut raw, &tables, acme.workspace_id).await;
    raw.close().await.unwrap();
    ours.service.close().await;
    others.service.close().await;
    world.service.close().await;
    Heard { answers, rows }
}

#[test]
fn what_a_tenant_hears_and_has_is_the_same_whatever_another_does() {
    on_both_engines(|database| async move {
        let engine = database.engine();
        let config = ProptestConfig {
            cases: CASES,
            max_shrink_iters: 30,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        let acts = proptest::collection::vec((any::<bool>(), act()), 10..35);
        let play = |acts: Vec<(bool, Act)>| async move {
            let mut trespassed = Vec::new();
            let disturbed = played(TestDatabase::migrated(engine).await, &acts, true, &mut trespassed).await;
            let alone = played(TestDatabase::migrated(engine).await, &acts, false, &mut trespassed).await;
            (disturbed, alone)
        };
        let here = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| {
            TestRunner::new(config)
                .run(&acts, |acts| {
                    let acts = [opening(), acts].concat();
                    let (disturbed, alone) = here.block_on(play(acts));
                    let did = alone.answers.iter().take(opening().len() / 2).filter(|told| told.contains(": {"));
                    prop_assert_eq!(did.count(), opening().len() / 2, "{:#?}", alone.answers);
                    let mut told = difference(&alone.answers, &disturbed.answers);
                    told.extend(difference(&alone.rows, &disturbed.rows));
                    prop_assert!(told.is_empty(), "the other was heard of:\n{}", told.join("\n"));
                    prop_assert!(alone.answers == disturbed.answers && alone.rows == disturbed.rows);
                    Ok(())
                })
                .unwrap();
        });
    });
}
