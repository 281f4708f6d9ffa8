//! Credentials that an installation keeps: what a token is worth, from when on it is worth nothing, how little a bad one
//! is told, and that nothing is kept that could be used as one. Whom identity providers know users as.
#![cfg(test)]

use std::time::Duration;

use provident::actor::Actor;
use provident::binding::BindingFilter;
use provident::credential::{InvalidCredential, TokenHolder, TokenText};
use provident::error::Error;
use provident::page::PageRequest;
use provident::service::{LONGEST_LIFETIME, NewToken};
use provident::workspace::WorkspaceRef;
use provident_tests::console::Site;
use provident_tests::database::{Engine, Raw, on_both_engines, on_both_engines_empty};
use provident_tests::installation::{Installation, exclusion, key, plane};
use provident_tests::role::application;
use provident_tests::rows::{LATER, valid};
use provident_tests::tables;
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

const ISSUER: &str = "https://id.example/";
const LABEL: &str = "canary-label-5e0a";

fn token_of(user: Actor) -> NewToken {
    let lifetime = Duration::from_hours(24);
    let user_id = user.user_id();
    NewToken { user_id, workspace: None, label: LABEL.to_owned(), lifetime, may_act_for_others: false }
}

/// Makes a token; gives its id and its text.
async fn made(world: &Installation, token: &NewToken) -> (Uuid, String) {
    let (kept, text) = world.service.create_token(&plane(), token).await.unwrap();
    assert_eq!(kept.id, text.id());
    (kept.id, text.reveal().to_string())
}

async fn held(world: &Installation, text: &str) -> Result<TokenHolder, InvalidCredential> {
    world.service.token_holder(text).await.unwrap()
}

/// A text with the checksum it should have.
fn sealed(body: &str) -> String {
    format!("{body}{}", &hex::encode(Sha256::digest(body))[..8])
}

/// The same token with another secret, or of another id: right in form.
fn forged(text: &str, from: &str, to: &str) -> String {
    let body = &text[..text.len() - 8];
    assert!(body.contains(from));
    sealed(&body.replacen(from, to, 1))
}

/// The secret's digits.
fn secret(text: &str) -> &str {
    &text[37..101]
}

#[test]
fn a_token_stands_for_its_user_and_says_what_it_may() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let (id, text) = made(&world, &token_of(acme.manager)).await;
        let plain = TokenHolder {
            token_id: id,
            user_id: acme.manager.user_id(),
            only_workspace_id: None,
            may_act_for_others: false,
        };
        assert_eq!(held(&world, &text).await, Ok(plain));
        for workspace in [WorkspaceRef::Slug("acme".to_owned()), acme.workspace_id.into()] {
            let workspace = Some(workspace);
            let token = NewToken { workspace, may_act_for_others: true, ..token_of(acme.owner) };
            let (token_id, text) = made(&world, &token).await;
            let user_id = acme.owner.user_id();
            let only_workspace_id = Some(acme.workspace_id);
            let expected = TokenHolder { token_id, user_id, only_workspace_id, may_act_for_others: true };
            assert_eq!(held(&world, &text).await, Ok(expected));
        }
    });
}

#[test]
fn a_token_that_does_not_hold_is_told_nothing_but_that() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let service = &world.service;
        let (id, good) = made(&world, &token_of(world.acme.manager)).await;
        let (revoked, of_revoked) = made(&world, &token_of(world.acme.manager)).await;
        service.revoke_token(&plane(), revoked).await.unwrap();
        let (_, of_disabled) = made(&world, &token_of(world.stranger)).await;
        service.disable_user(&plane(), world.stranger.user_id()).await.unwrap();
        let none = id.simple().to_string().chars().rev().collect::<String>();
        let other_secret = secret(&good).chars().rev().collect::<String>();
        for (text, what) in [
            ("", "nothing"),
            ("pvd_", "a scheme"),
            (&good[..good.len() - 1], "cut"),
            (&format!("{good} "), "longer"),
            (&good.to_uppercase(), "upper case"),
            (&format!("{}00000000", &good[..good.len() - 8]), "another checksum"),
            (&forged(&good, &id.simple().to_string(), &none), "no token's id"),
            (&forged(&good, &id.simple().to_string(), &revoked.simple().to_string()), "a revoked token's id"),
            (&forged(&good, secret(&good), &other_secret), "another secret"),
            (&forged(&good, secret(&good), secret(&of_revoked)), "another token's secret"),
            (&forged(&good, secret(&good), &"0".repeat(64)), "no secret"),
            (&of_revoked, "revoked"),
            (&of_disabled, "of somebody disabled"),
        ] {
            assert_eq!(held(&world, text).await, Err(InvalidCredential::Bad), "{what}");
        }
        assert_eq!(held(&world, &good).await.map(|holder| holder.token_id), Ok(id));
        assert_eq!(InvalidCredential::Bad.to_string(), "the credential does not hold");
    });
}

