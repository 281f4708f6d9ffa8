//! Deriving keys: the component against the same crate built natively (P1–P3).

use crate::differs;
use crate::pairs::{Ratios, cpu_ratios};
use crate::report::{Line, Report, Target};
use identity_component::key;
use identity_component::model::{Flags, Identity as NativeIdentity, Subject, SubjectClass as NativeClass};
use provident_identity::{ComponentError, GovernedSubject, Identity, ResourceIdentity, SubjectClass};
use std::hint::black_box;

/// How many subjects a batch has.
const BATCH: usize = 500;

/// Subjects as platforms have them: GUIDs for the most part, some built-ins, some ids that need escapes.
fn subjects() -> Vec<GovernedSubject> {
    (0..BATCH)
        .map(|at| {
            let guid = format!("{:08x}-2f4f-4d47-9f27-{:012x}", at * 2_654_435, at * 97);
            let (subject_class, id, discriminator) = match at % 10 {
                7 => (SubjectClass::Foundation, Some(format!("Zone {at}/Köln")), None),
                8 => (SubjectClass::ProviderDefault, None, Some(format!("default-limit-{at}"))),
                9 => (SubjectClass::AssignmentTarget, Some(format!("T_{guid}")), None),
                _ => (SubjectClass::Policy, Some(guid), None),
            };
            GovernedSubject {
                identity: ResourceIdentity {
                    provider_key: String::from("fake"),
                    resource_type: String::from("fake.widgets.windowWidgetPolicy"),
                    default: discriminator.is_some(),
                    tenant_owned: discriminator.is_none(),
                    provider_resource_id: id,
                    discriminator,
                    ..ResourceIdentity::default()
                },
                subject_class,
                subject_type_key: String::from("widgetPolicies"),
            }
        })
        .collect()
}

fn native(subject: &GovernedSubject) -> Subject<'_> {
    let identity = &subject.identity;
    Subject {
        identity: NativeIdentity {
            provider_key: &identity.provider_key,
            resource_type: &identity.resource_type,
            provider_resource_id: identity.provider_resource_id.as_deref(),
            external_id: identity.external_id.as_deref(),
            discriminator: identity.discriminator.as_deref(),
            fingerprint: identity.fingerprint.as_deref(),
            flags: Flags {
                built_in: identity.built_in,
                default: identity.default,
                r#virtual: identity.virtual_,
                tenant_owned: identity.tenant_owned,
            },
        },
        class: NativeClass::ALL.get(subject.subject_class as usize).copied().unwrap_or(NativeClass::Unknown),
        type_key: &subject.subject_type_key,
    }
}

/// Packs subjects as `keys.derive-flat` takes them.
fn pack(subjects: &[GovernedSubject]) -> Vec<u8> {
    let mut records = Vec::with_capacity(subjects.len() * 160);
    for subject in subjects {
        let identity = &subject.identity;
        let flags = u8::from(identity.built_in)
            | u8::from(identity.default) << 1
            | u8::from(identity.virtual_) << 2
            | u8::from(identity.tenant_owned) << 3;
        records.extend_from_slice(&[subject.subject_class as u8, flags, 0, 0]);
        let texts = [
            Some(&identity.provider_key),
            Some(&identity.resource_type),
            identity.provider_resource_id.as_ref(),
            identity.external_id.as_ref(),
            identity.discriminator.as_ref(),
            identity.fingerprint.as_ref(),
            Some(&subject.subject_type_key),
        ];
        for text in texts {
            let length = text.map_or(u32::MAX, |text| u32::try_from(text.len()).unwrap_or(u32::MAX));
            records.extend_from_slice(&length.to_le_bytes());
        }
        for text in texts.into_iter().flatten() {
            records.extend_from_slice(text.as_bytes());
        }
    }
    records
}

