//! Who may do what over HTTP, by a sweep over the document: every operation, every caller, every way a thing is there or
//! is not. What is expected of each is reckoned from the map of roles and from what the operation asks; nothing is
//! listed by hand, and nothing is excepted. The requests: `tests/src/operations.rs`.
#![cfg(test)]

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::http::Method;
use provident::actor::Actor;
use provident::http::Limits;
use provident::inventory::InventoryFilter;
use provident::page::PageRequest;
use provident::policy::{Capability, ROLE_CAPABILITIES, Role};
use provident::service::NewToken;
use provident::store::{forget_statements, statements_counted};
use provident_tests::api::{Caller, Reply, routes_within, token};
use provident_tests::database::{Raw, on_both_engines};
use provident_tests::installation::{Installation, Tenant, exclusion, key, plane, widget};
use provident_tests::operations::{About, Aim, Operation, Prepared, Sample, operations, told};
use provident_tests::rows::fresh_id;
use provident_tests::tables;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Operations that are not swept, or not as the others are. There are none.
const EXCEPTIONS: [&str; 0] = [];

/// Which statements ran is remembered by the process: only one of these tests at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// So much that no test is about how much.
fn limits() -> Limits {
    let many = NonZeroU32::new(1_000_000).unwrap();
    Limits { body_bytes: 4_096, rate_per_s: many, rate_burst: many, ..Limits::default() }
}

/// What an answer has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    NotFound,
    Forbidden,
    /// It cannot be read, which those are told who could do it if it could.
    Unreadable,
}

/// Somebody with a credential that holds.
#[derive(Clone, Debug)]
struct Person {
    name: &'static str,
    user_id: Uuid,
    caller: Caller,
    /// What they are, in the workspaces that they, by this credential, are something in.
    roles: Vec<(Uuid, Role)>,
    /// What they are entitled to.
    environments: Vec<Uuid>,
}

impl Person {
    fn role(&self, aim: &Aim) -> Option<Role> {
        self.roles.iter().find(|(workspace, _)| workspace.to_string() == aim.workspace).map(|(_, role)| *role)
    }
}

fn allows(role: Role, capability: Capability) -> bool {
    ROLE_CAPABILITIES.iter().any(|(of, capabilities)| *of == role && capabilities.contains(&capability))
}

/// What a request names, and where that is.
#[derive(Clone, Debug)]
struct Target {
    name: &'static str,
    aim: Aim,
    /// The environment of what is named, if there is such a thing in the workspace of the path.
    environment: Option<Uuid>,
    /// Whether the environment is named by a text that can name none.
    nonsense: bool,
}

/// Everything that is acted on.
struct Scene {
    world: Installation,
    routes: Router,
    people: Vec<Person>,
    targets: Vec<Target>,
    raw: Raw,
}

/// A binding, an item, a connection and a run in an environment.
async fn furnished(world: &Installation, tenant: &Tenant, environment: Uuid) -> Aim {
    let (service, workspace, owner) = (&world.service, &tenant.workspace, tenant.owner);
    let mut import = service.begin_import(owner, workspace, environment, None).await.unwrap();
    service.import_chunk(&mut import, &[Ok((0, widget("I")))]).await.unwrap();
    let (filter, page) = (InventoryFilter::default(), PageRequest::default());
    let item = service.inventory(owner, workspace, environment, &filter, page).await.unwrap().items[0].id;
    let binding = service.create_binding(owner, workspace, environment, &exclusion(&key("B"))).await.unwrap().id;
    let (connection, run) = world.waiting_run(tenant, environment).await;
    Aim::at(tenant, environment, binding, item).through(connection, run)
}

impl Scene {
    async fn of(world: Installation) -> Self {
        let routes = routes_within(&world.service, limits());
        let people = people(&world, &routes).await;
        let targets = targets(&world).await;
        let raw = world.raw().await;
        Self { world, routes, people, targets, raw }
    }

