"""Deriving keys, written by hand, as fast as Python lets them be: the rules of `hand`, told by the same tests.

A text that needs no escaping, as nearly all do, is judged by one regular expression, and only others are looked at
closely; types and provider keys, which come again and again, are remembered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import quote

from hand import BY_DISCRIMINATOR, BY_ID, KEY_BYTES, PROVIDER_KEY, TOKENS, judge, refusal

from provident_identity import GovernedSubject, IdentityError

plain_type = re.compile(r"[A-Za-z0-9._~-]{1,128}", re.ASCII).fullmatch
plain_value = re.compile(r"[A-Za-z0-9._~-]{1,512}", re.ASCII).fullmatch
plain_discriminator = re.compile(r"[a-z0-9][a-z0-9._-]{0,511}", re.ASCII).fullmatch
provider_grammar = PROVIDER_KEY.fullmatch


def escape(text: str, field: str, limit_bytes: int) -> str:
    judge(text, field, limit_bytes)
    return quote(text, safe="")


@lru_cache(maxsize=1_024)
def escaped_type(text: str, field: str) -> str:
    """Types come again and again."""
    return text if plain_type(text) else escape(text, field, 128)


@lru_cache(maxsize=256)
def checked_provider(text: str) -> str:
    if not provider_grammar(text):
        judge(text, "provider_key", None)
        raise refusal("bad-provider-key", "provider_key")
    return text


def derive(subject: GovernedSubject) -> str:
    """The key of a subject. Raises the first rule it breaks."""
    identity = subject.identity
    subject_class = subject.subject_class
    try:
        token = TOKENS[subject_class]
    except KeyError:
        raise refusal("invalid-class", "subject_class") from None

    provider_key = checked_provider(identity.provider_key)
    resource_type = escaped_type(identity.resource_type, "resource_type")
    resource_id = identity.provider_resource_id
    if resource_id is not None and not plain_value(resource_id):
        resource_id = escape(resource_id, "provider_resource_id", 512)
    external_id = identity.external_id
    if external_id is not None and not plain_value(external_id):
        external_id = escape(external_id, "external_id", 512)
    discriminator = identity.discriminator
    if discriminator is not None and not plain_discriminator(discriminator):
        judge(discriminator, "discriminator", 512)
        raise refusal("bad-discriminator", "discriminator")
    fingerprint = identity.fingerprint
    if fingerprint is not None and not plain_value(fingerprint):
        judge(fingerprint, "fingerprint", 512)
    type_key = escaped_type(subject.subject_type_key, "subject_type_key")

    shipped = identity.built_in or identity.default or identity.virtual
    tenant_owned = identity.tenant_owned
    if shipped and tenant_owned:
        raise refusal("conflicting-flags", "tenant_owned")
    if subject_class in BY_ID:
        if shipped:
            raise refusal("class-identity-mismatch", "subject_class")
        discriminator = None
    elif subject_class in BY_DISCRIMINATOR:
        if tenant_owned:
            raise refusal("class-identity-mismatch", "subject_class")
        shipped = True
    elif tenant_owned:
        discriminator = None

    if shipped:
        if discriminator is None:
            raise refusal("missing-discriminator", "discriminator")
        key = f"provider:{provider_key}:{token}:{type_key}:{resource_type}:disc:{discriminator}"
    elif resource_id is not None:
        key = f"provider:{provider_key}:{token}:{type_key}:{resource_type}:id:{resource_id}"
    elif external_id is not None:
        key = f"provider:{provider_key}:{token}:{type_key}:{resource_type}:ext:{external_id}"
    elif discriminator is not None:
        key = f"provider:{provider_key}:{token}:{type_key}:{resource_type}:disc:{discriminator}"
    else:
        raise refusal("missing-identity", "provider_resource_id")
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
