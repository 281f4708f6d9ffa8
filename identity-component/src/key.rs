//! Canonical subject keys, grammar version 1: deriving and parsing.
//!
//! `provider:<provider>:<class>:<subject-type>:<resource-type>:<form>:<value>`, always seven segments,
//! percent-escaped ASCII, equal when the bytes are. Text is opaque: nothing is folded, normalised or trimmed.
//! No display name reaches this module (S380-14, P381-26). Parsing accepts exactly what deriving can produce.

use crate::limits::{KEY_BYTES, TYPE_BYTES, VALUE_BYTES};
use crate::model::{Code, Identity, KeyForm, Refusal, Subject, SubjectClass};
use crate::text;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use sha2::{Digest, Sha256};

const SCHEME: &str = "provider:";

/// A key, taken apart; texts are decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedKey {
    /// The provider.
    pub provider_key: String,
    /// What kind of thing the subject is.
    pub class: SubjectClass,
    /// The platform's type of the subject.
    pub type_key: String,
    /// The provider's type of the resource.
    pub resource_type: String,
    /// Which identity the key carries.
    pub form: KeyForm,
    /// That identity.
    pub value: String,
}

/// Derives the key of a subject (P381-37).
///
/// # Errors
///
/// The first rule broken: the texts one after another, then flags, class, form and length.
pub fn derive(subject: &Subject<'_>) -> Result<String, Refusal> {
    let mut key = Vec::new();
    derive_into(subject, &mut key)?;
    // A key is ASCII by construction.
    Ok(String::from_utf8(key).unwrap_or_default())
}

/// Derives a key onto the end of `out`, which is left as it was when the subject is refused.
pub(crate) fn derive_into(subject: &Subject<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let identity = &subject.identity;
    let plain = check_texts(subject)?;
    let (form, value) = form_of(identity, subject.class)?;
    let start = out.len();
    out.reserve(64 + identity.provider_key.len() + subject.type_key.len() + identity.resource_type.len() + value.len());
    out.extend_from_slice(b"provider:");
    text::append(identity.provider_key, out);
    out.push(b':');
    text::append(subject.class.token(), out);
    out.push(b':');
    escape_into(subject.type_key, plain, out);
    out.push(b':');
    escape_into(identity.resource_type, plain, out);
    out.push(b':');
    text::append(form.as_str(), out);
    out.push(b':');
    escape_into(value, plain, out);
    let length = out.len() - start;
    if length > KEY_BYTES {
        out.truncate(start);
        let message = format!("the key has {length} bytes, over {KEY_BYTES}");
        return Err(Refusal::new(Code::KeyTooLong, "key", message));
    }
    Ok(())
}

/// Checks every text in its turn; says whether all of them are made of characters that need no escape.
fn check_texts(subject: &Subject<'_>) -> Result<bool, Refusal> {
    let identity = &subject.identity;
    if !text::is_token(identity.provider_key) {
        text::check(identity.provider_key, "provider_key", usize::MAX)?;
        let message =
            format!("{} is not a provider key: [a-z0-9][a-z0-9_-]{{0,63}}", text::quote(identity.provider_key));
        return Err(Refusal::new(Code::BadProviderKey, "provider_key", message));
    }
    let mut plain = text::check(identity.resource_type, "resource_type", TYPE_BYTES)?;
    if let Some(id) = identity.provider_resource_id {
        plain &= text::check(id, "provider_resource_id", VALUE_BYTES)?;
    }
    if let Some(id) = identity.external_id {
        plain &= text::check(id, "external_id", VALUE_BYTES)?;
    }
    if let Some(discriminator) = identity.discriminator {
        text::check(discriminator, "discriminator", VALUE_BYTES)?;
        check_discriminator(discriminator, "discriminator")?;
    }
    if let Some(fingerprint) = identity.fingerprint {
        text::check(fingerprint, "fingerprint", VALUE_BYTES)?;
    }
    plain &= text::check(subject.type_key, "subject_type_key", TYPE_BYTES)?;
    Ok(plain)
}

fn check_discriminator(value: &str, field: &'static str) -> Result<(), Refusal> {
    if text::is_discriminator(value) {
        return Ok(());
    }
    let message = format!("{} is not a discriminator: [a-z0-9][a-z0-9._-]*", text::quote(value));
    Err(Refusal::new(Code::BadDiscriminator, field, message))
}

