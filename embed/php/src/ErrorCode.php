<?php

declare(strict_types=1);

namespace Provident\Identity;

/**
 * Every reason to refuse an input, in the order of the contract.
 */
enum ErrorCode: string
{
    /** A line over 65,536 bytes, or a batch over 1 MiB. */
    case RequestTooLarge = 'request-too-large';
    /** Not UTF-8. */
    case InvalidUtf8 = 'invalid-utf8';
    /** Not one JSON object of the expected shape. */
    case MalformedRequest = 'malformed-request';
    /** No such operation. */
    case UnknownOp = 'unknown-op';
    /** A member nobody knows. */
    case UnknownField = 'unknown-field';
    /** The subject class is absent or not one of the eight. */
    case InvalidClass = 'invalid-class';
    /** Required or given, and empty. */
    case EmptyField = 'empty-field';
    /** Starts or ends with Unicode White_Space. */
    case SurroundingWhitespace = 'surrounding-whitespace';
    /** Contains a control character. */
    case ControlCharacter = 'control-character';
    /** Contains a Unicode noncharacter. */
    case Noncharacter = 'noncharacter';
    /** Over the limit of its field, in bytes. */
    case FieldTooLong = 'field-too-long';
    /** Outside `[a-z0-9][a-z0-9_-]{0,63}`. */
    case BadProviderKey = 'bad-provider-key';
    /** Outside `[a-z0-9][a-z0-9._-]*`. */
    case BadDiscriminator = 'bad-discriminator';
    /** Tenant-owned together with built-in, default or virtual. */
    case ConflictingFlags = 'conflicting-flags';
    /** The class says one thing, the flags another. */
    case ClassIdentityMismatch = 'class-identity-mismatch';
    /** The form is `disc` and there is no discriminator. */
    case MissingDiscriminator = 'missing-discriminator';
    /** There is nothing that identifies the resource. */
    case MissingIdentity = 'missing-identity';
    /** The key exceeds 1,024 bytes. */
    case KeyTooLong = 'key-too-long';
    /** The key does not start with `provider:`. */
    case UnknownScheme = 'unknown-scheme';
    /** The key does not have seven segments. */
    case WrongArity = 'wrong-arity';
    /** The form is none of `id`, `ext`, `disc`. */
    case UnknownForm = 'unknown-form';
    /** A byte that must be escaped, or a broken escape. */
    case BadEscape = 'bad-escape';
    /** An escape in lower case, or of a byte that needs none. */
    case NonCanonicalEscape = 'non-canonical-escape';
    /** The class does not take this form. */
    case ClassFormMismatch = 'class-form-mismatch';
    /** Outside `[a-z0-9][a-z0-9_-]{0,63}`. */
    case BadSubjectDomain = 'bad-subject-domain';
    /** The support level is absent or not one of the three. */
    case BadSupportLevel = 'bad-support-level';
    /** Actor, action and mode do not go together. */
    case ModeNotAllowed = 'mode-not-allowed';
    /** The mode does not allow the subject's class or form. */
    case ModeSubjectMismatch = 'mode-subject-mismatch';
    /** The mode needs a resource. */
    case ResourceRequired = 'resource-required';
    /** The mode or action takes no resource. */
    case ResourceNotAllowed = 'resource-not-allowed';
    /** The resource is another provider's. */
    case ResourceProviderMismatch = 'resource-provider-mismatch';
    /** An automatic mode, and the resource is not the subject itself. */
    case ResourceKeyMismatch = 'resource-key-mismatch';
    /** The decision needs a note. */
    case NoteRequired = 'note-required';
    /** The decision takes no note. */
    case NoteNotAllowed = 'note-not-allowed';
    /** The note is over 2,000 Unicode scalar values. */
    case NoteTooLong = 'note-too-long';
    /** The decision needs a reason code. */
    case ReasonRequired = 'reason-required';
    /** The decision takes no reason code. */
    case ReasonNotAllowed = 'reason-not-allowed';
    /** Outside `[a-z0-9]+(-[a-z0-9]+)*`, or over 64 bytes. */
    case BadReason = 'bad-reason';
    /** A raw document that is not JSON, or not of a shape the adapter knows. */
    case MalformedDocument = 'malformed-document';
    /** A raw document over 8 MiB. */
    case DocumentTooLarge = 'document-too-large';
    /** A raw object without a type, from a place that holds none or nobody knows. */
    case UnknownType = 'unknown-type';
    /** A raw object without a type, from a place that holds several. */
    case AmbiguousType = 'ambiguous-type';