#[test]
fn only_who_has_the_secret_learns_that_a_tokens_time_is_over() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let lifetime = Duration::from_secs(60);
        let token = NewToken { lifetime, ..token_of(world.acme.manager) };
        let (id, text) = made(&world, &token).await;
        let (revoked, of_revoked) = made(&world, &token).await;
        let kept = &world.service.tokens(&plane(), PageRequest::default()).await.unwrap().items[0];
        assert_eq!(kept.expires_at.as_micros() - kept.created_at.as_micros(), 60_000_000);
        // The clock moves by a second each time it is read.
        while world.service.now() < kept.expires_at {
            assert!(held(&world, &text).await.is_ok() || world.service.now() >= kept.expires_at);
        }
        assert_eq!(held(&world, &text).await, Err(InvalidCredential::Expired));
        let wrong = forged(&text, secret(&text), secret(&of_revoked));
        assert_eq!(held(&world, &wrong).await, Err(InvalidCredential::Bad));
        world.service.revoke_token(&plane(), revoked).await.unwrap();
        assert_eq!(held(&world, &of_revoked).await, Err(InvalidCredential::Bad));
        world.service.revoke_token(&plane(), id).await.unwrap();
        assert_eq!(held(&world, &text).await, Err(InvalidCredential::Bad));
    });
}

#[test]
fn a_text_that_is_no_tokens_is_refused_without_asking_the_database() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let (_, good) = made(&world, &token_of(world.acme.manager)).await;
        world.service.close().await;
        let mistyped =
            if good.ends_with('0') { good.replacen("pvd_", "pvd_1", 1) } else { format!("{}0", &good[..108]) };
        for text in ["", "pvd_x", "Bearer", &mistyped] {
            assert_eq!(held(&world, text).await, Err(InvalidCredential::Bad));
        }
        for (issuer, subject) in [("", "s"), (ISSUER, ""), (ISSUER, "a\0b"), (&"x".repeat(256), "s")] {
            assert_eq!(world.service.user_of_identity(issuer, subject).await.unwrap(), None);
        }
        // What could be one is asked for.
        assert_eq!(world.service.token_holder(&good).await.unwrap_err().code(), "database-unavailable");
        assert_eq!(world.service.user_of_identity(ISSUER, "s").await.unwrap_err().code(), "database-unavailable");
    });
}

