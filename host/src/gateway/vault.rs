//! The vault: the one place where the values of credentials are sealed, and the only one that opens them.
//!
//! Each value lies under a random key of its own, and that key under a master key; both are tied to workspace,
//! environment, connection and field, so that what is moved anywhere else does not open. Whatever is wrong, there is one
//! refusal, which says nothing.

use zeroize::{Zeroize as _, Zeroizing};

use super::OperationContext;
use crate::clock::{Ids, Timestamp};
use crate::provider_credential::{CredentialPlace, CredentialValue, SealedCredential};
use crate::secret::{DataKey, MasterKey, MasterKeys, SecretError};

/// A value that was opened, for the gateway to call a provider with. Wiped when dropped.
///
/// Others may know that there is such a type:
///
/// ```
/// use provident::gateway::OpenedCredential;
///
/// fn passed_on(opened: OpenedCredential) -> OpenedCredential {
///     opened
/// }
/// ```
///
/// It is not printed:
///
/// ```compile_fail,E0277
/// fn printed(opened: &provident::gateway::OpenedCredential) -> String {
///     format!("{opened:?}")
/// }
/// ```
///
/// ```compile_fail,E0277
/// fn shown(opened: &provident::gateway::OpenedCredential) -> String {
///     format!("{opened}")
/// }
/// ```
///
/// Nor written into anything:
///
/// ```compile_fail,E0277
/// fn written(opened: &provident::gateway::OpenedCredential) -> Option<String> {
///     serde_json::to_string(opened).ok()
/// }
/// ```
///
/// Nor copied:
///
/// ```compile_fail,E0277
/// fn copied(opened: &provident::gateway::OpenedCredential) -> provident::gateway::OpenedCredential {
///     provident::gateway::OpenedCredential::clone(opened)
/// }
/// ```
///
/// Nor compared, which takes more time the more of it is guessed:
///
/// ```compile_fail,E0369
/// fn compared(one: &provident::gateway::OpenedCredential, other: &provident::gateway::OpenedCredential) -> bool {
///     one == other
/// }
/// ```
///
/// What is in it is seen by the gateway alone:
///
/// ```compile_fail,E0624
/// fn taken(opened: &provident::gateway::OpenedCredential) -> String {
///     opened.expose().to_owned()
/// }
/// ```
///
/// And nobody else opens one, with a context or without:
///
/// ```compile_fail,E0603
/// use provident::gateway::vault::open;
/// ```
#[expect(missing_debug_implementations, reason = "what is in it must not be printed, not even that there is something")]
pub struct OpenedCredential {
    field: String,
    value: Zeroizing<String>,
}

impl OpenedCredential {
    /// Which field it is of.
    pub(in crate::gateway) fn field(&self) -> &str {
        &self.field
    }

    /// The value.
    pub(in crate::gateway) fn expose(&self) -> &str {
        &self.value
    }
}

/// Seals the value of a field for its place, under a new key of its own.
///
/// # Errors
/// When the machine has no randomness.
pub(crate) fn seal(
    master: &MasterKey,
    place: &CredentialPlace<'_>,
    value: &CredentialValue,
    set_at: Timestamp,
    ids: &Ids,
) -> Result<SealedCredential, SecretError> {
    let key = DataKey::generate(ids)?;
    Ok(SealedCredential {
        field: place.field.to_owned(),
        value_sealed: key.seal(place, value.bytes_to_seal(), ids)?,
        data_key_sealed: master.seal_data_key(&key, place, ids)?,
        master_key_version: master.version(),
        set_at,
    })
}