    /// Every row of every table but those of the trail.
    async fn everything_else(&mut self) -> Vec<(&'static str, Vec<String>)> {
        let mut rows = Vec::new();
        for table in tables::all().filter(|table| !["audit_events", "audit_heads"].contains(table)) {
            let all = self.raw.rows(&format!("SELECT * FROM {table}")).await.unwrap();
            let mut texts: Vec<String> = all.iter().map(|row| format!("{row:?}")).collect();
            texts.sort();
            rows.push((table, texts));
        }
        rows
    }

    async fn events(&mut self) -> i64 {
        self.raw.value("SELECT count(*) FROM audit_events").await.unwrap().unwrap().parse().unwrap()
    }

    /// What the last event of a chain says was denied, how, and to whom.
    async fn last_denial(&mut self, chain: Uuid) -> (String, String, String) {
        let engine = self.raw.engine();
        let sql = format!(
            "SELECT attempted_action, denial, actor_user_id FROM audit_events WHERE workspace_id = {} \
             ORDER BY number DESC LIMIT 1",
            engine.id(chain)
        );
        let row = self.raw.rows(&sql).await.unwrap().remove(0);
        let text = |column: usize| row[column].clone().unwrap_or_default();
        (text(0), text(1), text(2).replace('-', ""))
    }

    /// What is like a target's and has not been used up: some operations do. Nothing is under way there but the run that is
    /// named.
    async fn unspent(&self, operation: &Operation, about: About, target: &Target) -> Aim {
        let (world, mut aim) = (&self.world, target.aim.clone());
        aim.subject = fresh_id().to_string();
        let Some(environment) = target.environment.filter(|_| operation.changes()) else { return aim };
        let acme = [&world.acme, &world.rival];
        let tenant = acme.into_iter().find(|tenant| tenant.workspace_id.to_string() == aim.workspace).unwrap();
        match about {
            About::Binding => {
                let request = exclusion(&key(&fresh_id().to_string()));
                let made = world.service.create_binding(tenant.owner, &tenant.workspace, environment, &request).await;
                aim.binding = made.unwrap().id.to_string();
            }
            About::Connection => aim.connection = world.bare_connection(tenant, environment, None).await.to_string(),
            About::Run => {
                let (connection, run) = world.waiting_run(tenant, environment).await;
                aim = aim.through(connection, run);
            }
            About::Environment => world.idle(tenant, environment).await,
            About::Nothing | About::Workspace | About::EveryEnvironment | About::Item => {}
        }
        aim
    }
}

/// One of every way to stand.
async fn people(world: &Installation, routes: &Router) -> Vec<Person> {
    let (acme, rival, service) = (&world.acme, &world.rival, &world.service);
    let (here, there) = (acme.workspace_id, rival.workspace_id);
    let both = vec![acme.environment_id, acme.hidden_environment_id];
    let one = vec![acme.environment_id];
    let theirs = vec![rival.environment_id, rival.hidden_environment_id];
    let former = Actor::user(service.create_user(&plane(), "Former").await.unwrap().id);
    service.add_member(acme.owner, &acme.workspace, former.user_id(), Role::Owner).await.unwrap();
    service.grant_entitlement(acme.owner, &acme.workspace, acme.environment_id, former.user_id()).await.unwrap();
    service.end_membership(acme.owner, &acme.workspace, former.user_id()).await.unwrap();
    let mut people = Vec::new();
    for (name, actor, bound_to, roles, environments) in [
        ("a stranger", world.stranger, None, vec![], vec![]),
        ("a former owner", former, None, vec![], vec![]),
        ("an owner elsewhere", rival.owner, None, vec![(there, Role::Owner)], theirs),
        ("an owner whose token is bound elsewhere", acme.owner, Some(there), vec![], vec![]),
        ("an owner not entitled", acme.unentitled, None, vec![(here, Role::Owner)], vec![]),
        ("readonly", acme.readonly, None, vec![(here, Role::Readonly)], one.clone()),
        ("operator", acme.operator, None, vec![(here, Role::Operator)], one.clone()),
        ("manager", acme.manager, None, vec![(here, Role::Manager)], one),
        ("owner", acme.owner, None, vec![(here, Role::Owner)], both.clone()),
        ("an owner whose token is bound here", acme.owner, Some(here), vec![(here, Role::Owner)], both),
    ] {
        let user_id = actor.user_id();
        let caller = Caller::nobody(routes).with_token(&token(service, user_id, bound_to, false).await);
        people.push(Person { name, user_id, caller, roles, environments });
    }
    people
}