/// Chooses the form and the value it carries.
///
/// What the provider owns (built-in, default, virtual) always takes `disc`, what the tenant owns never does: so a
/// built-in and a tenant-owned resource cannot share a key, whatever their ids (S380-47).
fn form_of<'a>(identity: &Identity<'a>, class: SubjectClass) -> Result<(KeyForm, &'a str), Refusal> {
    use SubjectClass::{
        AssignmentTarget, Foundation, Policy, ProviderBuiltin, ProviderDefault, Unknown, Unsupported,
        VirtualAssignmentTarget,
    };
    let flags = identity.flags;
    let mismatch = |what: &str| {
        let message = format!("class `{}` cannot be {what}", class.as_str());
        Err(Refusal::new(Code::ClassIdentityMismatch, "subject_class", message))
    };
    if flags.tenant_owned && flags.provider_owned() {
        let message = String::from("`tenant_owned` goes with none of `built_in`, `default`, `virtual`");
        return Err(Refusal::new(Code::ConflictingFlags, "tenant_owned", message));
    }
    let id = identity.provider_resource_id.map(|id| (KeyForm::Id, id));
    let ext = identity.external_id.map(|id| (KeyForm::Ext, id));
    let disc = identity.discriminator.map(|name| (KeyForm::Disc, name));
    let own = id.or(ext);
    let chosen = match class {
        ProviderBuiltin | ProviderDefault | VirtualAssignmentTarget if flags.tenant_owned => {
            return mismatch("tenant-owned");
        }
        Policy | Foundation | AssignmentTarget if flags.provider_owned() => {
            return mismatch("built-in, default or virtual");
        }
        ProviderBuiltin | ProviderDefault | VirtualAssignmentTarget => disc.ok_or(Code::MissingDiscriminator),
        Policy | Foundation | AssignmentTarget => own.ok_or(Code::MissingIdentity),
        Unsupported | Unknown if flags.provider_owned() => disc.ok_or(Code::MissingDiscriminator),
        Unsupported | Unknown if flags.tenant_owned => own.ok_or(Code::MissingIdentity),
        Unsupported | Unknown => own.or(disc).ok_or(Code::MissingIdentity),
    };
    chosen.map_err(|code| {
        let (field, message) = if code == Code::MissingDiscriminator {
            ("discriminator", "the key needs a discriminator")
        } else {
            ("provider_resource_id", "nothing given identifies the resource")
        };
        Refusal::new(code, field, String::from(message))
    })
}

fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'A' + (nibble - 10) }
}

/// Escapes every byte outside `A-Za-z0-9-._~` as `%XX`. One function for every segment, no exceptions; `plain` says
/// that there is no such byte.
fn escape_into(text: &str, plain: bool, out: &mut Vec<u8>) {
    if plain {
        return text::append(text, out);
    }
    for byte in text.bytes() {
        if text::is_unreserved(byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'%', hex_digit(byte >> 4), hex_digit(byte & 0xF)]);
        }
    }
}

/// Takes a key apart.
///
/// # Errors
///
/// The first rule broken: the key as a whole, then its segments from left to right, then class against form.
pub fn parse(key: &str) -> Result<ParsedKey, Refusal> {
    let whole = |code, message: String| Err(Refusal::new(code, "key", message));
    if key.len() > KEY_BYTES {
        return whole(Code::KeyTooLong, format!("the key has {} bytes, over {KEY_BYTES}", key.len()));
    }
    if !key.starts_with(SCHEME) {
        return whole(Code::UnknownScheme, format!("{} does not start with `{SCHEME}`", text::quote(key)));
    }
    let segments: Vec<&str> = key.split(':').collect();
    let [_, provider, class, type_key, resource_type, form, value] = *segments.as_slice() else {
        return whole(Code::WrongArity, format!("the key has {} segments, not 7", segments.len()));
    };
    let provider_key = raw_segment(provider, "provider_key", Code::BadProviderKey, |provider| {
        text::is_token(provider).then(|| String::from(provider))
    })?;
    let class = raw_segment(class, "subject_class", Code::InvalidClass, SubjectClass::from_token)?;
    let type_key = text_segment(type_key, "subject_type_key", TYPE_BYTES)?;
    let resource_type = text_segment(resource_type, "resource_type", TYPE_BYTES)?;
    let form = raw_segment(form, "form", Code::UnknownForm, KeyForm::from_name)?;
    let value = text_segment(value, "value", VALUE_BYTES)?;
    if form == KeyForm::Disc {
        check_discriminator(&value, "value")?;
    }
    if !takes(class, form) {
        let message = format!("class `{}` does not take form `{}`", class.token(), form.as_str());
        return Err(Refusal::new(Code::ClassFormMismatch, "form", message));
    }
    Ok(ParsedKey { provider_key, class, type_key, resource_type, form, value })
}

