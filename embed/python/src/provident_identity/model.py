"""The shapes the components speak in, as the contract in `wit/` has them.

Enums are text: their values are what the line protocol writes, and plain text of the same value is taken wherever one is
asked for. Objects are frozen; nothing is judged when one is made, only when a component is asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Text(str, Enum):
    """An enum whose members are their own text."""

    def __str__(self) -> str:
        return str.__str__(self)


class SubjectClass(Text):
    """What kind of thing a governed subject is. Decides the form its key may take."""

    POLICY = "policy"
    """A tenant-owned policy."""
    FOUNDATION = "foundation"
    """A tenant-owned object that policies build on."""
    ASSIGNMENT_TARGET = "assignment_target"
    """What a policy is assigned to, with an identity of its own, such as a group."""
    VIRTUAL_ASSIGNMENT_TARGET = "virtual_assignment_target"
    """What a policy is assigned to, without an identity of its own, such as all devices."""
    PROVIDER_BUILTIN = "provider_builtin"
    """Shipped by the provider, the same in every tenant."""
    PROVIDER_DEFAULT = "provider_default"
    """The configuration that applies where nothing else does."""
    UNSUPPORTED = "unsupported"
    """Known, and known not to be governable."""
    UNKNOWN = "unknown"
    """Not known."""


class ResolutionMode(Text):
    """How a subject came to be bound. The first three are written by the system, the others by operators."""

    EXACT_PROVIDER_IDENTITY = "exact_provider_identity"
    """The resource carries the subject's own provider identity."""
    CANONICAL_BUILTIN = "canonical_builtin"
    """A built-in or default, recognised by its discriminator."""
    CANONICAL_VIRTUAL_TARGET = "canonical_virtual_target"
    """A virtual assignment target, recognised by its discriminator."""
    MANUAL_BINDING = "manual_binding"
    """An operator says: this one is that one."""
    EXCLUDED_NON_GOVERNED = "excluded_non_governed"
    """An operator says: this is not governed."""
    ACCEPTED_LIMITATION = "accepted_limitation"
    """An operator says: we accept this."""
    UNSUPPORTED_COVERAGE = "unsupported_coverage"
    """An operator says: this cannot be covered."""
    MISSING_EXPECTED = "missing_expected"
    """An operator says: this ought to be here and is not."""


class BindingStatus(Text):
    """The life of a binding. Only `active` ever changes, once."""

    ACTIVE = "active"
    """In force. At most one per subject and environment."""
    SUPERSEDED = "superseded"
    """Replaced by a later binding of the same subject."""
    REVOKED = "revoked"
    """Withdrawn, with a note."""


class SupportLevel(Text):
    """How far the platform can go with a resource."""

    SUPPORTED = "supported"
    """Fully governed."""
    INVENTORY_ONLY = "inventory_only"
    """Seen and listed, not governed."""
    UNSUPPORTED = "unsupported"
    """Not handled."""


class KeyForm(Text):
    """Which of its identities a key carries."""

    ID = "id"
    """The provider's own resource id."""
    EXT = "ext"
    """An external id."""
    DISC = "disc"
    """A canonical discriminator: the resource has no id of its own that means anything elsewhere."""


class DecisionAction(Text):
    """What a decision does."""

    CREATE = "create"
    """A first binding for a subject."""
    SUPERSEDE = "supersede"
    """A binding in place of the active one."""
    REVOKE = "revoke"
    """The end of the active one."""


class ActorKind(Text):
    """Who decides."""

    OPERATOR = "operator"
    """A person, who answers for it with a note."""
    SYSTEM = "system"
    """The platform itself, which gives a reason code."""