#[test]
fn a_token_bound_to_a_workspace_makes_a_stranger_in_every_other() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let (acme, service) = (&world.acme, &world.service);
        let mut actors = Vec::new();
        for bound_to in [&world.rival, acme] {
            let token = NewToken { workspace: Some(bound_to.workspace.clone()), ..token_of(acme.manager) };
            let (_, text) = made(&world, &token).await;
            let holder = held(&world, &text).await.unwrap();
            actors.push(Actor::user(holder.user_id).by_token(holder.token_id, holder.only_workspace_id));
        }
        let [elsewhere, here] = actors[..] else { panic!("two") };
        let (at, environment, page) = (&acme.workspace, acme.environment_id, PageRequest::default());
        let list = service.bindings(elsewhere, at, environment, &BindingFilter::default(), page).await;
        assert!(matches!(list, Err(Error::NotFound)), "{list:?}");
        let decided = service.create_binding(elsewhere, at, environment, &exclusion(&key("1"))).await;
        assert!(matches!(decided, Err(Error::NotFound)), "{decided:?}");
        service.create_binding(here, at, environment, &exclusion(&key("1"))).await.unwrap();
        let told = |chain: Uuid, action: &'static str| {
            let world = &world;
            async move {
                let mut raw = world.raw().await;
                let engine = raw.engine();
                let rows = raw
                    .rows(&format!(
                        "SELECT actor_token_id, actor_user_id FROM audit_events WHERE workspace_id = {} \
                         AND action = '{action}'",
                        engine.id(chain)
                    ))
                    .await
                    .unwrap();
                raw.close().await.unwrap();
                rows.into_iter().map(|row| row.into_iter().map(|cell| digits(cell.as_deref())).collect()).collect()
            }
        };
        let of = |actor: Actor| vec![actor.token_id().unwrap().simple().to_string(), simple(actor.user_id())];
        let (of_strangers, own): (Vec<Vec<String>>, Vec<Vec<String>>) =
            (told(Uuid::nil(), "binding.denied").await, told(acme.workspace_id, "binding.created").await);
        assert_eq!((of_strangers, own), (vec![of(elsewhere)], vec![of(here)]));
        assert!(told(acme.workspace_id, "binding.denied").await.is_empty());
    });
}

fn simple(id: Uuid) -> String {
    id.simple().to_string()
}

/// An id as either engine prints it, as plain digits.
fn digits(cell: Option<&str>) -> String {
    cell.unwrap_or_default().replace('-', "").to_lowercase()
}

#[test]
fn of_a_secret_there_is_a_hash_and_nothing_else_anywhere() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let token = token_of(world.acme.manager);
        let (kept, text) = world.service.create_token(&plane(), &token).await.unwrap();
        let shown = text.reveal();
        held(&world, &shown).await.unwrap();
        let mut everything = String::new();
        for table in tables::all() {
            everything.push_str(&world.dump(table).await.join("\n"));
        }
        let secret = secret(&shown);
        let hash = hex::encode(Sha256::digest(hex::decode(secret).unwrap()));
        assert!(everything.contains(&hash), "its SHA-256 is what is compared with");
        assert_eq!(everything.matches(&hash).count(), 1);
        let listed = world.service.tokens(&plane(), PageRequest::default()).await.unwrap();
        assert_eq!(listed.items, [kept.clone()]);
        let read: TokenText = shown.parse().unwrap();
        let said = format!("{everything}{kept:?}{text:?}{read:?}{listed:?}{}", json!(listed));
        for part in [secret, &secret[..16], &secret[48..], &shown[101..]] {
            assert!(!said.contains(part), "{part}");
        }
        assert!(!format!("{token:?}{kept:?}{listed:?}").contains(LABEL));
    });
}

#[test]
fn what_is_done_to_credentials_is_told_once_in_the_platforms_chain() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let (service, user) = (&world.service, world.stranger.user_id());
        let mut raw = world.raw().await;
        let before = raw.value("SELECT count(*) FROM audit_events").await.unwrap().unwrap();
        let (token, _) = made(&world, &token_of(world.stranger)).await;
        service.revoke_token(&plane(), token).await.unwrap();
        service.link_identity(&plane(), user, ISSUER, "ada").await.unwrap();
        service.end_identity(&plane(), ISSUER, "ada").await.unwrap();
        let backend = service.create_service_user(&plane(), "A backend").await.unwrap();
        service.disable_user(&plane(), user).await.unwrap();
        // What was refused, and what was only read, is not told of.
        service.revoke_token(&plane(), token).await.unwrap_err();
        service.end_identity(&plane(), ISSUER, "ada").await.unwrap_err();
        service.disable_user(&plane(), user).await.unwrap_err();
        service.tokens(&plane(), PageRequest::default()).await.unwrap();
        let after = raw.value("SELECT count(*) FROM audit_events").await.unwrap().unwrap();
        assert_eq!(after.parse::<u32>().unwrap() - before.parse::<u32>().unwrap(), 6);
        let nil = raw.engine().id(Uuid::nil());
        let sql = format!(
            "SELECT action, kind, actor_kind, target_id, actor_user_id FROM audit_events \
             WHERE workspace_id = {nil} ORDER BY number DESC LIMIT 6"
        );
        let mut told: Vec<Vec<String>> = Vec::new();
        for row in raw.rows(&sql).await.unwrap().into_iter().rev() {
            told.push(row.iter().map(|cell| digits(cell.as_deref())).collect());
        }
        let event = |action: &str, target: Uuid| {
            vec![action.to_owned(), "system".to_owned(), "system".to_owned(), simple(target), String::new()]
        };
        let expected = vec![
            event("token.created", token),
            event("token.revoked", token),
            event("useridentity.linked", user),
            event("useridentity.ended", user),
            event("user.created", backend.id),
            event("user.disabled", user),
        ];
        assert_eq!(told, expected);
        assert_eq!(backend.kind, "service");
        raw.close().await.unwrap();
    });
}

