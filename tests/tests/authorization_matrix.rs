//! The whole of the policy as one golden file: every capability against every way to stand and every record that may be
//! asked for (P339-28, P381-85). What each operation of the service makes of it:
//! `provider_resource_binding_authorization.rs`.
#![cfg(test)]

use std::fmt::Write as _;

use provident::policy::{Capability, Denial, Reach, Role, Standing, authorize};

/// How somebody belongs to a workspace.
const MEMBERSHIPS: [(&str, Option<Role>); 6] = [
    ("none", None),
    ("ended", None),
    ("owner", Some(Role::Owner)),
    ("manager", Some(Role::Manager)),
    ("operator", Some(Role::Operator)),
    ("readonly", Some(Role::Readonly)),
];

/// Whose a record is. One of another workspace is not found in this one, as one that is nobody's.
const RECORDS: [(&str, Option<()>); 3] = [("own", Some(())), ("foreign", None), ("missing", None)];

const REACHES: [(&str, Reach); 3] = [
    ("workspace", Reach::Workspace),
    ("environment", Reach::Environment),
    ("every-environment", Reach::EveryEnvironment),
];

fn answer(outcome: Result<(), Denial>) -> &'static str {
    outcome.map_or_else(Denial::as_str, |()| "ok")
}

#[test]
fn the_matrix_is_the_golden_one() {
    let mut matrix = String::new();
    for (reach_name, reach) in REACHES {
        for &capability in Capability::ALL {
            writeln!(matrix, "{capability} on {reach_name}").unwrap();
            for (membership, role) in MEMBERSHIPS {
                for entitled in [true, false] {
                    let standing = Standing::of(role, entitled);
                    let answers = RECORDS.map(|(record, found)| {
                        format!("{record}={}", answer(authorize(capability, reach, standing, found)))
                    });
                    let entitlement = if entitled { "entitled" } else { "not entitled" };
                    writeln!(matrix, "    {membership}, {entitlement}: {}", answers.join(" ")).unwrap();
                }
            }
        }
    }
    assert_eq!(matrix.lines().count(), 3 * Capability::ALL.len() * (1 + MEMBERSHIPS.len() * 2));
    // What no change of the table may touch: strangers and foreign records are as missing ones.
    for line in matrix.lines().filter(|line| line.starts_with("    ")) {
        let stranger = line.starts_with("    none") || line.starts_with("    ended");
        assert!(!stranger || !line.contains("=ok") && !line.contains("=forbidden"), "{line}");
        let of = |record: &str| line.split(record).nth(1).unwrap().split(' ').next().unwrap().to_owned();
        assert_eq!(of("foreign="), of("missing="), "{line}");
    }
    insta::assert_snapshot!("matrix", matrix);
}