/// One of every way that a thing is there or is not.
async fn targets(world: &Installation) -> Vec<Target> {
    let (acme, rival) = (&world.acme, &world.rival);
    let there = furnished(world, acme, acme.environment_id).await;
    let hidden = furnished(world, acme, acme.hidden_environment_id).await;
    let foreign = furnished(world, rival, rival.environment_id).await;
    let missing = Aim::at(acme, fresh_id(), fresh_id(), fresh_id()).through(fresh_id(), fresh_id());
    let in_workspace = |aim: &Aim, workspace: String| Aim { workspace, ..aim.clone() };
    let texts = |id: &str, environment: &str| Aim {
        binding: id.to_owned(),
        item: id.to_owned(),
        connection: id.to_owned(),
        run: id.to_owned(),
        environment: environment.to_owned(),
        ..there.clone()
    };
    let upper = Aim {
        environment: "ref:nowhere".to_owned(),
        binding: there.binding.to_uppercase(),
        item: there.item.to_uppercase(),
        connection: there.connection.to_uppercase(),
        run: there.run.to_uppercase(),
        ..there.clone()
    };
    let target = |name, aim: Aim| Target { name, aim, environment: None, nonsense: false };
    let nowhere = |text: &str| in_workspace(&there, text.to_owned());
    vec![
        Target { environment: Some(acme.environment_id), ..target("there", there.clone()) },
        Target { environment: Some(acme.hidden_environment_id), ..target("in an environment few see", hidden) },
        Target { environment: Some(rival.environment_id), ..target("another workspace's", foreign.clone()) },
        target("nowhere", missing),
        target("another workspace's in this one", in_workspace(&foreign, acme.workspace_id.to_string())),
        target("this workspace's in another one", in_workspace(&there, rival.workspace_id.to_string())),
        target("in no workspace", nowhere(&fresh_id().to_string())),
        target("in the platform's", nowhere(&Uuid::nil().to_string())),
        target("in a workspace by a slug", nowhere("acme")),
        target("in a workspace spelled otherwise", nowhere(&acme.workspace_id.to_string().to_uppercase())),
        target("in a workspace that is no text", nowhere("%FF")),
        target("spelled otherwise", upper),
        Target { nonsense: true, ..target("nonsense", texts("nonsense", "nonsense")) },
        Target { nonsense: true, ..target("no text", texts("%FF", "%FF")) },
    ]
}

/// What an operation has to answer.
fn expected(sample: &Sample, person: &Person, target: &Target) -> Outcome {
    let Some(capability) = sample.capability else { return Outcome::Done };
    let Some(role) = person.role(&target.aim) else { return Outcome::NotFound };
    let judged = if allows(role, capability) { Outcome::Done } else { Outcome::Forbidden };
    match sample.about {
        About::EveryEnvironment if judged == Outcome::Done && person.environments.len() < 2 => Outcome::NotFound,
        About::Nothing | About::Workspace | About::EveryEnvironment => judged,
        About::Environment if target.nonsense && judged == Outcome::Done => Outcome::Unreadable,
        About::Environment if target.nonsense => judged,
        About::Environment | About::Binding | About::Item | About::Connection | About::Run => {
            match target.environment {
                Some(environment) if person.environments.contains(&environment) => judged,
                _ => Outcome::NotFound,
            }
        }
    }
}