class ErrorCode(Text):
    """Every reason to refuse an input, in the order of the contract."""

    REQUEST_TOO_LARGE = "request-too-large"
    """A line over 65,536 bytes, or a batch over 1 MiB."""
    INVALID_UTF8 = "invalid-utf8"
    """Not UTF-8."""
    MALFORMED_REQUEST = "malformed-request"
    """Not one JSON object of the expected shape."""
    UNKNOWN_OP = "unknown-op"
    """No such operation."""
    UNKNOWN_FIELD = "unknown-field"
    """A member nobody knows."""
    INVALID_CLASS = "invalid-class"
    """The subject class is absent or not one of the eight."""
    EMPTY_FIELD = "empty-field"
    """Required or given, and empty."""
    SURROUNDING_WHITESPACE = "surrounding-whitespace"
    """Starts or ends with Unicode White_Space."""
    CONTROL_CHARACTER = "control-character"
    """Contains a control character."""
    NONCHARACTER = "noncharacter"
    """Contains a Unicode noncharacter."""
    FIELD_TOO_LONG = "field-too-long"
    """Over the limit of its field, in bytes."""
    BAD_PROVIDER_KEY = "bad-provider-key"
    """Outside `[a-z0-9][a-z0-9_-]{0,63}`."""
    BAD_DISCRIMINATOR = "bad-discriminator"
    """Outside `[a-z0-9][a-z0-9._-]*`."""
    CONFLICTING_FLAGS = "conflicting-flags"
    """Tenant-owned together with built-in, default or virtual."""
    CLASS_IDENTITY_MISMATCH = "class-identity-mismatch"
    """The class says one thing, the flags another."""
    MISSING_DISCRIMINATOR = "missing-discriminator"
    """The form is `disc` and there is no discriminator."""
    MISSING_IDENTITY = "missing-identity"
    """There is nothing that identifies the resource."""
    KEY_TOO_LONG = "key-too-long"
    """The key exceeds 1,024 bytes."""
    UNKNOWN_SCHEME = "unknown-scheme"
    """The key does not start with `provider:`."""
    WRONG_ARITY = "wrong-arity"
    """The key does not have seven segments."""
    UNKNOWN_FORM = "unknown-form"
    """The form is none of `id`, `ext`, `disc`."""
    BAD_ESCAPE = "bad-escape"
    """A byte that must be escaped, or a broken escape."""
    NON_CANONICAL_ESCAPE = "non-canonical-escape"
    """An escape in lower case, or of a byte that needs none."""
    CLASS_FORM_MISMATCH = "class-form-mismatch"
    """The class does not take this form."""
    BAD_SUBJECT_DOMAIN = "bad-subject-domain"
    """Outside `[a-z0-9][a-z0-9_-]{0,63}`."""
    BAD_SUPPORT_LEVEL = "bad-support-level"
    """The support level is absent or not one of the three."""
    MODE_NOT_ALLOWED = "mode-not-allowed"
    """Actor, action and mode do not go together."""
    MODE_SUBJECT_MISMATCH = "mode-subject-mismatch"
    """The mode does not allow the subject's class or form."""
    RESOURCE_REQUIRED = "resource-required"
    """The mode needs a resource."""
    RESOURCE_NOT_ALLOWED = "resource-not-allowed"
    """The mode or action takes no resource."""
    RESOURCE_PROVIDER_MISMATCH = "resource-provider-mismatch"
    """The resource is another provider's."""
    RESOURCE_KEY_MISMATCH = "resource-key-mismatch"
    """An automatic mode, and the resource is not the subject itself."""
    NOTE_REQUIRED = "note-required"
    """The decision needs a note."""
    NOTE_NOT_ALLOWED = "note-not-allowed"
    """The decision takes no note."""
    NOTE_TOO_LONG = "note-too-long"
    """The note is over 2,000 Unicode scalar values."""
    REASON_REQUIRED = "reason-required"
    """The decision needs a reason code."""
    REASON_NOT_ALLOWED = "reason-not-allowed"
    """The decision takes no reason code."""
    BAD_REASON = "bad-reason"
    """Outside `[a-z0-9]+(-[a-z0-9]+)*`, or over 64 bytes."""
    MALFORMED_DOCUMENT = "malformed-document"
    """A raw document that is not JSON, or not of a shape the adapter knows."""
    DOCUMENT_TOO_LARGE = "document-too-large"
    """A raw document over 8 MiB."""
    UNKNOWN_TYPE = "unknown-type"
    """A raw object without a type, from a place that holds none or nobody knows."""
    AMBIGUOUS_TYPE = "ambiguous-type"
    """A raw object without a type, from a place that holds several."""


@dataclass(frozen=True, slots=True)
class ResourceIdentity:
    """What identifies a resource at its provider. No display name has a place here."""

    provider_key: str
    """The provider, `[a-z0-9][a-z0-9_-]{0,63}`."""
    resource_type: str
    """The provider's type of the resource, 1 to 128 bytes of UTF-8."""
    provider_resource_id: str | None = None
    """The provider's id, 1 to 512 bytes."""
    external_id: str | None = None
    """An id from elsewhere, 1 to 512 bytes."""
    discriminator: str | None = None
    """The canonical name of a resource without a portable id, `[a-z0-9][a-z0-9._-]*`, 1 to 512 bytes."""
    fingerprint: str | None = None
    """A digest of the content, 1 to 512 bytes. Never part of a key."""
    built_in: bool = False
    """Shipped by the provider."""
    default: bool = False
    """A provider's default configuration."""
    virtual: bool = False
    """Has no stored object behind it."""
    tenant_owned: bool = False
    """Made in and owned by the tenant."""


