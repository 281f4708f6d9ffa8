//! An adapter as a stranger would write it: an invented bookkeeper's `ledger`, built to a file and loaded as one.
//!
//! Its objects have an `account` kind, a `number` and a `caption`; a `standing` entry is the provider's own and
//! has a `name` that all tenants share. Documents are one object, an array, or `{"entries": […]}`. So that hosts can
//! be tried on broken components, an object with a `ledger_fault` is not answered: `misbehave`.
#![no_std]

extern crate alloc;
#[cfg(not(target_family = "wasm"))]
extern crate std;

#[cfg(target_family = "wasm")]
#[expect(clippy::same_length_and_capacity, reason = "the canonical ABI, as wit-bindgen writes it")]
mod shell;

use alloc::{borrow::Cow, vec::Vec};
use component_kit::{
    label,
    model::{About, Adapted, Code, Descriptor, Fault, Identity, Origins, Refusal, SubjectClass, SupportLevel},
    raw,
};

const PROVIDER_KEY: &str = "ledger";
const ORIGINS: Origins = Origins {
    resource_type: "account",
    provider_resource_id: "number",
    external_id: "number",
    discriminator: "name",
    fingerprint: "number",
    subject_type_key: "account",
};

/// Turns one raw document into descriptors: an answer for every object, in order.
#[must_use]
pub fn describe(document: &str) -> Vec<Result<Adapted, Refusal>> {
    raw::answer(raw::objects(document, "entries", "number").map(|found| found.objects), entry)
}

/// What this adapter is.
#[must_use]
pub fn about() -> About {
    About { provider_key: PROVIDER_KEY, version: env!("CARGO_PKG_VERSION"), entity_types: ["debit", "standing"].into() }
}

fn entry(json: &str) -> Result<Descriptor, Fault> {
    let names = ["account", "number", "name", "caption", "ledger_fault"];
    let [account, number, name, caption, fault] = raw::members(json, names)?;
    let given = |json: Option<&'_ str>, field| json.map(|json| raw::text(json, field).map(Cow::into_owned)).transpose();
    if let Some(fault) = given(fault, "ledger_fault")? {
        misbehave(&fault);
    }
    let Some(account) = given(account, "account")? else {
        return Err(Fault::new(Code::UnknownType, "account", "the entry names no account"));
    };
    let (subject_class, support_level) = match account.as_str() {
        "debit" => (SubjectClass::Policy, SupportLevel::Supported),
        "standing" => (SubjectClass::ProviderBuiltin, SupportLevel::InventoryOnly),
        _ => (SubjectClass::Unknown, SupportLevel::Unsupported),
    };
    let built_in = subject_class == SubjectClass::ProviderBuiltin;
    let descriptor = Descriptor {
        identity: Identity {
            provider_key: PROVIDER_KEY,
            resource_type: account.clone(),
            provider_resource_id: given(number, "number")?,
            external_id: None,
            discriminator: given(name, "name")?,
            fingerprint: None,
            built_in,
            default: false,
            virtual_: false,
            tenant_owned: !built_in,
        },
        subject_domain: "books",
        subject_class,
        subject_type_key: account,
        support_level,
        display_label: caption.and_then(|json| raw::text(json, "caption").ok()).and_then(|text| label::cut(&text)),
    };
    descriptor.checked(&ORIGINS)
}

/// What a broken component does: `spin` never ends, `hoard` takes memory without end, `trap` stops where it stands.
fn misbehave(fault: &str) {
    match fault {
        "spin" => loop {
            core::hint::black_box(fault);
        },
        "hoard" => {
            let mut hoard: Vec<Vec<u8>> = Vec::new();
            loop {
                hoard.push(core::hint::black_box(alloc::vec![1; 1 << 20]));
            }
        }
        #[cfg(target_family = "wasm")]
        "trap" => core::arch::wasm32::unreachable(),
        _ => {}
    }
}
