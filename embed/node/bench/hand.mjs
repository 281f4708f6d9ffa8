// The rules of deriving a key, written by hand in JavaScript, in the order of the key grammar: what the package is
// measured against.
//
// Ordinary code, as it is written for production the first time: every text is held to every rule. `tuned.mjs` is the
// same with all that makes it fast.

import { Buffer } from 'node:buffer';
import { IdentityError } from '../src/index.js';

export const TYPE_BYTES = 128;
export const VALUE_BYTES = 512;
export const KEY_BYTES = 1024;

export const PROVIDER_KEY = /^[a-z0-9][a-z0-9_-]{0,63}$/;
export const DISCRIMINATOR = /^[a-z0-9][a-z0-9._-]*$/;
export const SURROUNDED = /^\p{White_Space}|\p{White_Space}$/u;
export const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
export const NONCHARACTER = /\p{Noncharacter_Code_Point}/u;
export const LONE_SURROGATE = /\p{Surrogate}/u;
const LEFT_UNESCAPED = /[!'()*]/g;

/** Class token and how the class chooses its form. */
export const CLASSES = new Map([
  ['policy', ['policy', 'own']],
  ['foundation', ['foundation', 'own']],
  ['assignment_target', ['assignment-target', 'own']],
  ['virtual_assignment_target', ['virtual-target', 'disc']],
  ['provider_builtin', ['builtin', 'disc']],
  ['provider_default', ['default', 'disc']],
  ['unsupported', ['unsupported', 'any']],
  ['unknown', ['unknown', 'any']],
]);

export function refused(code, field) {
  return { ok: false, error: IdentityError.of(code, field, `\`${field}\` breaks the rule \`${code}\``) };
}

/** `encodeURIComponent` leaves five characters as they are that are no unreserved ones. */
export function escape(text) {
  return encodeURIComponent(text).replace(LEFT_UNESCAPED, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** The code of the first rule that a text breaks; undefined when it breaks none. */
function broken(text, limitBytes) {
  if (text === '') return 'empty-field';
  if (LONE_SURROGATE.test(text)) return 'invalid-utf8';
  if (SURROUNDED.test(text)) return 'surrounding-whitespace';
  if (CONTROL.test(text)) return 'control-character';
  if (NONCHARACTER.test(text)) return 'noncharacter';
  if (Buffer.byteLength(text) > limitBytes) return 'field-too-long';
  return undefined;
}

/** The refusal of a text that breaks a rule; undefined when it breaks none. */
function judge(text, field, limitBytes) {
  const code = broken(text, limitBytes);
  return code && refused(code, field);
}

/** The same for a text that need not be there. */
function judgeGiven(text, field) {
  return text == null ? undefined : judge(text, field, VALUE_BYTES);
}

function judgeProviderKey(text) {
  return PROVIDER_KEY.test(text) ? undefined : refused('bad-provider-key', 'provider_key');
}

function judgeDiscriminator(text) {
  return text == null || DISCRIMINATOR.test(text) ? undefined : refused('bad-discriminator', 'discriminator');
}

function judgeFlags(choice, providerOwned, tenantOwned) {
  if (providerOwned && tenantOwned) return refused('conflicting-flags', 'tenant_owned');
  if ((choice === 'disc' && tenantOwned) || (choice === 'own' && providerOwned)) {
    return refused('class-identity-mismatch', 'subject_class');
  }
  return undefined;
}

/** The outcome for one subject: its key, or the first rule it breaks. */
export function derive(subject) {
  const known = CLASSES.get(subject.subjectClass);
  if (known === undefined) return refused('invalid-class', 'subject_class');
  const [token, choice] = known;
  const identity = subject.identity ?? {};
  const { providerResourceId, externalId, discriminator, fingerprint } = identity;
  const providerKey = identity.providerKey ?? '';
  const resourceType = identity.resourceType ?? '';
  const subjectTypeKey = subject.subjectTypeKey ?? '';
  const providerOwned = identity.builtIn || identity.default || identity.virtual;
  const tenantOwned = identity.tenantOwned;

  const refusal =
    judge(providerKey, 'provider_key', Infinity) ??
    judgeProviderKey(providerKey) ??
    judge(resourceType, 'resource_type', TYPE_BYTES) ??
    judgeGiven(providerResourceId, 'provider_resource_id') ??
    judgeGiven(externalId, 'external_id') ??
    judgeGiven(discriminator, 'discriminator') ??
    judgeDiscriminator(discriminator) ??
    judgeGiven(fingerprint, 'fingerprint') ??
    judge(subjectTypeKey, 'subject_type_key', TYPE_BYTES) ??
    judgeFlags(choice, providerOwned, tenantOwned);
  if (refusal !== undefined) return refusal;

  let form;
  let value;
  if (choice === 'disc' || providerOwned) {
    if (discriminator == null) return refused('missing-discriminator', 'discriminator');
    form = 'disc';
    value = discriminator;
  } else if (providerResourceId != null) {
    form = 'id';
    value = providerResourceId;
  } else if (externalId != null) {
    form = 'ext';
    value = externalId;
  } else if (discriminator != null && choice === 'any' && !tenantOwned) {
    form = 'disc';
    value = discriminator;
  } else {
    return refused('missing-identity', 'provider_resource_id');
  }
  const key = `provider:${providerKey}:${token}:${escape(subjectTypeKey)}:${escape(resourceType)}:${form}:${escape(value)}`;
  return key.length > KEY_BYTES ? refused('key-too-long', 'key') : { ok: true, key };
}

/** One outcome for each subject, in order. */
export function deriveMany(subjects) {
  return subjects.map(derive);
}
