// The packed bulk form of deriving: subjects in, answers out. The layout is documented once, at `keys.derive-flat` in
// the contract.
//
// This is where a bulk spends its time, so members are read one by one and texts are written byte by byte: for texts of
// this length a call into the runtime costs more than the loop.

import { Buffer } from 'node:buffer';
import { ComponentErrorCode, ErrorCode, SubjectClass } from './enums.js';
import { ComponentError, IdentityError } from './error.js';
import { wrongType } from './shape.js';
import { INPUT_BYTES, checkBytes, isWellFormed } from './text.js';

/** Bytes before a record's texts: class, flags, two of filling, seven lengths. */
const HEAD_BYTES = 32;
const ABSENT = 0xffffffff;
/** How much is handed over at once: small enough to stay in the processor's cache. */
const CALL_BYTES = 64 << 10;
/** How many answers are read as one text and then cut: a key that is kept may keep its neighbours, and no more. */
const KEYS_PER_TEXT = 16;

const CLASSES = new Map(Object.values(SubjectClass).map((name, place) => [name, place]));
const CODES = Object.values(ErrorCode);
/** Where a refusal points, by its number. */
const FIELDS = [
  '', 'provider_key', 'resource_type', 'provider_resource_id', 'external_id', 'discriminator', 'fingerprint',
  'subject_type_key', 'subject_class', 'tenant_owned', 'key', 'request',
];
const NOTHING = Object.freeze({});

/** Subjects, packed one after another in a buffer that is used again. */
export class Packing {
  #bytes = Buffer.allocUnsafeSlow(CALL_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #end = 0;

  /** Whether it is worth keeping: it holds one long record at most. */
  get isUsual() {
    return this.#bytes.length === CALL_BYTES;
  }

  /** The records; they are written over by the next subject. */
  take() {
    const records = this.#bytes.subarray(0, this.#end);
    this.#end = 0;
    return records;
  }

  /**
   * Packs one more subject; false when the others have to be taken first.
   *
   * @throws IdentityError what would be refused before a single call, too
   * @throws ComponentError `input-too-large`
   */
  add(subject) {
    if (subject === null || typeof subject !== 'object') throw wrongType('input');
    const identity = subject.identity ?? NOTHING;
    if (typeof identity !== 'object') throw wrongType('identity');
    const providerKey = text(identity.providerKey, 'provider_key') ?? '';
    const resourceType = text(identity.resourceType, 'resource_type') ?? '';
    const providerResourceId = text(identity.providerResourceId, 'provider_resource_id');
    const externalId = text(identity.externalId, 'external_id');
    const discriminator = text(identity.discriminator, 'discriminator');
    const fingerprint = text(identity.fingerprint, 'fingerprint');
    const flags =
      flag(identity.builtIn, 1, 'built_in') |
      flag(identity.default, 2, 'default') |
      flag(identity.virtual, 4, 'virtual') |
      flag(identity.tenantOwned, 8, 'tenant_owned');
    const subjectClass = text(subject.subjectClass, 'subject_class');
    const subjectTypeKey = text(subject.subjectTypeKey, 'subject_type_key') ?? '';
    const place = CLASSES.get(subjectClass);
    if (place === undefined) {
      throw IdentityError.of(ErrorCode.InvalidClass, 'subject_class', '`subject_class` is absent, or none of its names');
    }
    const units =
      providerKey.length + resourceType.length + length(providerResourceId) + length(externalId) +
      length(discriminator) + length(fingerprint) + subjectTypeKey.length;
    const start = this.#end;
    // No UTF-16 unit becomes more than three bytes.
    if (start + HEAD_BYTES + units * 3 > this.#bytes.length) {
      if (start > 0) return false;
      this.#grow(units);
    }
    const view = this.#view;
    view.setUint32(start, place | (flags << 8), true);
    let at = start + HEAD_BYTES;
    at = this.#write(at, start + 4, providerKey, 'provider_key');
    at = this.#write(at, start + 8, resourceType, 'resource_type');
    at = this.#write(at, start + 12, providerResourceId, 'provider_resource_id');
    at = this.#write(at, start + 16, externalId, 'external_id');
    at = this.#write(at, start + 20, discriminator, 'discriminator');
    at = this.#write(at, start + 24, fingerprint, 'fingerprint');
    at = this.#write(at, start + 28, subjectTypeKey, 'subject_type_key');
    checkBytes(at - start - HEAD_BYTES, INPUT_BYTES);
    this.#end = at;
    return true;
  }

  /** Writes one text and its length; gives where the next one goes. */
  #write(at, lengthAt, given, field) {
    if (given === undefined) {
      this.#view.setUint32(lengthAt, ABSENT, true);
      return at;
    }
    const bytes = this.#bytes;
    let end = at;
    for (let index = 0; index < given.length; index++) {
      const unit = given.charCodeAt(index);
      if (unit > 0x7f) {
        if (!isWellFormed(given)) {
          throw IdentityError.of(ErrorCode.InvalidUtf8, field, `\`${field}\` has a lone surrogate`);
        }
        end = at + bytes.utf8Write(given, at);
        break;
      }
      bytes[end++] = unit;
    }
    this.#view.setUint32(lengthAt, end - at, true);
    return end;
  }

  #grow(units) {
    checkBytes(units, INPUT_BYTES);
    this.#bytes = Buffer.allocUnsafeSlow(HEAD_BYTES + units * 3);
    this.#view = new DataView(this.#bytes.buffer);
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

/**
 * One outcome for each subject, in order.
 *
 * @param {Iterable<unknown>} subjects
 * @param {Packing} packing an empty one
 * @param {(records: Uint8Array) => Uint8Array} derive
 */
export function deriveMany(subjects, packing, derive) {
  const outcomes = [];
  /** Where the packed ones among the outcomes start; each is null until it is answered. */
  let first = 0;
  const answer = () => {
    const records = packing.take();
    if (records.length > 0) readAnswers(Buffer.from(derive(records).buffer), outcomes, first);
    first = outcomes.length;
  };
  for (const subject of subjects) {
    let outcome = null;
    try {
      if (!packing.add(subject)) {
        answer();
        packing.add(subject);
      }
    } catch (error) {
      if (!(error instanceof IdentityError)) throw error;
      outcome = { ok: false, error };
    }
    outcomes.push(outcome);
  }
  answer();
  return outcomes;
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
