// The rules of deriving a key, written by hand in JavaScript, as fast as plain JavaScript goes: those of `hand.mjs`, told
// by the same tests.
//
// One regular expression decides the common case of a text, and only what fails it is looked at more closely.

import { Buffer } from 'node:buffer';
import {
  CLASSES,
  CONTROL,
  DISCRIMINATOR,
  KEY_BYTES,
  LONE_SURROGATE,
  NONCHARACTER,
  PROVIDER_KEY,
  SURROUNDED,
  TYPE_BYTES,
  VALUE_BYTES,
  escape as escapeAny,
  refused,
} from './hand.mjs';

const PLAIN = /^[A-Za-z0-9\-._~]+$/;

/** The code of the first rule a text breaks; undefined when it breaks none. */
function broken(text, limitBytes) {
  if (text.length <= limitBytes && PLAIN.test(text)) return undefined;
  if (text === '') return 'empty-field';
  if (LONE_SURROGATE.test(text)) return 'invalid-utf8';
  if (SURROUNDED.test(text)) return 'surrounding-whitespace';
  if (CONTROL.test(text)) return 'control-character';
  if (NONCHARACTER.test(text)) return 'noncharacter';
  if (text.length > limitBytes || (text.length * 3 > limitBytes && Buffer.byteLength(text) > limitBytes)) {
    return 'field-too-long';
  }
  return undefined;
}

function escape(text) {
  return PLAIN.test(text) ? text : escapeAny(text);
}

/** The outcome for one subject: its key, or the first rule it breaks. */
export function derive(subject) {
  const { subjectClass } = subject;
  const identity = subject.identity ?? {};
  const known = CLASSES.get(subjectClass);
  if (known === undefined) return refused('invalid-class', 'subject_class');
  const [token, choice] = known;
  const providerKey = identity.providerKey ?? '';
  const resourceType = identity.resourceType ?? '';
  const subjectTypeKey = subject.subjectTypeKey ?? '';
  const { providerResourceId, externalId, discriminator, fingerprint } = identity;

  let code;
  if (!PROVIDER_KEY.test(providerKey)) {
    return refused(broken(providerKey, Infinity) ?? 'bad-provider-key', 'provider_key');
  }
  if ((code = broken(resourceType, TYPE_BYTES)) !== undefined) return refused(code, 'resource_type');
  if (providerResourceId != null && (code = broken(providerResourceId, VALUE_BYTES)) !== undefined) {
    return refused(code, 'provider_resource_id');
  }
  if (externalId != null && (code = broken(externalId, VALUE_BYTES)) !== undefined) {
    return refused(code, 'external_id');
  }
  if (discriminator != null && !(discriminator.length <= VALUE_BYTES && DISCRIMINATOR.test(discriminator))) {
    return refused(broken(discriminator, VALUE_BYTES) ?? 'bad-discriminator', 'discriminator');
  }
  if (fingerprint != null && (code = broken(fingerprint, VALUE_BYTES)) !== undefined) {
    return refused(code, 'fingerprint');
  }
  if ((code = broken(subjectTypeKey, TYPE_BYTES)) !== undefined) return refused(code, 'subject_type_key');

  const tenantOwned = identity.tenantOwned === true;
  const providerOwned = identity.builtIn === true || identity.default === true || identity.virtual === true;
  if (tenantOwned && providerOwned) return refused('conflicting-flags', 'tenant_owned');
  if ((choice === 'disc' && tenantOwned) || (choice === 'own' && providerOwned)) {
    return refused('class-identity-mismatch', 'subject_class');
  }
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
  } else if (choice === 'any' && !tenantOwned && discriminator != null) {
    form = 'disc';
    value = discriminator;
  } else {
    return refused('missing-identity', 'provider_resource_id');
  }
  const key = `provider:${providerKey}:${token}:${escape(subjectTypeKey)}:${escape(resourceType)}:${form}:${escape(value)}`;
  if (key.length > KEY_BYTES) return refused('key-too-long', 'key');
  return { ok: true, key };
}

/** One outcome for each subject, in order. */
export function deriveMany(subjects) {
  return subjects.map(derive);
}