#[test]
fn what_cannot_be_is_refused_with_its_code_and_leaves_nothing() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let (service, nobody) = (&world.service, Uuid::from_u128(7));
        let (gone, good) = (Actor::user(nobody), token_of(world.acme.manager));
        let bound = |workspace: WorkspaceRef| NewToken { workspace: Some(workspace), ..good.clone() };
        let lasting = |lifetime: Duration| NewToken { lifetime, ..good.clone() };
        let mut everything = Vec::new();
        for table in tables::all() {
            everything.push(world.dump(table).await);
        }
        for (token, code) in [
            (token_of(gone), "unknown-user"),
            (NewToken { label: String::new(), ..good.clone() }, "bad-display-name"),
            (NewToken { label: "x".repeat(513), ..good.clone() }, "bad-display-name"),
            (lasting(Duration::ZERO), "bad-expiry"),
            (lasting(Duration::from_millis(999)), "bad-expiry"),
            (lasting(LONGEST_LIFETIME + Duration::from_micros(1)), "bad-expiry"),
            (bound("nowhere".parse().unwrap()), "unknown-workspace"),
            (bound("No slug".parse().unwrap()), "unknown-workspace"),
            (bound("platform".parse().unwrap()), "unknown-workspace"),
            (bound(Uuid::nil().into()), "unknown-workspace"),
            (bound(nobody.into()), "unknown-workspace"),
        ] {
            assert_eq!(service.create_token(&plane(), &token).await.unwrap_err().code(), code);
        }
        assert_eq!(service.revoke_token(&plane(), nobody).await.unwrap_err().code(), "unknown-token");
        assert_eq!(service.disable_user(&plane(), nobody).await.unwrap_err().code(), "unknown-user");
        let user = world.acme.owner.user_id();
        for (user, issuer, subject, code) in [
            (nobody, ISSUER, "s", "unknown-user"),
            (user, "", "s", "bad-identity"),
            (user, ISSUER, "a\0b", "bad-identity"),
            (user, ISSUER, &"ü".repeat(128), "bad-identity"),
        ] {
            assert_eq!(service.link_identity(&plane(), user, issuer, subject).await.unwrap_err().code(), code);
        }
        assert_eq!(service.end_identity(&plane(), ISSUER, "s").await.unwrap_err().code(), "unknown-identity");
        for (table, before) in tables::all().zip(everything) {
            assert_eq!(world.dump(table).await, before, "{table}");
        }
        let (token, _) = made(&world, &lasting(LONGEST_LIFETIME)).await;
        service.revoke_token(&plane(), token).await.unwrap();
        assert_eq!(service.revoke_token(&plane(), token).await.unwrap_err().code(), "token-revoked-already");
    });
}

