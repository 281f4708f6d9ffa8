//! The flat form of deriving, written and read from its description in the contract and nothing else.

use provident_identity::{ErrorCode, GovernedSubject};

/// Where a refusal points, by its number.
const FIELDS: [&str; 12] = [
    "",
    "provider_key",
    "resource_type",
    "provider_resource_id",
    "external_id",
    "discriminator",
    "fingerprint",
    "subject_type_key",
    "subject_class",
    "tenant_owned",
    "key",
    "request",
];

/// Writes one subject at the end of a packed list.
pub fn pack(subject: &GovernedSubject, out: &mut Vec<u8>) {
    let identity = &subject.identity;
    let flags = [identity.built_in, identity.default, identity.virtual_, identity.tenant_owned];
    let bits = flags.into_iter().zip([1, 2, 4, 8]).filter(|(set, _)| *set).map(|(_, bit)| bit).sum();
    let texts = [
        Some(&identity.provider_key),
        Some(&identity.resource_type),
        identity.provider_resource_id.as_ref(),
        identity.external_id.as_ref(),
        identity.discriminator.as_ref(),
        identity.fingerprint.as_ref(),
        Some(&subject.subject_type_key),
    ];
    out.extend([subject.subject_class as u8, bits, 0, 0]);
    for text in texts {
        let length = text.map_or(u32::MAX, |text| u32::try_from(text.len()).unwrap_or(u32::MAX - 1));
        out.extend(length.to_le_bytes());
    }
    for text in texts.into_iter().flatten() {
        out.extend(text.bytes());
    }
}

/// A key, or the code and field of a refusal.
pub type Answer = Result<String, (ErrorCode, &'static str)>;

/// Reads the answers.
///
/// # Errors
///
/// If they are not of the described layout.
pub fn read(mut answers: &[u8]) -> Result<Vec<Answer>, String> {
    let mut read = Vec::new();
    while !answers.is_empty() {
        let (&[status, field, low, high], rest) = answers.split_first_chunk().ok_or("an answer ends early")?;
        let length = usize::from(u16::from_le_bytes([low, high]));
        let (key, rest) = rest.split_at_checked(length).ok_or("a key ends early")?;
        answers = rest;
        read.push(match status {
            0 if field == 0 => Ok(String::from_utf8(key.to_vec()).map_err(|error| error.to_string())?),
            0 => return Err(format!("a key with field {field}")),
            _ if length > 0 => return Err("a refusal with a key".into()),
            _ => {
                let code = ErrorCode::ALL.get(usize::from(status) - 1).ok_or(format!("no code has number {status}"))?;
                let field = FIELDS.get(usize::from(field)).ok_or(format!("no field has number {field}"))?;
                Err((*code, *field))
            }
        });
    }
    Ok(read)
}