/// Holds a refusal to what every refusal of its kind is, byte for byte.
#[derive(Debug, Default)]
struct Refusals(BTreeMap<String, String>);

impl Refusals {
    fn hold(&mut self, kind: &str, reply: &Reply, about: &str) {
        let text = told(reply);
        let first = self.0.entry(kind.to_owned()).or_insert_with(|| text.clone());
        assert_eq!(text, *first, "{about}");
        let problem = reply.json();
        let members: Vec<&String> = problem.as_object().unwrap().keys().collect();
        let known = ["active_binding_id", "active_run_id", "code", "detail", "errors", "status", "title", "type"];
        assert!(members.iter().all(|member| known.contains(&member.as_str())), "{about}: {members:?}");
        let request_id = reply.headers["x-request-id"].to_str().unwrap();
        assert!(!String::from_utf8_lossy(&reply.body).contains(request_id), "{about}");
    }
}

/// Sends a request that is denied, and holds what it leaves to what a denial leaves.
async fn denied(scene: &mut Scene, sample: &Sample, person: &Person, target: &Target, request: &Prepared) -> Reply {
    let before = scene.events().await;
    forget_statements();
    let reply = request.send(&person.caller).await;
    let ran = statements_counted();
    let about = format!("{} {} {}", request.method, request.path, person.name);
    assert!(!ran.is_empty(), "{about}");
    let told_of = scene.events().await - before;
    assert_eq!(told_of, i64::from(sample.attempted.is_some()), "{about}: events");
    if let Some(attempted) = sample.attempted {
        let code = if reply.status == 403 { "forbidden" } else { "not-found" };
        let member = person.role(&target.aim).is_some();
        let chain = if member { target.aim.workspace.parse().unwrap() } else { Uuid::nil() };
        let expected = (attempted.to_owned(), code.to_owned(), person.user_id.simple().to_string());
        assert_eq!(scene.last_denial(chain).await, expected, "{about}");
    }
    reply
}

/// What ran for a target: each statement, and how often.
type Ran = (&'static str, Vec<(&'static str, u64)>);

/// Sends every denied request of one operation, and holds all of them to one another.
async fn hold_denials(scene: &mut Scene, operation: &Operation, number: usize, refusals: &mut Refusals) -> usize {
    let before = scene.everything_else().await;
    let (people, targets) = (scene.people.clone(), scene.targets.clone());
    let mut seen = 0;
    for person in &people {
        let mut ran: BTreeMap<bool, Ran> = BTreeMap::new();
        for target in &targets {
            let sample = operation.samples(&target.aim).remove(number);
            let outcome = expected(&sample, person, target);
            if outcome == Outcome::Done || outcome == Outcome::Unreadable {
                continue;
            }
            seen += 1;
            let request = operation.prepared(&sample, &target.aim);
            let reply = denied(scene, &sample, person, target, &request).await;
            let about = format!("{} {}: {}, {}", operation.id, number, person.name, target.name);
            if outcome == Outcome::Forbidden {
                assert_eq!(reply.status, 403, "{about}");
                refusals.hold("forbidden", &reply, &about);
                continue;
            }
            assert_eq!(reply.status, 404, "{about}");
            refusals.hold("not found", &reply, &about);
            // A row more is read of a platform's name for an environment, whoever has it.
            if target.nonsense || (target.aim.environment.starts_with("ref:") && sample.about == About::Environment) {
                continue;
            }
            forget_statements();
            request.send(&person.caller).await;
            let statements = statements_counted();
            let member = person.role(&target.aim).is_some();
            let (first, those) = ran.entry(member).or_insert((target.name, statements.clone()));
            assert_eq!(statements, *those, "{about}, and {first}");
        }
    }
    assert!(scene.everything_else().await == before, "{}: a refused request left something", operation.id);
    seen
}

