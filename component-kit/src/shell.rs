//! The shell of an adapter: conversions between the contract's types and the plain ones, written once.
//!
//! The contract's types are generated inside each adapter (their ABI must be linked there and nowhere else), so
//! this is a macro.

/// Makes a component of world `provider-adapter` from two functions, the second and third argument:
/// `describe(&str) -> Vec<Result<Adapted, Refusal>>` and `about() -> About`.
///
/// The first argument is the path of the contract, from the adapter's manifest. The adapter depends on
/// `wit-bindgen`.
#[macro_export]
macro_rules! adapter_shell {
    ($contract:tt, $describe:path, $about:path) => {
        use ::alloc::{string::String, vec::Vec};
        use $crate::model;
        use exports::provident::identity::{adapter as wit, types};

        ::wit_bindgen::generate!({ path: $contract, world: "provider-adapter" });

        struct Shell;

        impl wit::Guest for Shell {
            fn describe(document: String) -> Vec<Result<wit::Adapted, wit::Refusal>> {
                let answers = $describe(&document);
                drop(document);
                answers.into_iter().map(|answer| answer.map(adapted).map_err(refusal)).collect()
            }

            fn about() -> wit::Description {
                let about = $about();
                wit::Description {
                    provider_key: about.provider_key.into(),
                    version: about.version.into(),
                    entity_types: about.entity_types.into_iter().map(String::from).collect(),
                }
            }
        }

        fn adapted(adapted: model::Adapted) -> wit::Adapted {
            wit::Adapted { position: adapted.position, descriptor: descriptor(adapted.descriptor) }
        }

        fn refusal(refusal: model::Refusal) -> wit::Refusal {
            wit::Refusal {
                position: refusal.position,
                code: code(refusal.code),
                field: refusal.field.into(),
                message: refusal.message,
            }
        }

        fn descriptor(descriptor: model::Descriptor) -> types::ProviderResourceDescriptor {
            types::ProviderResourceDescriptor {
                identity: identity(descriptor.identity),
                subject_domain: descriptor.subject_domain.into(),
                subject_class: subject_class(descriptor.subject_class),
                subject_type_key: descriptor.subject_type_key,
                support_level: match descriptor.support_level {
                    model::SupportLevel::Supported => types::SupportLevel::Supported,
                    model::SupportLevel::InventoryOnly => types::SupportLevel::InventoryOnly,
                    model::SupportLevel::Unsupported => types::SupportLevel::Unsupported,
                },
                display_label: descriptor.display_label,
                source_inventory_item_id: None,
                source_policy_version_id: None,
                source_operation_run_id: None,
            }
        }

        fn identity(identity: model::Identity) -> types::ResourceIdentity {
            types::ResourceIdentity {
                provider_key: identity.provider_key.into(),
                resource_type: identity.resource_type,
                provider_resource_id: identity.provider_resource_id,
                external_id: identity.external_id,
                discriminator: identity.discriminator,
                fingerprint: identity.fingerprint,
                built_in: identity.built_in,
                default: identity.default,
                virtual_: identity.virtual_,
                tenant_owned: identity.tenant_owned,
            }
        }

        fn subject_class(class: model::SubjectClass) -> types::SubjectClass {
            match class {
                model::SubjectClass::Policy => types::SubjectClass::Policy,
                model::SubjectClass::Foundation => types::SubjectClass::Foundation,
                model::SubjectClass::AssignmentTarget => types::SubjectClass::AssignmentTarget,
                model::SubjectClass::VirtualAssignmentTarget => types::SubjectClass::VirtualAssignmentTarget,
                model::SubjectClass::ProviderBuiltin => types::SubjectClass::ProviderBuiltin,
                model::SubjectClass::ProviderDefault => types::SubjectClass::ProviderDefault,
                model::SubjectClass::Unsupported => types::SubjectClass::Unsupported,
                model::SubjectClass::Unknown => types::SubjectClass::Unknown,
            }
        }

        fn code(code: model::Code) -> types::ErrorCode {
            match code {
                model::Code::EmptyField => types::ErrorCode::EmptyField,
                model::Code::SurroundingWhitespace => types::ErrorCode::SurroundingWhitespace,
                model::Code::ControlCharacter => types::ErrorCode::ControlCharacter,
                model::Code::Noncharacter => types::ErrorCode::Noncharacter,
                model::Code::FieldTooLong => types::ErrorCode::FieldTooLong,
                model::Code::BadDiscriminator => types::ErrorCode::BadDiscriminator,
                model::Code::MissingDiscriminator => types::ErrorCode::MissingDiscriminator,
                model::Code::MissingIdentity => types::ErrorCode::MissingIdentity,
                model::Code::KeyTooLong => types::ErrorCode::KeyTooLong,
                model::Code::MalformedDocument => types::ErrorCode::MalformedDocument,
                model::Code::DocumentTooLarge => types::ErrorCode::DocumentTooLarge,
                model::Code::UnknownType => types::ErrorCode::UnknownType,
                model::Code::AmbiguousType => types::ErrorCode::AmbiguousType,
            }
        }

        export!(Shell);
    };
}