/// Whether keys of this class may have this form.
fn takes(class: SubjectClass, form: KeyForm) -> bool {
    match class {
        SubjectClass::ProviderBuiltin | SubjectClass::ProviderDefault | SubjectClass::VirtualAssignmentTarget => {
            form == KeyForm::Disc
        }
        SubjectClass::Policy | SubjectClass::Foundation | SubjectClass::AssignmentTarget => form != KeyForm::Disc,
        SubjectClass::Unsupported | SubjectClass::Unknown => true,
    }
}

/// A segment compared as raw bytes: `%` is no escape here.
fn raw_segment<T>(
    segment: &str,
    field: &'static str,
    code: Code,
    read: impl Fn(&str) -> Option<T>,
) -> Result<T, Refusal> {
    if segment.is_empty() {
        return Err(Refusal::new(Code::EmptyField, field, format!("`{field}` is empty")));
    }
    read(segment).ok_or_else(|| Refusal::new(code, field, format!("{} is not allowed here", text::quote(segment))))
}

/// An escaped segment, decoded. Each check runs over the whole segment before the next.
fn text_segment(segment: &str, field: &'static str, limit_bytes: usize) -> Result<String, Refusal> {
    if segment.is_empty() {
        return Err(Refusal::new(Code::EmptyField, field, format!("`{field}` is empty")));
    }
    let refused = |code, what: &str| Refusal::new(code, field, format!("{} {what}", text::quote(segment)));
    let mut canonical = true;
    let mut decoded = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if text::is_unreserved(byte) {
            decoded.push(byte);
            continue;
        }
        let digits = (byte == b'%').then(|| (bytes.next(), bytes.next()));
        let Some((Some(high), Some(low))) = digits else {
            return Err(refused(Code::BadEscape, "has a byte that must be escaped, or a broken escape"));
        };
        let (Some(high_value), Some(low_value)) = (char::from(high).to_digit(16), char::from(low).to_digit(16)) else {
            return Err(refused(Code::BadEscape, "has a byte that must be escaped, or a broken escape"));
        };
        let escaped = u8::try_from(high_value * 16 + low_value).unwrap_or(u8::MAX);
        canonical &= !(high.is_ascii_lowercase() || low.is_ascii_lowercase() || text::is_unreserved(escaped));
        decoded.push(escaped);
    }
    if !canonical {
        return Err(refused(Code::NonCanonicalEscape, "has an escape in lower case, or one that is not needed"));
    }
    let Ok(decoded) = String::from_utf8(decoded) else {
        return Err(refused(Code::InvalidUtf8, "does not decode to UTF-8"));
    };
    text::check(&decoded, field, limit_bytes)?;
    Ok(decoded)
}

/// `sha256:` and the lower-case hex of SHA-256 over `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    let mut digest = String::with_capacity(7 + 64);
    digest.push_str("sha256:");
    for byte in Sha256::digest(bytes) {
        digest.push(char::from(hex_digit(byte >> 4).to_ascii_lowercase()));
        digest.push(char::from(hex_digit(byte & 0xF).to_ascii_lowercase()));
    }
    digest
}

/// The digest of a key, which is parsed first: a side form for logs and fixed-width columns.
///
/// # Errors
///
/// Whatever [`parse`] refuses.
pub fn digest(key: &str) -> Result<String, Refusal> {
    parse(key)?;
    Ok(sha256(key.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Flags;

    fn subject(value: &str) -> Subject<'_> {
        Subject {
            identity: Identity {
                provider_key: "fake",
                resource_type: "widget",
                provider_resource_id: Some(value),
                flags: Flags { tenant_owned: true, ..Flags::default() },
                ..Identity::default()
            },
            class: SubjectClass::Policy,
            type_key: "widgetPolicy",
        }
    }

    #[test]
    fn the_first_example_of_the_grammar() {
        assert_eq!(derive(&subject("A:1")).unwrap(), "provider:fake:policy:widgetPolicy:widget:id:A%3A1");
    }

    #[test]
    fn a_refused_subject_leaves_the_output_as_it_was() {
        let mut out = b"before".to_vec();
        assert_eq!(derive_into(&subject(&"é".repeat(256)), &mut out).unwrap_err().code, Code::KeyTooLong);
        assert_eq!(out, b"before");
    }

    #[test]
    fn the_digest_of_nothing_is_the_known_one() {
        assert_eq!(sha256(b""), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