/// Sends every request of one operation that is admitted.
async fn hold_admissions(scene: &mut Scene, operation: &Operation, number: usize) -> usize {
    let mut seen = 0;
    for person in scene.people.clone() {
        for target in scene.targets.clone() {
            let sample = operation.samples(&target.aim).remove(number);
            let outcome = expected(&sample, &person, &target);
            if outcome != Outcome::Done && outcome != Outcome::Unreadable {
                continue;
            }
            seen += 1;
            let aim = scene.unspent(operation, sample.about, &target).await;
            let before = scene.events().await;
            let sample = operation.samples(&aim).remove(number);
            let reply = operation.prepared(&sample, &aim).send(&person.caller).await;
            let about = format!("{}: {}, {}: {}", operation.id, person.name, target.name, told(&reply));
            let left = scene.events().await - before;
            if outcome == Outcome::Done {
                assert!(operation.successes().contains(&reply.status.as_u16()), "{about}");
                assert_eq!(left > 0, operation.changes(), "{about}");
            } else {
                assert!([400, 422].contains(&reply.status.as_u16()), "{about}");
                assert_eq!(left, 0, "{about}");
            }
        }
    }
    seen
}

#[test]
fn every_operation_is_open_to_whom_the_map_of_roles_says_and_to_nobody_else() {
    let _alone = alone();
    on_both_engines(|database| async move {
        let mut scene = Scene::of(Installation::on(database).await).await;
        let mut refusals = Refusals::default();
        let (mut denials, mut admissions) = (0, 0);
        for operation in operations() {
            assert!(!EXCEPTIONS.contains(&operation.id.as_str()));
            for number in 0..operation.samples(&scene.targets[0].aim).len() {
                denials += hold_denials(&mut scene, &operation, number, &mut refusals).await;
                admissions += hold_admissions(&mut scene, &operation, number).await;
            }
        }
        assert!(denials > 1_000 && admissions > 250, "{denials} denials, {admissions} admissions");
        // What no route has is answered with the same bytes.
        let nowhere = scene.people[8].caller.get("/v1/nowhere").await;
        refusals.hold("not found", &nowhere, "no route");
        scene.raw.close().await.unwrap();
    });
}

/// Credentials that do not hold, and how each is refused.
async fn refused_credentials(scene: &Scene) -> Vec<(&'static str, Option<String>, &'static str)> {
    let (service, owner) = (&scene.world.service, scene.world.acme.owner.user_id());
    let bad = "bad-credential";
    let made = async |user_id: Uuid, lifetime: Duration| {
        let token =
            NewToken { user_id, workspace: None, label: "A token".to_owned(), lifetime, may_act_for_others: false };
        let (kept, text) = service.create_token(&plane(), &token).await.unwrap();
        (kept.id, text.reveal().to_string())
    };
    let (held_id, held) = made(owner, Duration::from_hours(1_000)).await;
    let (revoked_id, revoked) = made(owner, Duration::from_hours(1_000)).await;
    service.revoke_token(&plane(), revoked_id).await.unwrap();
    // The clock goes on by a second with every look at it.
    let (_, expired) = made(owner, Duration::from_secs(1)).await;
    let gone = service.create_user(&plane(), "Gone").await.unwrap().id;
    let (_, of_nobody) = made(gone, Duration::from_hours(1_000)).await;
    let mut raw = scene.world.raw().await;
    let gone = raw.engine().id(gone);
    raw.execute(&format!("UPDATE users SET disabled_at = created_at WHERE id = {gone}")).await.unwrap();
    raw.close().await.unwrap();
    let summed = |body: &str| format!("{body}{}", hex::encode(Sha256::digest(body)).split_at(8).0);
    let (body, sum) = held.split_at(held.len() - 8);
    assert_eq!(summed(body), held);
    let other = if body.ends_with('0') { '1' } else { '0' };
    let turned = format!("{}{other}", body.split_at(body.len() - 1).0);
    let unknown = body.replacen(&held_id.simple().to_string(), &fresh_id().simple().to_string(), 1);
    vec![
        ("none", None, "credential-required"),
        ("expired", Some(expired), "credential-expired"),
        ("revoked", Some(revoked), bad),
        ("of somebody who is gone", Some(of_nobody), bad),
        ("another secret", Some(summed(&turned)), bad),
        ("of no token", Some(summed(&unknown)), bad),
        ("a checksum that is not", Some(format!("{turned}{sum}")), bad),
        ("cut", Some(held.split_at(held.len() - 1).0.to_owned()), bad),
        ("longer", Some(format!("{held}0")), bad),
        ("another scheme", Some(held.replacen("pvd_", "pvx_", 1)), bad),
        ("empty", Some(String::new()), bad),
        ("not a token", Some("nonsense".to_owned()), bad),
        ("a JWT of nobody", Some("eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.".to_owned()), bad),
    ]
}

