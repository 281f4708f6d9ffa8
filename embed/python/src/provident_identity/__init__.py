"""Canonical subject keys, resource descriptors and decisions: the same component, and the same bytes, as everywhere.

`Identity` asks the identity component, `Adapter` a provider's, `Lines` answers streams of request lines. What they take
and give is in `model`, what they raise in `errors`.
"""

from .adapter import Adapter
from .engine import engine_version
from .errors import ComponentError, DecisionRefused, IdentityError, ProvidentError
from .identity import Identity
from .lines import Lines
from .model import (
    About,
    ActorKind,
    Adapted,
    AdapterDescription,
    BindingStatus,
    Decision,
    DecisionAction,
    DerivedKey,
    Described,
    ErrorCode,
    GovernedSubject,
    KeyForm,
    Limits,
    ParsedKey,
    ProviderResourceDescriptor,
    Refusal,
    ResolutionMode,
    ResourceIdentity,
    SubjectClass,
    SupportLevel,
)

__version__ = "0.1.0"

__all__ = [
    "About",
    "ActorKind",
    "Adapted",
    "Adapter",
    "AdapterDescription",
    "BindingStatus",
    "ComponentError",
    "Decision",
    "DecisionAction",
    "DecisionRefused",
    "DerivedKey",
    "Described",
    "ErrorCode",
    "GovernedSubject",
    "Identity",
    "IdentityError",
    "KeyForm",
    "Limits",
    "Lines",
    "ParsedKey",
    "ProvidentError",
    "ProviderResourceDescriptor",
    "Refusal",
    "ResolutionMode",
    "ResourceIdentity",
    "SubjectClass",
    "SupportLevel",
    "engine_version",
]
