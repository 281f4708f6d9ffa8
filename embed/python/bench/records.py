"""1,000 subjects like those of a real tenant, about one in a hundred of them refused. The same every time."""

from __future__ import annotations

import hashlib
import random
import uuid

from provident_identity import GovernedSubject, ResourceIdentity, SubjectClass

POLICIES = (
    ("widgetCompliancePolicies", "northwind.gates.shutter10CompliancePolicy"),
    ("widgetConfigurations", "northwind.gates.shutter10GeneralConfiguration"),
    ("configurationPolicies", "northwind.gates.widgetManagementConfigurationPolicy"),
    ("provisionalAccessPolicies", "northwind.gates.provisionalAccessPolicy"),
    ("panelPolicyConfigurations", "northwind.gates.panelPolicyConfiguration"),
)
NAMES = ("Köln/7", "All users (EU)", "site:north/gate 4", "日本 支社", "zone~1")
DEFAULTS = ("default-limit", "default-platform-restrictions", "default-shutter-greet-for-workshop", "shutter-restore")
BROKEN = (
    ResourceIdentity("northwind", "northwind.gates.panel"),
    ResourceIdentity("Northwind", "northwind.gates.panel", "x"),
    ResourceIdentity("northwind", "", "x"),
    ResourceIdentity("northwind", "northwind.gates.panel", " x"),
    ResourceIdentity("northwind", "northwind.gates.panel", "x", default=True, tenant_owned=True),
)


def subjects(count: int = 1_000) -> list[GovernedSubject]:
    """Mostly policies under a GUID, half of them with a fingerprint; some ids to be escaped, defaults, targets, panels."""
    chance = random.Random(7)
    return [subject(chance, place) for place in range(count)]


def subject(chance: random.Random, place: int) -> GovernedSubject:
    guid = str(uuid.UUID(int=chance.getrandbits(128)))
    if place % 100 == 99:
        return GovernedSubject(BROKEN[place // 100 % len(BROKEN)], SubjectClass.POLICY, "panels")
    kind = chance.random()
    if kind < 0.10:
        identity = ResourceIdentity("northwind", "northwind.gates.panelAssignmentTarget", guid)
        return GovernedSubject(identity, SubjectClass.ASSIGNMENT_TARGET, "assignmentTargets")
    if kind < 0.15:
        identity = ResourceIdentity(
            "northwind", "northwind.gates.allWidgetsAssignmentTarget", discriminator="all-widgets", virtual=True
        )
        return GovernedSubject(identity, SubjectClass.VIRTUAL_ASSIGNMENT_TARGET, "assignmentTargets")
    if kind < 0.20:
        identity = ResourceIdentity(
            "northwind",
            "northwind.gates.widgetEnrollmentLimitConfiguration",
            f"{guid}_DefaultLimit",
            discriminator=chance.choice(DEFAULTS),
            default=True,
        )
        return GovernedSubject(identity, SubjectClass.PROVIDER_DEFAULT, "widgetEnrollmentConfigurations")
    if kind < 0.25:
        identity = ResourceIdentity("fake", "zone", external_id=f"{chance.choice(NAMES)} {place}")
        return GovernedSubject(identity, SubjectClass.FOUNDATION, "zone:eu")
    type_key, resource_type = chance.choice(POLICIES)
    fingerprint = hashlib.sha256(guid.encode()).hexdigest() if kind < 0.625 else None
    identity = ResourceIdentity("northwind", resource_type, guid, fingerprint=fingerprint, tenant_owned=True)
    return GovernedSubject(identity, SubjectClass.POLICY, type_key)