#[test]
fn without_a_credential_that_holds_nothing_is_told_of_anything() {
    let _alone = alone();
    on_both_engines(|database| async move {
        let mut scene = Scene::of(Installation::on(database).await).await;
        let credentials = refused_credentials(&scene).await;
        let before = scene.everything_else().await;
        let events = scene.events().await;
        let mut refusals = Refusals::default();
        for (name, credential, code) in credentials {
            let mut caller = Caller::nobody(&scene.routes);
            caller.token = credential;
            for operation in operations() {
                // There, hidden, another workspace's, nowhere.
                for target in &scene.targets[..4] {
                    for sample in operation.samples(&target.aim) {
                        let request = operation.prepared(&sample, &target.aim);
                        let about = format!("{}: {name}, {}", operation.id, target.name);
                        let reply = request.send(&caller).await;
                        assert_eq!(reply.refusal(), (401, code.to_owned()), "{about}");
                        assert_eq!(reply.headers["www-authenticate"], "Bearer", "{about}");
                        refusals.hold(code, &reply, &about);
                        if target.name != "there" || !["none", "expired", "revoked"].contains(&name) {
                            continue;
                        }
                        for (what, spoiled, _) in spoiled(&operation, &request) {
                            refusals.hold(code, &spoiled.send(&caller).await, &format!("{about}, {what}"));
                        }
                    }
                }
            }
        }
        assert!(scene.everything_else().await == before);
        assert_eq!(scene.events().await, events);
        scene.raw.close().await.unwrap();
    });
}

/// A request with everything wrong that can be wrong with its parameters or body, one at a time, and the code of each.
fn spoiled(operation: &Operation, request: &Prepared) -> Vec<(&'static str, Prepared, &'static str)> {
    let mut spoiled = vec![
        ("an unknown parameter", request.clone().with_parameter("staus", "active"), "unknown-parameter"),
        ("text that is none", request.clone().with_parameter("staus", "%FF"), "bad-parameter"),
        (
            "a parameter twice",
            request.clone().with_parameter("environment_id", "1").with_parameter("environment_id", "1"),
            "repeated-parameter",
        ),
    ];
    if let Some(without) = request.clone().without_environment() {
        let code = if request.method == Method::GET { "parameter-required" } else { "malformed-request" };
        // Audit has a list without it.
        if operation.id != "list_audit_events" {
            spoiled.push(("no environment", without, code));
        }
    }
    if operation.takes_header("Idempotency-Key") {
        let named = request.clone().with_header("idempotency-key", &"k".repeat(256));
        spoiled.push(("a bad idempotency key", named, "bad-idempotency-key"));
        let twice = request.clone().with_header("idempotency-key", "k").with_header("idempotency-key", "k");
        spoiled.push(("two idempotency keys", twice, "bad-idempotency-key"));
    }
    if request.method == Method::GET {
        return spoiled;
    }
    let with = |body: String| Prepared { body: Some(body), ..request.clone() };
    if request.body.is_some() {
        spoiled.push(("nothing", with(String::new()), "malformed-request"));
    }
    // Of an operation that takes no body, as good as none.
    let request = &with(request.body.clone().unwrap_or_else(|| "{}".to_owned()));
    let body = request.body.as_deref().unwrap_or_default();
    spoiled.push(("no JSON", with("{".to_owned()), "malformed-request"));
    spoiled.push(("another kind of JSON", with("[]".to_owned()), "malformed-request"));
    spoiled.push(("too much", with(format!("{body}{}", " ".repeat(limits().body_bytes))), "body-too-large"));
    let typed = request.clone().with_header("content-type", "text/plain");
    spoiled.push(("another type", typed, "unsupported-media-type"));
    for name in ["tenant", "tenant_id", "managed_environment_id", "colour"] {
        let more = request.clone().with_member(name, "1".into()).unwrap();
        spoiled.push(("an unknown member", more, "unknown-field"));
    }
    spoiled
}