#[test]
fn a_subject_is_the_user_it_is_linked_to_as_long_as_it_is() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let service = &world.service;
        let (ada, eve) = (world.acme.owner.user_id(), world.stranger.user_id());
        let who = async |subject: &str| service.user_of_identity(ISSUER, subject).await.unwrap();
        assert_eq!(who("ada").await, None);
        let first = service.link_identity(&plane(), ada, ISSUER, "ada").await.unwrap();
        assert_eq!(who("ada").await, Some(ada));
        // Byte by byte, and of this issuer.
        for (issuer, subject) in [(ISSUER, "Ada"), (ISSUER, "ada "), ("https://id.example", "ada"), ("ada", ISSUER)] {
            assert_eq!(service.user_of_identity(issuer, subject).await.unwrap(), None, "{issuer} {subject}");
        }
        for user in [ada, eve] {
            let again = service.link_identity(&plane(), user, ISSUER, "ada").await.unwrap_err();
            assert_eq!(again.code(), "identity-linked");
        }
        service.link_identity(&plane(), ada, ISSUER, "ada-2").await.unwrap();
        let ended = service.end_identity(&plane(), ISSUER, "ada").await.unwrap();
        assert_eq!((ended.user_id, ended.ended_at, who("ada").await), (ada, Some(ended.updated_at), None));
        assert_eq!(service.identities(&plane(), ada).await.unwrap().len(), 2);
        let moved = service.link_identity(&plane(), eve, ISSUER, "ada").await.unwrap();
        assert_eq!((moved.user_id, moved.created_at, moved.ended_at), (eve, first.created_at, None));
        assert_eq!((who("ada").await, who("ada-2").await), (Some(eve), Some(ada)));
        service.disable_user(&plane(), eve).await.unwrap();
        assert_eq!(who("ada").await, None);
        let of_the_gone = service.link_identity(&plane(), eve, ISSUER, "eve").await.unwrap_err();
        assert_eq!(of_the_gone.code(), "unknown-user");
    });
}

#[test]
fn who_is_disabled_is_a_stranger_everywhere_at_once() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let (acme, service) = (&world.acme, &world.service);
        let (at, here, filter, page) =
            (&acme.workspace, acme.environment_id, BindingFilter::default(), PageRequest::default());
        service.bindings(acme.manager, at, here, &filter, page).await.unwrap();
        let gone = service.disable_user(&plane(), acme.manager.user_id()).await.unwrap();
        assert!(gone.disabled_at.is_some());
        let list = service.bindings(acme.manager, at, here, &filter, page).await;
        assert!(matches!(list, Err(Error::NotFound)), "{list:?}");
        let decided = service.create_binding(acme.manager, at, here, &exclusion(&key("1"))).await;
        assert!(matches!(decided, Err(Error::NotFound)), "{decided:?}");
        assert_eq!(service.disable_user(&plane(), gone.id).await.unwrap_err().code(), "unknown-user");
    });
}

/// What refuses an UPDATE of a column to itself.
async fn refusal_of(raw: &mut Raw, table: &str, column: &str) -> Option<String> {
    raw.refusal(&format!("UPDATE {table} SET {column} = {column}")).await
}

#[test]
fn of_a_token_only_its_end_is_written_later_and_of_a_link_only_whose_it_is() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let user = world.acme.owner.user_id();
        let mut raw = world.raw().await;
        for (table, row) in [("api_tokens", valid("api_tokens")), ("user_identities", valid("user_identities"))] {
            row.with("user_id", user).insert(&mut raw).await.unwrap_or_else(|error| panic!("{table}: {error}"));
        }
        let columns = |table: &str| match table {
            "api_tokens" => ["revoked_at"].as_slice(),
            _ => &["user_id", "updated_at", "ended_at"],
        };
        let mut app = application(&world.database).await;
        for table in provident::store::COPIED_TABLES {
            if !["api_tokens", "user_identities"].contains(&table.name) {
                continue;
            }
            for (column, _) in table.columns {
                let refused = refusal_of(&mut app, table.name, column).await;
                assert_eq!(refused.is_none(), columns(table.name).contains(column), "{column}: {refused:?}");
            }
            assert!(app.refusal(&format!("DELETE FROM {}", table.name)).await.is_some(), "{}", table.name);
        }
        if database_is_sqlite(&world) {
            app.execute(&format!("UPDATE api_tokens SET revoked_at = '{LATER}'")).await.unwrap();
            let back = app.refusal("UPDATE api_tokens SET revoked_at = NULL").await.unwrap();
            assert!(back.contains("revoked once"), "{back}");
            let other = app.engine().id(world.stranger.user_id());
            let moved = format!("UPDATE user_identities SET user_id = {other}");
            assert!(app.refusal(&moved).await.unwrap().contains("stays with its user"));
            app.execute(&format!("UPDATE user_identities SET ended_at = '{LATER}'")).await.unwrap();
            assert_eq!(app.refusal(&moved).await, None);
        }
        app.close().await.unwrap();
        raw.close().await.unwrap();
    });
}

