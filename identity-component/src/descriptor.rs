//! Provider resource descriptors: checks, canonical JSON (RFC 8785) and digest.

use crate::key;
use crate::limits::SOURCE_BYTES;
use crate::model::{Code, Refusal, Subject, SupportLevel};
use crate::text;
use alloc::format;
use alloc::string::String;

/// A resource as a candidate for matching or resolution (S380-35). Its display label is no part of it here:
/// no label is ever refused, and none reaches key, canonical form or digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor<'a> {
    /// What its key is derived from.
    pub subject: Subject<'a>,
    /// The governance domain (P381-43).
    pub domain: &'a str,
    /// How far the platform can go with it; `None` is one the caller could not read.
    pub support_level: Option<SupportLevel>,
    /// The inventory item it was made from.
    pub source_inventory_item_id: Option<&'a str>,
    /// The policy version it was made from.
    pub source_policy_version_id: Option<&'a str>,
    /// The operation run it was seen by.
    pub source_operation_run_id: Option<&'a str>,
}

/// A valid descriptor, rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// The canonical subject key.
    pub key: String,
    /// RFC 8785 JSON over domain, class, type key, support level and identity without its fingerprint.
    pub canonical: String,
    /// `sha256:` over `canonical`.
    pub digest: String,
}

/// Validates a descriptor and renders it.
///
/// # Errors
///
/// The first rule broken: those of deriving, then `bad-subject-domain`, `bad-support-level`, the sources.
pub fn describe(descriptor: &Descriptor<'_>) -> Result<Described, Refusal> {
    let key = key::derive(&descriptor.subject)?;
    if !text::is_token(descriptor.domain) {
        let message = format!("{} is not a subject domain: [a-z0-9][a-z0-9_-]{{0,63}}", text::quote(descriptor.domain));
        return Err(Refusal::new(Code::BadSubjectDomain, "subject_domain", message));
    }
    let Some(support_level) = descriptor.support_level else {
        let message = String::from("the support level is none of `supported`, `inventory_only`, `unsupported`");
        return Err(Refusal::new(Code::BadSupportLevel, "support_level", message));
    };
    for (source, field) in [
        (descriptor.source_inventory_item_id, "source_inventory_item_id"),
        (descriptor.source_policy_version_id, "source_policy_version_id"),
        (descriptor.source_operation_run_id, "source_operation_run_id"),
    ] {
        source.map_or(Ok(false), |source| text::check(source, field, SOURCE_BYTES))?;
    }
    let canonical = canonical(descriptor, support_level);
    let digest = key::sha256(canonical.as_bytes());
    Ok(Described { key, canonical, digest })
}

/// Members stand in the order RFC 8785 sorts them; absent members and false flags are left out.
fn canonical(descriptor: &Descriptor<'_>, support_level: SupportLevel) -> String {
    let subject = &descriptor.subject;
    let identity = &subject.identity;
    let mut inner = Object::default();
    inner.flag("built_in", identity.flags.built_in);
    inner.flag("default", identity.flags.default);
    inner.text("discriminator", identity.discriminator);
    inner.text("external_id", identity.external_id);
    inner.text("provider_key", Some(identity.provider_key));
    inner.text("provider_resource_id", identity.provider_resource_id);
    inner.text("resource_type", Some(identity.resource_type));
    inner.flag("tenant_owned", identity.flags.tenant_owned);
    inner.flag("virtual", identity.flags.r#virtual);
    let mut outer = Object::default();
    outer.member("identity", &inner.finish());
    outer.text("subject_class", Some(subject.class.as_str()));
    outer.text("subject_domain", Some(descriptor.domain));
    outer.text("subject_type_key", Some(subject.type_key));
    outer.text("support_level", Some(support_level.as_str()));
    outer.finish()
}

/// A JSON object under construction.
#[derive(Default)]
struct Object(String);

impl Object {
    fn member(&mut self, name: &str, rendered: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
        self.0.push_str(rendered);
    }

    fn text(&mut self, name: &str, value: Option<&str>) {
        // A string always renders; serde_json escapes exactly what RFC 8785 section 3.2.2.2 asks for.
        if let Some(rendered) = value.and_then(|value| serde_json::to_string(value).ok()) {
            self.member(name, &rendered);
        }
    }

    fn flag(&mut self, name: &str, value: bool) {
        if value {
            self.member(name, "true");
        }
    }

    fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }
}
