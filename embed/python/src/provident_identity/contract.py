"""The functions of the contract in `wit/`, in terms of the ABI. A test holds them to it, name by name."""

from __future__ import annotations

from . import model
from .abi import Bytes, Case, Flag, Function, Integer, List, Option, Record, Result, String
from .errors import IdentityError

VERSION = "1.0.0"
"""The version of the contract."""

STRING, FLAG, INTEGER = String(), Flag(), Integer()
TEXT = Option(STRING)

SUBJECT_CLASS = Case(model.SubjectClass, "invalid-class")
SUPPORT_LEVEL = Case(model.SupportLevel, "bad-support-level")
ERROR_CODE = Case(model.ErrorCode)


def refusal(code: model.ErrorCode, field: str, message: str) -> IdentityError:
    return IdentityError(code.value, field, message)


IDENTITY_ERROR = Record(refusal, code=ERROR_CODE, field=STRING, message=STRING)
RESOURCE_IDENTITY = Record(
    model.ResourceIdentity,
    provider_key=STRING,
    resource_type=STRING,
    provider_resource_id=TEXT,
    external_id=TEXT,
    discriminator=TEXT,
    fingerprint=TEXT,
    built_in=FLAG,
    default=FLAG,
    virtual=FLAG,
    tenant_owned=FLAG,
)
GOVERNED_SUBJECT = Record(
    model.GovernedSubject, identity=RESOURCE_IDENTITY, subject_class=SUBJECT_CLASS, subject_type_key=STRING
)
DESCRIPTOR = Record(
    model.ProviderResourceDescriptor,
    identity=RESOURCE_IDENTITY,
    subject_domain=STRING,
    subject_class=SUBJECT_CLASS,
    subject_type_key=STRING,
    support_level=SUPPORT_LEVEL,
    display_label=TEXT,
    source_inventory_item_id=TEXT,
    source_policy_version_id=TEXT,
    source_operation_run_id=TEXT,
)
DERIVED_KEY = Record(model.DerivedKey, key=STRING, digest=STRING)
PARSED_KEY = Record(
    model.ParsedKey,
    provider_key=STRING,
    subject_class=SUBJECT_CLASS,
    subject_type_key=STRING,
    resource_type=STRING,
    form=Case(model.KeyForm),
    value=STRING,
)
DESCRIBED = Record(model.Described, key=STRING, canonical=STRING, digest=STRING)
DECISION = Record(
    model.Decision,
    action=Case(model.DecisionAction),
    actor=Case(model.ActorKind),
    mode=Option(Case(model.ResolutionMode)),
    subject=STRING,
    resource=TEXT,
    note=TEXT,
    reason=TEXT,
)
LIMITS = Record(
    model.Limits,
    line_bytes=INTEGER,
    batch_bytes=INTEGER,
    key_bytes=INTEGER,
    type_bytes=INTEGER,
    value_bytes=INTEGER,
    label_bytes=INTEGER,
    note_chars=INTEGER,
)
ABOUT = Record(model.About, grammar_version=INTEGER, contract_version=STRING, limits=LIMITS)
ADAPTED = Record(model.Adapted, position=INTEGER, descriptor=DESCRIPTOR)
REFUSAL = Record(model.Refusal, position=INTEGER, code=ERROR_CODE, field=STRING, message=STRING)
ADAPTER_DESCRIPTION = Record(
    model.AdapterDescription, provider_key=STRING, version=STRING, entity_types=List(STRING)
)

DERIVE = Function("keys", "derive", Result(DERIVED_KEY, IDENTITY_ERROR), subject=GOVERNED_SUBJECT)
DERIVE_FLAT = Function("keys", "derive-flat", Bytes(), records=Bytes())
PARSE = Function("keys", "parse", Result(PARSED_KEY, IDENTITY_ERROR), key=STRING)
DIGEST = Function("keys", "digest", Result(STRING, IDENTITY_ERROR), key=STRING)
DESCRIBE = Function("descriptors", "describe", Result(DESCRIBED, IDENTITY_ERROR), descriptor=DESCRIPTOR)
CHECK = Function("decisions", "check", Result(None, List(IDENTITY_ERROR)), decision=DECISION)
REWRITE_NOTE = Function("decisions", "rewrite-note", TEXT, note=STRING)
RUN = Function("batch", "run", STRING, ndjson=STRING)
ABOUT_IDENTITY = Function("about", "describe", ABOUT)

ADAPT = Function("adapter", "describe", List(Result(ADAPTED, REFUSAL)), document=STRING)
ABOUT_ADAPTER = Function("adapter", "about", ADAPTER_DESCRIPTION)

IDENTITY = (DERIVE, DERIVE_FLAT, PARSE, DIGEST, DESCRIBE, CHECK, REWRITE_NOTE, RUN, ABOUT_IDENTITY)
"""What is called of a component of the world `identity`."""
ADAPTER = (ADAPT, ABOUT_ADAPTER)
"""What is called of a component of the world `provider-adapter`."""