/// Opens a field of the connection that an operation goes through. There is no other way to a value than an operation's
/// context.
///
/// # Errors
/// [`SecretError::DoesNotOpen`], whatever the cause.
pub(in crate::gateway) fn open(
    ring: &MasterKeys,
    context: &OperationContext,
    sealed: &SealedCredential,
) -> Result<OpenedCredential, SecretError> {
    let place = CredentialPlace {
        workspace_id: context.workspace_id(),
        environment_id: context.environment_id(),
        connection_id: context.connection_id(),
        field: &sealed.field,
    };
    let open_value = || {
        let key = ring.open_data_key(&place, &sealed.data_key_sealed, sealed.master_key_version)?;
        let mut bytes = key.open(&place, &sealed.value_sealed)?;
        let text = String::from_utf8(std::mem::take(&mut *bytes));
        text.map(Zeroizing::new).map_err(|error| {
            error.into_bytes().zeroize();
            SecretError::DoesNotOpen
        })
    };
    let value = open_value().map_err(|_: SecretError| SecretError::DoesNotOpen)?;
    Ok(OpenedCredential { field: sealed.field.clone(), value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::context::tests::context;
    use sha2::Digest as _;
    use uuid::Uuid;

    const FIELDS: [&str; 2] = ["api_key", "other_key"];

    /// A place, and what lies there.
    struct Kept {
        context: OperationContext,
        field: &'static str,
        sealed: SealedCredential,
    }

    fn ring() -> (MasterKeys, Vec<MasterKey>) {
        let ids = Ids::seeded(1);
        let first = MasterKey::generate(&ids).unwrap();
        let second = first.generate_next(&ids).unwrap();
        let third = second.generate_next(&ids).unwrap();
        let text = [&first, &second, &third].map(|key| key.to_text().to_string()).join("\n");
        (MasterKeys::from_text(&text).unwrap(), vec![first, second, third])
    }

    fn place<'a>(context: &OperationContext, field: &'a str) -> CredentialPlace<'a> {
        CredentialPlace {
            workspace_id: context.workspace_id(),
            environment_id: context.environment_id(),
            connection_id: context.connection_id(),
            field,
        }
    }

    fn sealed(master: &MasterKey, context: &OperationContext, field: &str, value: &str, ids: &Ids) -> SealedCredential {
        let value = value.parse::<CredentialValue>().unwrap();
        seal(master, &place(context, field), &value, Timestamp::from_micros(0), ids).unwrap()
    }

    /// Two workspaces, two environments each, two connections each, two fields each, under each of the master keys.
    fn everything(keys: &[MasterKey]) -> Vec<Kept> {
        let ids = Ids::seeded(2);
        let mut kept = Vec::new();
        for (number, key) in (0_u128..).zip(keys) {
            for place in 0_u128..8 {
                let (workspace, environment, connection) = (place / 4, place / 2 % 2, place % 2);
                // The same connection under another master key is another row, sealed at another time.
                let of = |thing: u128, number: u128| Uuid::from_u128(thing << 8 | number);
                let context = context(of(1, workspace), of(2, environment), of(3, connection));
                for field in FIELDS {
                    let value = format!("hunter-{number}-{place}-{field}");
                    let sealed = sealed(key, &context, field, &value, &ids);
                    kept.push(Kept { context: context.clone(), field, sealed });
                }
            }
        }
        kept
    }

    #[track_caller]
    fn refused(ring: &MasterKeys, context: &OperationContext, sealed: &SealedCredential, cases: &mut u32) {
        let refusal = open(ring, context, sealed).err().expect("it opens");
        assert!(matches!(refusal, SecretError::DoesNotOpen));
        assert_eq!(refusal.to_string(), "a sealed value does not open with this master key");
        *cases += 1;
    }

    #[test]
    fn a_value_opens_where_it_was_sealed() {
        let (ring, keys) = ring();
        let kept = everything(&keys);
        for (at, one) in kept.iter().enumerate() {
            let opened = open(&ring, &one.context, &one.sealed).unwrap();
            let (number, place) = (at / 16, at / 2 % 8);
            assert_eq!(
                (opened.field(), opened.expose()),
                (one.field, &*format!("hunter-{number}-{place}-{}", one.field))
            );
            assert_eq!(one.sealed.data_key_sealed.len(), 72);
            assert_eq!(one.sealed.value_sealed.len(), 24 + opened.expose().len() + 16);
        }
        let longest = "\u{1f511}".repeat(1_024);
        let context = &kept[0].context;
        let long = sealed(&keys[0], context, "api_key", &longest, &Ids::seeded(3));
        assert_eq!(open(&ring, context, &long).unwrap().expose(), longest);
        let again = sealed(&keys[0], context, "api_key", &longest, &Ids::seeded(4));
        assert_ne!(again.value_sealed, long.value_sealed, "every value has a key and a nonce of its own");
    }

    #[test]
    fn whatever_is_moved_or_changed_does_not_open_with_one_and_the_same_error() {
        let (ring, keys) = ring();
        let kept = everything(&keys);
        let mut cases = 0;
        for (at, one) in kept.iter().enumerate() {
            for (from, other) in kept.iter().enumerate().filter(|(from, _)| *from != at) {
                // Under another master key the same place is the same place: what is mixed there is a row of two times.
                let same_place = from % 16 == at % 16;
                let mut moved = other.sealed.clone();
                moved.field.clone_from(&one.sealed.field);
                if !same_place {
                    refused(&ring, &one.context, &moved, &mut cases);
                }
                moved.data_key_sealed.clone_from(&one.sealed.data_key_sealed);
                moved.master_key_version = one.sealed.master_key_version;
                refused(&ring, &one.context, &moved, &mut cases);
                let mut keyed = one.sealed.clone();
                keyed.data_key_sealed.clone_from(&other.sealed.data_key_sealed);
                keyed.master_key_version = other.sealed.master_key_version;
                refused(&ring, &one.context, &keyed, &mut cases);
            }
            for version in [0, 1, 2, 3, 4, u32::MAX] {
                if version != one.sealed.master_key_version {
                    let sealed = SealedCredential { master_key_version: version, ..one.sealed.clone() };
                    refused(&ring, &one.context, &sealed, &mut cases);
                }
            }
        }
        assert!(cases >= 2_000, "{cases}");
    }

    #[test]
    fn whatever_bit_or_byte_is_other_than_it_was_does_not_open_with_one_and_the_same_error() {
        let (ring, keys) = ring();
        let mut cases = 0;
        for one in everything(&keys).iter().step_by(7) {
            let SealedCredential { value_sealed, data_key_sealed, .. } = &one.sealed;
            for bit in 0..8 {
                for at in 0..value_sealed.len() {
                    let mut sealed = one.sealed.clone();
                    sealed.value_sealed[at] ^= 1 << bit;
                    refused(&ring, &one.context, &sealed, &mut cases);
                }
                for at in 0..data_key_sealed.len() {
                    let mut sealed = one.sealed.clone();
                    sealed.data_key_sealed[at] ^= 1 << bit;
                    refused(&ring, &one.context, &sealed, &mut cases);
                }
            }
            for length in 0..value_sealed.len() {
                let value_sealed = value_sealed[..length].to_vec();
                refused(&ring, &one.context, &SealedCredential { value_sealed, ..one.sealed.clone() }, &mut cases);
            }
            for length in 0..data_key_sealed.len() {
                let data_key_sealed = data_key_sealed[..length].to_vec();
                refused(&ring, &one.context, &SealedCredential { data_key_sealed, ..one.sealed.clone() }, &mut cases);
            }
        }
        assert!(cases >= 2_000, "{cases}");
    }

    #[test]
    fn the_version_of_the_master_key_is_part_of_the_place_even_where_the_key_is_the_same() {
        let (ids, first) = (Ids::seeded(6), MasterKey::generate(&Ids::seeded(6)).unwrap());
        let text = first.to_text();
        let (body, _) = text.rsplit_once(':').unwrap();
        let again = body.replacen(":1:", ":2:", 1);
        let sum = hex::encode(&sha2::Sha256::digest(again.as_bytes())[..4]);
        let twin = MasterKeys::from_text(&format!("{}\n{again}:{sum}", *text)).unwrap();
        let context = context(Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
        let one = sealed(&first, &context, "api_key", "hunter", &ids);
        assert!(open(&twin, &context, &one).is_ok());
        refused(&twin, &context, &SealedCredential { master_key_version: 2, ..one }, &mut 0);
    }

    #[test]
    fn a_ring_of_another_installation_opens_nothing() {
        let (_, keys) = ring();
        let foreign = MasterKey::generate(&Ids::seeded(9)).unwrap();
        let foreign = MasterKeys::from_text(&foreign.to_text()).unwrap();
        let mut cases = 0;
        for one in everything(&keys) {
            refused(&foreign, &one.context, &one.sealed, &mut cases);
        }
    }

    #[test]
    fn a_data_key_sealed_anew_opens_the_value_as_it_lies() {
        let (ring, keys) = ring();
        let ids = Ids::seeded(5);
        let alone = MasterKeys::from_text(&keys[2].to_text()).unwrap();
        for one in everything(&keys[..2]) {
            let (place, old) = (place(&one.context, one.field), &one.sealed);
            let anew =
                ring.rewrap_data_key(&keys[2], &place, &old.data_key_sealed, old.master_key_version, &ids).unwrap();
            let anew = SealedCredential { data_key_sealed: anew, master_key_version: 3, ..old.clone() };
            let before = open(&ring, &one.context, old).unwrap();
            assert_eq!(open(&alone, &one.context, &anew).unwrap().expose(), before.expose());
            assert!(open(&alone, &one.context, old).is_err(), "the old key is gone");
        }
    }
}