    /** What it means, for people: lower case, no full stop. */
    public function meaning(): string
    {
        return match ($this) {
            self::RequestTooLarge => 'a line over 65,536 bytes, or a batch over 1 MiB',
            self::InvalidUtf8 => 'not UTF-8',
            self::MalformedRequest => 'not one JSON object of the expected shape',
            self::UnknownOp => 'no such operation',
            self::UnknownField => 'a member nobody knows',
            self::InvalidClass => 'the subject class is absent or not one of the eight',
            self::EmptyField => 'required or given, and empty',
            self::SurroundingWhitespace => 'starts or ends with Unicode White_Space',
            self::ControlCharacter => 'contains a control character',
            self::Noncharacter => 'contains a Unicode noncharacter',
            self::FieldTooLong => 'over the limit of its field, in bytes',
            self::BadProviderKey => 'outside `[a-z0-9][a-z0-9_-]{0,63}`',
            self::BadDiscriminator => 'outside `[a-z0-9][a-z0-9._-]*`',
            self::ConflictingFlags => 'tenant-owned together with built-in, default or virtual',
            self::ClassIdentityMismatch => 'the class says one thing, the flags another',
            self::MissingDiscriminator => 'the form is `disc` and there is no discriminator',
            self::MissingIdentity => 'there is nothing that identifies the resource',
            self::KeyTooLong => 'the key exceeds 1,024 bytes',
            self::UnknownScheme => 'the key does not start with `provider:`',
            self::WrongArity => 'the key does not have seven segments',
            self::UnknownForm => 'the form is none of `id`, `ext`, `disc`',
            self::BadEscape => 'a byte that must be escaped, or a broken escape',
            self::NonCanonicalEscape => 'an escape in lower case, or of a byte that needs none',
            self::ClassFormMismatch => 'the class does not take this form',
            self::BadSubjectDomain => 'outside `[a-z0-9][a-z0-9_-]{0,63}`',
            self::BadSupportLevel => 'the support level is absent or not one of the three',
            self::ModeNotAllowed => 'actor, action and mode do not go together',
            self::ModeSubjectMismatch => 'the mode does not allow the subject\'s class or form',
            self::ResourceRequired => 'the mode needs a resource',
            self::ResourceNotAllowed => 'the mode or action takes no resource',
            self::ResourceProviderMismatch => 'the resource is another provider\'s',
            self::ResourceKeyMismatch => 'an automatic mode, and the resource is not the subject itself',
            self::NoteRequired => 'the decision needs a note',
            self::NoteNotAllowed => 'the decision takes no note',
            self::NoteTooLong => 'the note is over 2,000 Unicode scalar values',
            self::ReasonRequired => 'the decision needs a reason code',
            self::ReasonNotAllowed => 'the decision takes no reason code',
            self::BadReason => 'outside `[a-z0-9]+(-[a-z0-9]+)*`, or over 64 bytes',
            self::MalformedDocument => 'a raw document that is not JSON, or not of a shape the adapter knows',
            self::DocumentTooLarge => 'a raw document over 8 MiB',
            self::UnknownType => 'a raw object without a type, from a place that holds none or nobody knows',
            self::AmbiguousType => 'a raw object without a type, from a place that holds several',
        };
    }
}