fn database_is_sqlite(world: &Installation) -> bool {
    world.database.engine() == Engine::Sqlite
}

#[test]
fn the_command_line_shows_a_token_once() {
    on_both_engines_empty(|database| async move {
        let site = Site::on(database);
        let _ = site.run(["init"]).ok();
        let owner = site.tenant("acme");
        let create = ["token", "create", "--user", &owner.id, "--name", LABEL];
        let made = site.json([&create[..], &["--workspace", "acme", "--expires-in", "1d 12h"]].concat());
        let (id, text) = (made["id"].as_str().unwrap(), made["token"].as_str().unwrap());
        assert_eq!(text.parse::<TokenText>().unwrap().id().to_string(), id);
        assert_eq!((&made["label"], &made["may_act_for_others"]), (&json!(LABEL), &json!(false)));
        let shown = site.run([&create[..], &["--may-act-for-others"]].concat());
        let printed = shown.ok();
        let second = printed.lines().find(|line| line.starts_with("pvd_")).unwrap();
        assert!(second.parse::<TokenText>().is_ok() && printed.contains("not shown again"), "{printed}");
        assert_eq!(printed.matches("pvd_").count(), 1);
        for ran in [
            site.run(["token", "list"]),
            site.run(["token", "list", "--format", "json"]),
            site.run(["token", "revoke", id]),
            site.run(["audit", "export", "--system", "--workspace", "platform"]),
        ] {
            let said = ran.ok();
            assert!(said.contains(id) && !said.contains("pvd_"), "{said}");
            assert!(!said.contains(secret(text)) && !said.contains(secret(second)), "{said}");
        }
        assert_eq!(site.json(["token", "list"])["items"].as_array().unwrap().len(), 2);
        for (arguments, code, told) in [
            (vec!["token", "revoke", id], 6, "token-revoked-already"),
            (vec!["token", "revoke", &owner.id], 3, "unknown-token"),
            ([&create[..], &["--expires-in", "401d"]].concat(), 3, "bad-expiry"),
            ([&create[..], &["--workspace", "nowhere"]].concat(), 3, "unknown-workspace"),
            ([&create[..], &["--expires-in", "soon"]].concat(), 2, "a time is written like"),
        ] {
            let ran = site.run(&arguments);
            assert!(ran.code == code && ran.stderr.contains(told), "{arguments:?}: {ran:?}");
        }
    });
}

#[test]
fn the_command_line_links_users_and_disables_them() {
    on_both_engines_empty(|database| async move {
        let site = Site::on(database);
        let _ = site.run(["init"]).ok();
        let (ada, backend) = (site.user("Ada"), site.json(["user", "create", "--name", "B", "--kind", "service"]));
        assert_eq!(backend["kind"], json!("service"));
        let named = ["--issuer", ISSUER, "--subject", "ada"];
        let link = [&["user", "link", "--user", &ada], &named[..]].concat();
        assert_eq!(site.json(&link)["user_id"], json!(ada));
        assert_eq!(site.run(&link).code, 6);
        assert!(site.run(["user", "identities", "--user", &ada]).ok().contains(ISSUER));
        let unlink = [&["user", "unlink"], &named[..]].concat();
        assert!(site.json(&unlink)["ended_at"].is_string());
        assert_eq!(site.run(&unlink).code, 3);
        assert_eq!(site.json(["user", "identities", "--user", &ada]).as_array().unwrap().len(), 1);
        assert!(site.json(["user", "disable", "--user", &ada])["disabled_at"].is_string());
        assert_eq!(site.run(["user", "disable", "--user", &ada]).code, 3);
        assert_eq!(site.run(["user", "create", "--name", "C", "--kind", "robot"]).code, 2);
    });
}