/// The keys of a packed answer.
fn unpack(mut answer: &[u8]) -> Vec<&[u8]> {
    let mut keys = Vec::with_capacity(BATCH);
    while let Some((&[_, _, low, high], rest)) = answer.split_first_chunk::<4>() {
        let Some((key, rest)) = rest.split_at_checked(usize::from(u16::from_le_bytes([low, high]))) else { break };
        keys.push(key);
        answer = rest;
    }
    keys
}

fn native_keys(subjects: &[Subject<'_>]) -> Vec<String> {
    subjects.iter().map(|subject| key::derive(subject).unwrap_or_default()).collect()
}

fn native_derived(subject: &Subject<'_>) -> (String, String) {
    let key = key::derive(subject).unwrap_or_default();
    let digest = key::sha256(key.as_bytes());
    (key, digest)
}

pub(crate) fn measure(report: &mut Report) -> Result<(), ComponentError> {
    let identity = Identity::embedded()?;
    let subjects = subjects();
    let views: Vec<Subject<'_>> = subjects.iter().map(native).collect();
    let packed = pack(&subjects);
    check_answers(&identity, &subjects, &views, &packed)?;

    let group = "keys";
    let native_batch = || drop(black_box(native_keys(black_box(&views))));
    report.floor(group, "native batch of 500", &cpu_ratios(native_batch, native_batch));

    let flat = || drop(black_box(identity.derive_flat(black_box(&packed))));
    let line = Line::new("P1", group, "native batch of 500", "`derive-flat`");
    report.add(line, &cpu_ratios(native_batch, flat), Some(Target::AtMost { gate: 1.35, aim: 1.05 }));
    let flat_packing = || {
        let answer = identity.derive_flat(&pack(black_box(&subjects))).unwrap_or_default();
        drop(black_box(unpack(&answer)));
    };
    let line = Line::new("P1", group, "native batch of 500", "`derive-flat`, packing and unpacking included");
    report.add(line, &cpu_ratios(native_batch, flat_packing), None);

    let line = Line::new("P2", group, "native single", "single `derive`");
    let target = Target::AtMost { gate: 1.9, aim: 1.6 };
    report.add(line, &singles(&identity, &subjects, &views), Some(target));

    let native_list = || drop(black_box(views.iter().map(native_derived).collect::<Vec<_>>()));
    let many = || drop(black_box(identity.derive_many(black_box(&subjects))));
    let line = Line::new("P3", group, "native batch of 500, digests", "`derive-many`");
    report.add(line, &cpu_ratios(native_list, many), Some(Target::AtMost { gate: 1.7, aim: 1.45 }));
    Ok(())
}

fn singles(identity: &Identity, subjects: &[GovernedSubject], views: &[Subject<'_>]) -> Ratios {
    let mut next_view = views.iter().cycle();
    let mut next_subject = subjects.iter().cycle();
    cpu_ratios(
        || drop(black_box(next_view.next().map(native_derived))),
        || drop(black_box(next_subject.next().map(|subject| identity.derive(subject)))),
    )
}

/// Both sides must answer the same, or there is nothing to compare.
fn check_answers(
    identity: &Identity,
    subjects: &[GovernedSubject],
    views: &[Subject<'_>],
    packed: &[u8],
) -> Result<(), ComponentError> {
    let expected = native_keys(views);
    let flat = identity.derive_flat(packed)?;
    if !unpack(&flat).iter().eq(expected.iter().map(String::as_bytes).collect::<Vec<_>>().iter()) {
        return Err(differs("derive-flat"));
    }
    let many = identity.derive_many(subjects)?;
    for ((many, view), subject) in many.iter().zip(views).zip(subjects) {
        let (key, digest) = native_derived(view);
        let same = |derived: &provident_identity::DerivedKey| derived.key.as_str() == key && derived.digest == digest;
        if !many.as_ref().is_ok_and(same) || !identity.derive(subject).as_ref().is_ok_and(same) || key.is_empty() {
            return Err(differs("derive"));
        }
    }
    Ok(())
}
