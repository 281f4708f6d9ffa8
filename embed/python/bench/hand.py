"""Deriving keys, written by hand: the rules of the key grammar in Python, in its order, with every refusal.

What the package is measured against: ordinary code, as it is written for production the first time. Every text is held
to every rule, and nothing is remembered from one subject to the next. `tuned` is the same with all that makes it fast.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

from provident_identity import GovernedSubject, IdentityError, ResourceIdentity, SubjectClass

TYPE_BYTES = 128
VALUE_BYTES = 512
KEY_BYTES = 1_024

PROVIDER_KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
DISCRIMINATOR = re.compile(r"[a-z0-9][a-z0-9._-]*")
WHITE_SPACE = frozenset(
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
NONCHARACTER = re.compile(
    "[\ufdd0-\ufdef" + "".join(chr(plane << 16 | end) for plane in range(17) for end in (0xFFFE, 0xFFFF)) + "]"
)

TOKENS = {
    SubjectClass.POLICY: "policy",
    SubjectClass.FOUNDATION: "foundation",
    SubjectClass.ASSIGNMENT_TARGET: "assignment-target",
    SubjectClass.VIRTUAL_ASSIGNMENT_TARGET: "virtual-target",
    SubjectClass.PROVIDER_BUILTIN: "builtin",
    SubjectClass.PROVIDER_DEFAULT: "default",
    SubjectClass.UNSUPPORTED: "unsupported",
    SubjectClass.UNKNOWN: "unknown",
}
BY_ID = frozenset((SubjectClass.POLICY, SubjectClass.FOUNDATION, SubjectClass.ASSIGNMENT_TARGET))
BY_DISCRIMINATOR = frozenset(
    (SubjectClass.VIRTUAL_ASSIGNMENT_TARGET, SubjectClass.PROVIDER_BUILTIN, SubjectClass.PROVIDER_DEFAULT)
)


def refusal(code: str, field: str) -> IdentityError:
    return IdentityError(code, field, f"`{field}` is refused as {code}")


def judge(text: str, field: str, limit_bytes: int | None) -> None:
    """The rules every text is held to. Raises the first it breaks."""
    if not text:
        raise refusal("empty-field", field)
    try:
        length_bytes = len(text.encode())
    except UnicodeEncodeError:
        raise refusal("invalid-utf8", field) from None
    if text[0] in WHITE_SPACE or text[-1] in WHITE_SPACE:
        raise refusal("surrounding-whitespace", field)
    if CONTROL.search(text):
        raise refusal("control-character", field)
    if NONCHARACTER.search(text):
        raise refusal("noncharacter", field)
    if limit_bytes is not None and length_bytes > limit_bytes:
        raise refusal("field-too-long", field)


def judge_texts(subject: GovernedSubject) -> None:
    identity = subject.identity
    judge(identity.provider_key, "provider_key", None)
    if not PROVIDER_KEY.fullmatch(identity.provider_key):
        raise refusal("bad-provider-key", "provider_key")
    judge(identity.resource_type, "resource_type", TYPE_BYTES)
    if identity.provider_resource_id is not None:
        judge(identity.provider_resource_id, "provider_resource_id", VALUE_BYTES)
    if identity.external_id is not None:
        judge(identity.external_id, "external_id", VALUE_BYTES)
    if identity.discriminator is not None:
        judge(identity.discriminator, "discriminator", VALUE_BYTES)
        if not DISCRIMINATOR.fullmatch(identity.discriminator):
            raise refusal("bad-discriminator", "discriminator")
    if identity.fingerprint is not None:
        judge(identity.fingerprint, "fingerprint", VALUE_BYTES)
    judge(subject.subject_type_key, "subject_type_key", TYPE_BYTES)


def judge_flags(identity: ResourceIdentity, subject_class: SubjectClass) -> None:
    shipped = identity.built_in or identity.default or identity.virtual
    if shipped and identity.tenant_owned:
        raise refusal("conflicting-flags", "tenant_owned")
    if subject_class in BY_DISCRIMINATOR and identity.tenant_owned:
        raise refusal("class-identity-mismatch", "subject_class")
    if subject_class in BY_ID and shipped:
        raise refusal("class-identity-mismatch", "subject_class")


def form_and_value(identity: ResourceIdentity, subject_class: SubjectClass) -> tuple[str, str]:
    """By what the subject is known; the value is not escaped yet."""
    shipped = identity.built_in or identity.default or identity.virtual
    if shipped or subject_class in BY_DISCRIMINATOR:
        if identity.discriminator is None:
            raise refusal("missing-discriminator", "discriminator")
        return "disc", identity.discriminator
    if identity.provider_resource_id is not None:
        return "id", identity.provider_resource_id
    if identity.external_id is not None:
        return "ext", identity.external_id
    if identity.discriminator is not None and subject_class not in BY_ID and not identity.tenant_owned:
        return "disc", identity.discriminator
    raise refusal("missing-identity", "provider_resource_id")


def escape(text: str) -> str:
    return quote(text, safe="")


def derive(subject: GovernedSubject) -> str:
    """The key of a subject. Raises the first rule it breaks."""
    identity, subject_class = subject.identity, subject.subject_class
    if subject_class not in TOKENS:
        raise refusal("invalid-class", "subject_class")
    judge_texts(subject)
    judge_flags(identity, subject_class)
    form, value = form_and_value(identity, subject_class)
    type_key, resource_type = escape(subject.subject_type_key), escape(identity.resource_type)
    key = f"provider:{identity.provider_key}:{TOKENS[subject_class]}:{type_key}:{resource_type}:{form}:{escape(value)}"
    if len(key) > KEY_BYTES:
        raise refusal("key-too-long", "key")
    return key


def derive_many(subjects: Iterable[GovernedSubject]) -> list[str | IdentityError]:
    """The keys of many subjects, each answered for itself."""
    found: list[str | IdentityError] = []
    for subject in subjects:
        try:
            found.append(derive(subject))
        except IdentityError as error:
            found.append(error)
    return found
