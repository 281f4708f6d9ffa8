"""The flat form of deriving: many subjects in one piece of bytes, many answers in another.

The layout stands at `keys.derive-flat` in `wit/`. This is where the time of deriving many keys goes, hence its shape: one
pass, and no call per text but that for its length. A record is put together as text of one character a byte: its numbers
are looked up as such text, and its texts, if they are ASCII, as nearly all are, are such text already. What is wrong with
a subject that cannot be packed is for a typed call to say.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from .model import ErrorCode, GovernedSubject, SubjectClass

LONGEST_BYTES = 4_096
"""A text over this is not packed, but asked for alone: it is over every limit there is."""
ABSENT = "\xff" * 4
LENGTHS = [struct.pack("<I", length).decode("latin-1") for length in range(LONGEST_BYTES + 1)]
"""Lengths, as text of one character a byte."""
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
BOTH = (False, True)
HEADS = {
    subject_class: {
        built_in: {
            default: {
                virtual: {
                    tenant_owned: struct.pack(
                        "<BBxx", place, built_in | default << 1 | virtual << 2 | tenant_owned << 3
                    ).decode("latin-1")
                    for tenant_owned in BOTH
                }
                for virtual in BOTH
            }
            for default in BOTH
        }
        for built_in in BOTH
    }
    for place, subject_class in enumerate(SubjectClass)
}
"""The first four bytes of a record, by class and flags."""

PACKING_FAILED = (TypeError, AttributeError, LookupError, UnicodeEncodeError)
Refusal = tuple[str, str]
"""The code and the field of a refusal."""


def pack(subjects: Sequence[GovernedSubject]) -> bytes:
    """The records of these subjects. Raises one of `PACKING_FAILED` if one of them is not what its type says, or long."""
    records: list[str] = []
    add, heads, lengths, absent, join = records.append, HEADS, LENGTHS, ABSENT, "".join
    for subject in subjects:
        identity = subject.identity
        provider_key = identity.provider_key
        resource_type = identity.resource_type
        resource_id = identity.provider_resource_id
        external_id = identity.external_id
        discriminator = identity.discriminator
        fingerprint = identity.fingerprint
        type_key = subject.subject_type_key
        head = heads[subject.subject_class][identity.built_in][identity.default][identity.virtual][
            identity.tenant_owned
        ]
        # Joining refuses whatever is not text; formatting would not.
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
        if texts.isascii():
            add(
                f"{head}{lengths[len(provider_key)]}{lengths[len(resource_type)]}"
                f"{absent if resource_id is None else lengths[len(resource_id)]}"
                f"{absent if external_id is None else lengths[len(external_id)]}"
                f"{absent if discriminator is None else lengths[len(discriminator)]}"
                f"{absent if fingerprint is None else lengths[len(fingerprint)]}"
                f"{lengths[len(type_key)]}{texts}"
            )
        else:
            given = (provider_key, resource_type, resource_id, external_id, discriminator, fingerprint, type_key)
            add(head)
            records += [absent if text is None else lengths[len(text.encode())] for text in given]
            add(texts.encode().decode("latin-1"))
    return join(records).encode("latin-1")


def unpack(answers: bytes, count: int) -> tuple[list[str], dict[int, Refusal]]:
    """The answers to `count` records: the keys, with refusals by their place. Other bytes than that are an `IndexError`."""
    text = answers.decode("latin-1")
    keys: list[str] = []
    refusals: dict[int, Refusal] = {}
    add = keys.append
    end = 0
    for place in range(count):
        start = end + 4
        status = answers[end]
        end = start + (answers[end + 2] | answers[end + 3] << 8)
        if status:
            refusals[place] = CODES[status - 1], FIELDS[answers[start - 3]]
        add(text[start:end])
    if end != len(answers):
        raise IndexError("the answers end elsewhere")
    return keys, refusals
