// What a strict compiler makes of the package: what has to compile, and what must not.

import { pipeline } from 'node:stream/promises';
import {
  Adapter, ComponentError, ComponentErrorCode, ErrorCode, Identity, IdentityError, SubjectClass, components, fromJson, toJson,
} from '@provident/identity';
import type {
  Adapted, Decision, Derived, GovernedSubject, ProviderResourceDescriptor, Refusal, ResolutionMode,
} from '@provident/identity';

const subject: GovernedSubject = {
  identity: { providerKey: 'fake', resourceType: 'widget', providerResourceId: 'A:1', externalId: undefined, tenantOwned: true },
  subjectClass: SubjectClass.Policy,
  subjectTypeKey: 'widgetPolicy',
};

function keys(identity: Identity, subjects: readonly GovernedSubject[]): string[] {
  return identity.deriveMany(subjects).flatMap((derived: Derived) => {
    if (derived.ok) return [derived.key];
    const code: ErrorCode = derived.error.code;
    // @ts-expect-error a refused one has no key
    derived.key;
    return code === ErrorCode.EmptyField ? [] : [`${code} ${derived.error.field}`];
  });
}

function refusals(identity: Identity, decision: Decision): readonly Refusal[] {
  try {
    identity.decide(decision);
    return [];
  } catch (error) {
    if (error instanceof IdentityError) return error.errors;
    if (error instanceof ComponentError && error.code === ComponentErrorCode.Trapped) return [];
    throw error;
  }
}

function descriptors(adapter: Adapter, document: Uint8Array): ProviderResourceDescriptor[] {
  return adapter.describe(document).flatMap((adapted: Adapted) => (adapted.ok ? [adapted.descriptor] : []));
}

/** Every class has to be told apart, or this does not compile. */
function told(subjectClass: SubjectClass): string {
  switch (subjectClass) {
    case 'policy': case 'foundation': case 'assignment_target': return 'own';
    case 'virtual_assignment_target': case 'provider_builtin': case 'provider_default': return 'disc';
    case SubjectClass.Unsupported: case SubjectClass.Unknown: return 'any';
  }
}

using identity = Identity.open();
const digest: string = identity.derive(subject).digest;
const mode: ResolutionMode = 'manual_binding';
const json: Record<string, unknown> = toJson(subject);
const read: GovernedSubject = fromJson<GovernedSubject>(json);
const known: Readonly<Record<string, string>> = components();
await pipeline(process.stdin, (input) => identity.lines(input, { adapter: Adapter.open('fake') }), process.stdout);
console.log(keys(identity, [subject, read]), digest, mode, known, told('policy'), refusals, descriptors);

// @ts-expect-error a class in the spelling of the contract, not of the package
identity.derive({ ...subject, subjectClass: 'assignment-target' });
// @ts-expect-error an identity without its type
identity.derive({ ...subject, identity: { providerKey: 'fake' } });
// @ts-expect-error a member nobody knows
identity.derive({ ...subject, identity: { providerKey: 'fake', resourceType: 'widget', displayName: 'x' } });
// @ts-expect-error a number is no text
identity.parse(7);
// @ts-expect-error a subject is no descriptor
identity.describe(subject);
// @ts-expect-error components are opened
new Identity();
// @ts-expect-error a refusal is not changed
refusals(identity, { action: 'create', actor: 'operator', subject: 'x' })[0]!.code = 'empty-field';
// @ts-expect-error an enum is frozen
SubjectClass.Policy = 'policy';
