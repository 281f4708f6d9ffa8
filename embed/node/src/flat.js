// The packed bulk form of deriving: subjects in, answers out. The layout is documented once, at `keys.derive-flat` in
// the contract.
//
// This is where a bulk spends its time. Every call into the runtime costs more than the few bytes it moves, so records
// are put together as one string, a byte a character, which is written and read in one piece.

import { Buffer } from 'node:buffer';
import { ComponentErrorCode, ErrorCode, SubjectClass } from './enums.js';
import { ComponentError, IdentityError } from './error.js';
import { wrongType } from './shape.js';
import { checkBytes, checkWellFormed } from './text.js';

/** How much is handed over at once: little enough to stay in the processor's cache, and for its garbage to be young. */
const CALL_BYTES = 16 << 10;
/** How many answers are read as one text and then cut: a key that is kept may keep its neighbours, and no more. */
const KEYS_PER_TEXT = 16;
/** Bytes before a record's texts: class, flags, two of filling, seven lengths. */
const HEAD_BYTES = 32;
/** The length of a text that is not there. */
const ABSENT = -1;

const CLASSES = new Map(Object.values(SubjectClass).map((name, place) => [name, place]));
const CODES = Object.values(ErrorCode);
/** Where a refusal points, by its number. */
const FIELDS = [
  '', 'provider_key', 'resource_type', 'provider_resource_id', 'external_id', 'discriminator', 'fingerprint',
  'subject_type_key', 'subject_class', 'tenant_owned', 'key', 'request',
];
const NOTHING = Object.freeze({});
/** Used again and again: nothing but the copy into the component comes between writing and reading it. */
const BUFFER = Buffer.allocUnsafeSlow(CALL_BYTES);

/**
 * One outcome for each subject, in order.
 *
 * @param {Iterable<unknown>} subjects
 * @param {(records: Uint8Array) => Uint8Array} derive
 */
export function deriveMany(subjects, derive) {
  const outcomes = [];
  const packer = new Packer();
  let records = '';
  /** Where the outcomes start that wait for an answer: they are null. */
  let first = 0;
  const answer = () => {
    if (records !== '') readAnswers(Buffer.from(derive(toBytes(records)).buffer), outcomes, first);
    records = '';
    first = outcomes.length;
  };
  for (const subject of subjects) {
    let outcome = null;
    try {
      const record = packer.pack(subject);
      if (records.length + record.length > CALL_BYTES) answer();
      records += record;
    } catch (error) {
      if (!(error instanceof IdentityError)) throw error;
      outcome = { ok: false, error };
    }
    outcomes.push(outcome);
  }
  answer();
  return outcomes;
}

function toBytes(records) {
  // A single record may be longer than what is usually handed over.
  if (records.length > CALL_BYTES) return Buffer.from(records, 'latin1');
  return BUFFER.subarray(0, BUFFER.latin1Write(records, 0));
}

/** Packs subjects. Remembers the texts that are alike from one to the next, which need not be looked at again. */
class Packer {
  #providerKey = '';
  #resourceType = '';
  #subjectTypeKey = '';

  /**
   * One record, a byte a character.
   *
   * @throws IdentityError what would be refused before a single call, too
   */
  pack(subject) {
    if (subject === null || typeof subject !== 'object' || Array.isArray(subject)) throw wrongType('input');
    const identity = subject.identity ?? NOTHING;
    if (typeof identity !== 'object' || Array.isArray(identity)) throw wrongType('identity');
    let providerKey = text(identity.providerKey, 'provider_key') ?? '';
    let resourceType = text(identity.resourceType, 'resource_type') ?? '';
    let providerResourceId = text(identity.providerResourceId, 'provider_resource_id');
    let externalId = text(identity.externalId, 'external_id');
    let discriminator = text(identity.discriminator, 'discriminator');
    let fingerprint = text(identity.fingerprint, 'fingerprint');
    const flags =
      flag(identity.builtIn, 1, 'built_in') |
      flag(identity.default, 2, 'default') |
      flag(identity.virtual, 4, 'virtual') |
      flag(identity.tenantOwned, 8, 'tenant_owned');
    const subjectClass = text(subject.subjectClass, 'subject_class');
    let subjectTypeKey = text(subject.subjectTypeKey, 'subject_type_key') ?? '';
    const place = CLASSES.get(subjectClass);
    if (place === undefined) {
      throw IdentityError.of(ErrorCode.InvalidClass, 'subject_class', '`subject_class` is absent, or none of its names');
    }
    checkBytes(
      providerKey.length + resourceType.length + subjectTypeKey.length + length(providerResourceId) +
        length(externalId) + length(discriminator) + length(fingerprint),
    );
    if (providerKey !== this.#providerKey) {
      const given = providerKey;
      providerKey = bytes(given, 'provider_key');
      if (providerKey === given) this.#providerKey = given;
    }
    if (resourceType !== this.#resourceType) {
      const given = resourceType;
      resourceType = bytes(given, 'resource_type');
      if (resourceType === given) this.#resourceType = given;
    }
    providerResourceId = bytes(providerResourceId, 'provider_resource_id');
    externalId = bytes(externalId, 'external_id');
    discriminator = bytes(discriminator, 'discriminator');
    fingerprint = bytes(fingerprint, 'fingerprint');
    if (subjectTypeKey !== this.#subjectTypeKey) {
      const given = subjectTypeKey;
      subjectTypeKey = bytes(given, 'subject_type_key');
      if (subjectTypeKey === given) this.#subjectTypeKey = given;
    }
    let record = head(
      place | (flags << 8),
      providerKey.length, resourceType.length, lengthOf(providerResourceId), lengthOf(externalId),
      lengthOf(discriminator), lengthOf(fingerprint), subjectTypeKey.length,
    );
    record += providerKey;
    record += resourceType;
    if (providerResourceId !== undefined) record += providerResourceId;
    if (externalId !== undefined) record += externalId;
    if (discriminator !== undefined) record += discriminator;
    if (fingerprint !== undefined) record += fingerprint;
    record += subjectTypeKey;
    checkBytes(record.length - HEAD_BYTES);
    return record;
  }
}

