//! The packed bulk form of deriving. The layout is documented once, at `keys.derive-flat` in `wit/`.

use crate::key;
use crate::model::{Code, Flags, Identity, Refusal, Subject, SubjectClass};
use alloc::borrow::Cow;
use alloc::vec::Vec;

/// Bytes before a record's texts: class, flags, two of filling, seven lengths.
const HEAD_BYTES: usize = 4 + 7 * 4;
const ABSENT: u32 = u32::MAX;
/// Where a refusal points, by its place here; 0 stands for a key.
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

/// The member a refusal's place stands for.
#[must_use]
pub fn field_name(place: u8) -> Option<&'static str> {
    FIELDS.get(usize::from(place)).copied()
}

/// Derives one key for every packed record, in order.
#[must_use]
pub fn derive_flat(records: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(records.len() + records.len() / 4);
    let mut rest = records;
    while !rest.is_empty() {
        let Some((record, after)) = Record::read(rest) else {
            refuse(&mut out, Code::MalformedRequest, "request");
            break;
        };
        rest = after;
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        match record.derive(&mut out) {
            Ok(()) => {
                let length = u16::try_from(out.len() - start - 4).unwrap_or(u16::MAX).to_le_bytes();
                if let Some(place) = out.get_mut(start + 2..start + 4) {
                    place.copy_from_slice(&length);
                }
            }
            Err((code, field)) => {
                out.truncate(start);
                refuse(&mut out, code, &field);
            }
        }
    }
    out
}

fn refuse(out: &mut Vec<u8>, code: Code, field: &str) {
    let place = FIELDS.iter().position(|name| *name == field).and_then(|place| u8::try_from(place).ok());
    out.extend_from_slice(&[1 + code as u8, place.unwrap_or(0), 0, 0]);
}

struct Record<'a> {
    class: u8,
    flags: u8,
    lengths: [u32; 7],
    texts: &'a [u8],
}

impl<'a> Record<'a> {
    /// The record at the start of `bytes` and what follows it; `None` when its frame is broken.
    fn read(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (head, after) = bytes.split_first_chunk::<HEAD_BYTES>()?;
        let (&[class, flags, 0, 0], lengths) = head.split_first_chunk::<4>()? else { return None };
        if flags > 0b1111 {
            return None;
        }
        let (lengths, _) = lengths.as_chunks::<4>();
        let lengths: [u32; 7] =
            core::array::from_fn(|at| lengths.get(at).map_or(ABSENT, |raw| u32::from_le_bytes(*raw)));
        let mut total = 0_usize;
        for length in lengths.into_iter().filter(|length| *length != ABSENT) {
            total = total.checked_add(usize::try_from(length).ok()?)?;
        }
        let (texts, after) = after.split_at_checked(total)?;
        Some((Self { class, flags, lengths, texts }, after))
    }

    fn derive(&self, out: &mut Vec<u8>) -> Result<(), (Code, Cow<'static, str>)> {
        let class = SubjectClass::ALL
            .get(usize::from(self.class))
            .ok_or((Code::InvalidClass, Cow::Borrowed("subject_class")))?;
        let [provider_key, resource_type, provider_resource_id, external_id, discriminator, fingerprint, type_key] =
            self.texts()?;
        let subject = Subject {
            identity: Identity {
                provider_key: provider_key.unwrap_or_default(),
                resource_type: resource_type.unwrap_or_default(),
                provider_resource_id,
                external_id,
                discriminator,
                fingerprint,
                flags: Flags {
                    built_in: self.flags & 1 != 0,
                    default: self.flags & 2 != 0,
                    r#virtual: self.flags & 4 != 0,
                    tenant_owned: self.flags & 8 != 0,
                },
            },
            class: *class,
            type_key: type_key.unwrap_or_default(),
        };
        key::derive_into(&subject, out).map_err(|Refusal { code, field, .. }| (code, field))
    }

    fn texts(&self) -> Result<[Option<&'a str>; 7], (Code, Cow<'static, str>)> {
        // One check over all texts together is cheaper than seven; only what fails it is looked at one by one.
        let together = core::str::from_utf8(self.texts).ok();
        let mut texts = [None; 7];
        let mut start = 0;
        for (at, (text, length)) in texts.iter_mut().zip(self.lengths).enumerate() {
            if length == ABSENT {
                continue;
            }
            let end = start + usize::try_from(length).unwrap_or(usize::MAX - start);
            let found = match together {
                Some(all) => all.get(start..end),
                None => self.texts.get(start..end).and_then(|bytes| core::str::from_utf8(bytes).ok()),
            };
            let field = FIELDS.get(at + 1).copied().unwrap_or_default();
            *text = Some(found.ok_or((Code::InvalidUtf8, Cow::Borrowed(field)))?);
            start = end;
        }
        Ok(texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn record(class: u8, flags: u8, texts: [Option<&[u8]>; 7]) -> Vec<u8> {
        let mut bytes = vec![class, flags, 0, 0];
        for text in texts {
            let length = text.map_or(ABSENT, |text| u32::try_from(text.len()).unwrap());
            bytes.extend_from_slice(&length.to_le_bytes());
        }
        bytes.extend(texts.into_iter().flatten().flatten());
        bytes
    }

    fn widget(id: &[u8]) -> Vec<u8> {
        record(0, 8, [Some(b"fake"), Some(b"widget"), Some(id), None, None, None, Some(b"widgetPolicy")])
    }

    #[test]
    fn one_bad_record_does_not_spoil_the_next() {
        let mut bytes = widget(b"\xFF");
        bytes.extend(widget(b"A:1"));
        let out = derive_flat(&bytes);
        assert_eq!(out[..4], [1 + Code::InvalidUtf8 as u8, 3, 0, 0]);
        let key = b"provider:fake:policy:widgetPolicy:widget:id:A%3A1";
        assert_eq!(out[4..8], [0, 0, u8::try_from(key.len()).unwrap(), 0]);
        assert_eq!(&out[8..], key);
    }

    #[test]
    fn a_text_cut_inside_a_character_is_refused() {
        // Two texts that are UTF-8 together and not each for itself.
        let bytes = record(0, 0, [Some(b"fake"), Some(b"w\xC3"), Some(b"\xA9"), None, None, None, Some(b"t")]);
        assert_eq!(derive_flat(&bytes), [1 + Code::InvalidUtf8 as u8, 2, 0, 0]);
    }

    #[test]
    fn a_broken_frame_ends_the_answer() {
        let malformed = [1 + Code::MalformedRequest as u8, 11, 0, 0];
        let whole = widget(b"1");
        for cut in 1..whole.len() {
            assert_eq!(derive_flat(&whole[..cut]), malformed, "{cut}");
        }
        let mut filled = widget(b"1");
        filled[3] = 1;
        assert_eq!(derive_flat(&filled), malformed);
        let mut flagged = widget(b"1");
        flagged[1] = 16;
        assert_eq!(derive_flat(&flagged), malformed);
        let mut huge = widget(b"1");
        huge[4..8].copy_from_slice(&(u32::MAX - 1).to_le_bytes());
        assert_eq!(derive_flat(&huge), malformed);
    }

    #[test]
    fn a_class_out_of_range_is_refused_and_the_next_record_answered() {
        let mut bytes = widget(b"1");
        bytes[0] = 8;
        bytes.extend(widget(b"2"));
        let out = derive_flat(&bytes);
        assert_eq!(out[..4], [1 + Code::InvalidClass as u8, 8, 0, 0]);
        assert!(out.ends_with(b":id:2"));
    }
}