@dataclass(frozen=True, slots=True)
class GovernedSubject:
    """What a key is derived from."""

    identity: ResourceIdentity
    """Who it is at the provider."""
    subject_class: SubjectClass
    """What kind of thing it is."""
    subject_type_key: str
    """The platform's type of the subject, 1 to 128 bytes."""


@dataclass(frozen=True, slots=True)
class ProviderResourceDescriptor:
    """A resource as a candidate for matching or resolution."""

    identity: ResourceIdentity
    """Who it is at the provider."""
    subject_domain: str
    """The governance domain, `[a-z0-9][a-z0-9_-]{0,63}`. Not part of the key."""
    subject_class: SubjectClass
    """What kind of thing it is."""
    subject_type_key: str
    """The platform's type of the subject, 1 to 128 bytes."""
    support_level: SupportLevel
    """How far the platform can go with it."""
    display_label: str | None = None
    """What people call it. Any text; empty is absent; never part of key, canonical form or digest."""
    source_inventory_item_id: str | None = None
    """The inventory item it was made from, 1 to 128 bytes."""
    source_policy_version_id: str | None = None
    """The policy version it was made from, 1 to 128 bytes."""
    source_operation_run_id: str | None = None
    """The operation run it was seen by, 1 to 128 bytes."""

    @property
    def subject(self) -> GovernedSubject:
        """What the key of the resource is derived from."""
        return GovernedSubject(self.identity, self.subject_class, self.subject_type_key)


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision, before it is made. Its representation leaves the note out."""

    action: DecisionAction
    """What it does."""
    actor: ActorKind
    """Who makes it."""
    subject: str
    """The subject's canonical key."""
    mode: ResolutionMode | None = None
    """How the subject is resolved. Absent on revoke."""
    resource: str | None = None
    """The resource's canonical key."""
    note: str | None = field(default=None, repr=False)
    """The operator's words, as typed."""
    reason: str | None = None
    """A reason code, `[a-z0-9]+(-[a-z0-9]+)*`, at most 64 bytes."""


@dataclass(frozen=True, slots=True)
class DerivedKey:
    """A key and its digest."""

    key: str
    """The canonical subject key: ASCII, at most 1,024 bytes. Equal subjects have equal bytes."""
    digest: str
    """`sha256:` and the lower-case hex of SHA-256 over the key's bytes."""


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """A key, taken apart. Texts are decoded."""

    provider_key: str
    """The provider."""
    subject_class: SubjectClass
    """What kind of thing the subject is."""
    subject_type_key: str
    """The platform's type of the subject."""
    resource_type: str
    """The provider's type of the resource."""
    form: KeyForm
    """Which identity the key carries."""
    value: str
    """That identity."""


@dataclass(frozen=True, slots=True)
class Described:
    """A valid descriptor, rendered."""

    key: str
    """The canonical subject key of the resource."""
    canonical: str
    """RFC 8785 JSON over domain, class, type key, support level and identity without its fingerprint."""
    digest: str
    """`sha256:` and the lower-case hex of SHA-256 over `canonical`."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Every limit, in the unit its name ends with; characters are Unicode scalar values."""

    line_bytes: int
    batch_bytes: int
    key_bytes: int
    type_bytes: int
    value_bytes: int
    label_bytes: int
    note_chars: int


@dataclass(frozen=True, slots=True)
class About:
    """What the identity component says of itself."""

    grammar_version: int
    """The version of the key grammar."""
    contract_version: str
    """The version of the contract."""
    limits: Limits
    """The limits."""


@dataclass(frozen=True, slots=True)
class Adapted:
    """A raw object, understood."""

    position: int
    """Its place in the document, from 0."""
    descriptor: ProviderResourceDescriptor
    """What it is."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A raw object, refused."""

    position: int
    """Its place in the document, from 0."""
    code: ErrorCode
    """The rule that was broken."""
    field: str
    """The bare name of the member it was broken in; `document` for the whole."""
    message: str
    """For people."""


@dataclass(frozen=True, slots=True)
class AdapterDescription:
    """What an adapter says of itself."""

    provider_key: str
    """The provider it speaks for."""
    version: str
    """Its own version."""
    entity_types: list[str]
    """The provider's types it knows, sorted."""