function text(value, field) {
  if (typeof value === 'string') return value;
  if (value !== undefined && value !== null) throw wrongType(field);
  return undefined;
}

function flag(value, bit, field) {
  if (value === true) return bit;
  if (value !== false && value !== undefined && value !== null) throw wrongType(field);
  return 0;
}

const length = (value) => (value === undefined ? 0 : value.length);
const lengthOf = (value) => (value === undefined ? ABSENT : value.length);

/** A text in UTF-8, a byte a character: ASCII is what it is. */
function bytes(value, field) {
  if (value === undefined || Buffer.byteLength(value) === value.length) return value;
  checkWellFormed(value, field);
  return Buffer.from(value).latin1Slice();
}

/** Heads made before. Most records of a list have one of a few: it says classes, flags and lengths, and no text. */
const HEADS = new Array(256);

/** A record's head, a byte a character. */
function head(classAndFlags, a, b, c, d, e, f, g) {
  const slot = (classAndFlags + a * 3 + b * 5 + c * 7 + d * 11 + e * 13 + f * 17 + g * 19) & 255;
  const known = HEADS[slot];
  if (
    known !== undefined && known.classAndFlags === classAndFlags && known.a === a && known.b === b && known.c === c &&
    known.d === d && known.e === e && known.f === f && known.g === g
  ) {
    return known.text;
  }
  const made = new Uint8Array(HEAD_BYTES);
  const view = new DataView(made.buffer);
  // An absent text's length is the greatest there is.
  [classAndFlags, a, b, c, d, e, f, g].forEach((number, index) => view.setUint32(index * 4, number, true));
  const head = Buffer.from(made.buffer).latin1Slice();
  HEADS[slot] = { classAndFlags, a, b, c, d, e, f, g, text: head };
  return head;
}

/** Puts answers in the places of the outcomes that wait for one. */
function readAnswers(answers, outcomes, first) {
  let at = 0;
  let gathered = '';
  let gatheredAt = 0;
  let gatheredEnd = 0;
  for (let place = first; place < outcomes.length; place++) {
    if (outcomes[place] !== null) continue;
    const status = answers[at];
    const end = at + 4 + (answers[at + 2] | (answers[at + 3] << 8));
    if (!(end <= answers.length)) throw unreadable();
    if (status !== 0) {
      outcomes[place] = { ok: false, error: refusal(CODES[status - 1], FIELDS[answers[at + 1]]) };
    } else {
      if (end > gatheredEnd) {
        gatheredAt = at;
        gatheredEnd = endOfNext(answers, at);
        gathered = answers.latin1Slice(at, gatheredEnd);
      }
      outcomes[place] = { ok: true, key: gathered.slice(at + 4 - gatheredAt, end - gatheredAt) };
    }
    at = end;
  }
  if (at !== answers.length) throw unreadable();
}

/** Where the answers end that are read together with the one at `at`. */
function endOfNext(answers, at) {
  for (let count = 0; count < KEYS_PER_TEXT && at + 4 <= answers.length; count++) {
    at += 4 + (answers[at + 2] | (answers[at + 3] << 8));
  }
  return at;
}

function refusal(code, field) {
  if (code === undefined || field === undefined) throw unreadable();
  return IdentityError.of(code, field, `\`${field}\` breaks the rule \`${code}\``);
}

function unreadable() {
  return new ComponentError(ComponentErrorCode.Unusable, 'the component gave answers of another layout');
}