#[test]
fn what_is_wrong_with_a_request_is_told_to_those_alone_who_could_have_made_it() {
    let _alone = alone();
    on_both_engines(|database| async move {
        let mut scene = Scene::of(Installation::on(database).await).await;
        let mut refusals = Refusals::default();
        let (people, targets) = (scene.people.clone(), scene.targets.clone());
        let mut seen = [0; 3];
        // Of the ways to be there or not: there, hidden, missing, another workspace's.
        for target in &targets[..4] {
            let before = scene.everything_else().await;
            for operation in operations() {
                for sample in operation.samples(&target.aim) {
                    for (what, request, code) in spoiled(&operation, &operation.prepared(&sample, &target.aim)) {
                        for person in &people {
                            let about = format!("{}, {what}: {}, {}", operation.id, person.name, target.name);
                            // Nobody can say what environment a request names that cannot be read.
                            let about_what = match sample.about {
                                About::Environment | About::EveryEnvironment => About::Workspace,
                                other => other,
                            };
                            let readable = Sample { about: about_what, ..sample.clone() };
                            let outcome = expected(&readable, person, target);
                            if outcome == Outcome::Done {
                                let events = scene.events().await;
                                let reply = request.send(&person.caller).await;
                                assert_eq!(reply.code(), code, "{about}");
                                assert!([400, 413, 415, 422].contains(&reply.status.as_u16()), "{about}");
                                assert_eq!(scene.events().await, events, "{about}");
                                seen[0] += 1;
                                continue;
                            }
                            let reply = denied(&mut scene, &sample, person, target, &request).await;
                            let (kind, status) =
                                if outcome == Outcome::NotFound { ("not found", 404) } else { ("forbidden", 403) };
                            assert_eq!(reply.status, status, "{about}");
                            refusals.hold(kind, &reply, &about);
                            seen[if status == 404 { 1 } else { 2 }] += 1;
                        }
                    }
                }
            }
            assert!(scene.everything_else().await == before, "{}", target.name);
        }
        assert!(seen.iter().all(|count| *count > 300), "{seen:?}");
        scene.raw.close().await.unwrap();
    });
}

#[test]
fn every_operation_says_what_it_does() {
    let _alone = alone();
    for operation in operations() {
        for sample in operation.samples(&Aim::default()) {
            assert_eq!(sample.attempted.is_some(), operation.changes(), "{}", operation.id);
            assert_eq!(sample.capability.is_none(), sample.about == About::Nothing, "{}", operation.id);
            let of_workspace = operation.path.contains("{workspace_id}");
            assert_eq!(of_workspace, sample.about != About::Nothing, "{}", operation.id);
            let of_a_record = [About::Binding, About::Item, About::Connection, About::Run].contains(&sample.about);
            assert_eq!(of_a_record, operation.is_of_a_record(), "{}", operation.id);
        }
    }
}
