"""The flat form of deriving: many subjects in one piece of bytes, many answers in another.

The layout stands at `keys.derive-flat` in `wit/`. This is where the time of deriving many keys goes, hence its shape: one
pass, no call per text. The texts of a subject are joined first; if they are ASCII, as nearly all are, their lengths in
characters are their lengths in bytes, and they are encoded as one. What is wrong with a subject is only looked for once
packing has failed.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import product

from .model import ErrorCode, GovernedSubject, SubjectClass

ABSENT = 0xFFFF_FFFF
HEAD = struct.Struct("<8I")
CODES = [code.value for code in ErrorCode]
FIELDS = (
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
)
HEADS = {
    (str(subject_class), built_in, default, virtual, tenant_owned): (
        place | built_in << 8 | default << 9 | virtual << 10 | tenant_owned << 11
    )
    for place, subject_class in enumerate(SubjectClass)
    for built_in, default, virtual, tenant_owned in product((False, True), repeat=4)
}
"""The first four bytes of a record, by class and flags."""


def pack(subjects: Sequence[GovernedSubject]) -> bytes:
    """The records of these subjects. Raises something or other if one of them is not what its type says."""
    pieces: list[bytes] = []
    add, head, heads, join, absent = pieces.append, HEAD.pack, HEADS, "".join, ABSENT
    for subject in subjects:
        identity = subject.identity
        provider_key = identity.provider_key
        resource_type = identity.resource_type
        resource_id = identity.provider_resource_id
        external_id = identity.external_id
        discriminator = identity.discriminator
        fingerprint = identity.fingerprint
        type_key = subject.subject_type_key
        texts = join(
            (
                provider_key,
                resource_type,
                "" if resource_id is None else resource_id,
                "" if external_id is None else external_id,
                "" if discriminator is None else discriminator,
                "" if fingerprint is None else fingerprint,
                type_key,
            )
        )
        first = heads[
            subject.subject_class, identity.built_in, identity.default, identity.virtual, identity.tenant_owned
        ]
        if texts.isascii():
            add(
                head(
                    first,
                    len(provider_key),
                    len(resource_type),
                    absent if resource_id is None else len(resource_id),
                    absent if external_id is None else len(external_id),
                    absent if discriminator is None else len(discriminator),
                    absent if fingerprint is None else len(fingerprint),
                    len(type_key),
                )
            )
        else:
            given = (provider_key, resource_type, resource_id, external_id, discriminator, fingerprint, type_key)
            add(head(first, *[absent if text is None else len(text.encode()) for text in given]))
        add(texts.encode())
    return b"".join(pieces)


PACKING_FAILED = (TypeError, AttributeError, KeyError, UnicodeEncodeError, struct.error)

Refusal = tuple[str, str]
"""The code and the field of a refusal."""


def unpack(answers: bytes, count: int) -> list[str | Refusal]:
    """The answers to `count` records; fewer, more or other bytes are an `IndexError`."""
    text = answers.decode("latin-1")
    found: list[str | Refusal] = []
    add = found.append
    at = 0
    for _ in range(count):
        start = at + 4
        if answers[at]:
            add((CODES[answers[at] - 1], FIELDS[answers[at + 1]]))
            at = start
        else:
            at = start + (answers[at + 2] | answers[at + 3] << 8)
            add(text[start:at])
    if at != len(answers):
        raise IndexError("the answers end elsewhere")
    return found
