// The identity component: keys, descriptors, decisions.

import { Component } from './component.js';
import { DecisionAction, ErrorCode } from './enums.js';
import { IdentityError } from './error.js';
import { deriveMany } from './flat.js';
import { answerLines } from './lines.js';
import { DECISION, DESCRIPTOR, SUBJECT, giveName, readRecord, wrongType } from './shape.js';
import { INPUT_BYTES, checkTexts, readText } from './text.js';

/** An instance that has more memory than this is thrown away. */
const MEMORY_BYTES = 16 << 20;
/** How many request lines are answered by one call: replies can be many times as long as requests. */
const LINES_PER_CALL = 4096;
const BYTE_ORDER_MARK = '\ufeff';
/** A mode as the contract spells it. */
const ANY_MODE = 'manual-binding';

const refusedOne = ({ code, field, message }) => IdentityError.of(code, field, message);
const refusedAll = (errors) => new IdentityError(errors.map(({ code, field, message }) => ({ code, field, message })));
/** What is said of a mode that is none: the component was asked about a decision that has no mode. */
const refusedMode = (errors) =>
  refusedAll(errors.map((error) => (error.code === ErrorCode.ModeNotAllowed ? { ...error, message: 'no such mode' } : error)));

function readKey(key) {
  if (typeof key !== 'string') throw wrongType('key');
  checkTexts([['key', key]]);
  return key;
}

export class Identity {
  #component = new Component('identity', MEMORY_BYTES);

  static open() {
    return new Identity();
  }

  derive(subject) {
    this.#component.checkOpen();
    const record = readRecord(subject, SUBJECT);
    return this.#component.call(({ keys }) => keys.derive(record), refusedOne);
  }

  deriveMany(subjects) {
    this.#component.checkOpen();
    if (typeof subjects?.[Symbol.iterator] !== 'function' || typeof subjects === 'string') {
      throw IdentityError.of(ErrorCode.MalformedRequest, 'input', '`input` is no list of subjects');
    }
    return deriveMany(subjects, (records) =>
      this.#component.call(({ keys }) => keys.deriveFlat(records), refusedOne),
    );
  }

  parse(key) {
    this.#component.checkOpen();
    readKey(key);
    const parsed = this.#component.call(({ keys }) => keys.parse(key), refusedOne);
    return { ...parsed, subjectClass: giveName(parsed.subjectClass) };
  }

  digest(key) {
    this.#component.checkOpen();
    readKey(key);
    return this.#component.call(({ keys }) => keys.digest(key), refusedOne);
  }

  describe(descriptor) {
    this.#component.checkOpen();
    const record = readRecord(descriptor, DESCRIPTOR);
    return this.#component.call(({ descriptors }) => descriptors.describe(record), refusedOne);
  }

  decide(decision) {
    this.#component.checkOpen();
    const record = readRecord(decision, DECISION);
    let refused = refusedAll;
    if (record.mode === null) {
      // The contract has no mode that is none, and keys are judged before modes. A revocation refuses whatever mode it
      // has; every other decision is judged as one that lacks its mode.
      const revoked = record.action === DecisionAction.Revoke;
      record.mode = revoked ? ANY_MODE : undefined;
      if (!revoked) refused = refusedMode;
    }
    this.#component.call(({ decisions }) => decisions.check(record), refused);
  }

  rewriteNote(note) {
    this.#component.checkOpen();
    if (typeof note !== 'string') throw wrongType('note');
    checkTexts([['note', note]]);
    return this.#component.call(({ decisions }) => decisions.rewriteNote(note), refusedOne);
  }

  batch(requests) {
    this.#component.checkOpen();
    const lines = readText(requests, 'request', INPUT_BYTES);
    let replies = '';
    for (let start = 0; start < lines.length; ) {
      const end = endOfLines(lines, start, LINES_PER_CALL);
      const some = lines.slice(start, end);
      // Only a batch may start with a byte-order mark, and this may be the middle of one.
      const sent = start > 0 && some.startsWith(BYTE_ORDER_MARK) ? `\n${some}` : some;
      replies += this.#component.call(({ batch }) => batch.run(sent), refusedOne);
      start = end;
    }
    return replies;
  }

  async *lines(input, { adapter } = {}) {
    this.#component.checkOpen();
    yield* answerLines(input, this, adapter);
  }

  about() {
    return this.#component.call(({ about }) => about.describe(), refusedOne);
  }

  close() {
    this.#component.close();
  }
}

if (Symbol.dispose !== undefined) {
  Object.defineProperty(Identity.prototype, Symbol.dispose, { value: Identity.prototype.close, configurable: true, writable: true });
}

/** Where this many lines from `start` end. */
function endOfLines(lines, start, count) {
  let at = start;
  for (let seen = 0; seen < count; seen++) {
    at = lines.indexOf('\n', at) + 1;
    if (at === 0) return lines.length;
  }
  return at;
}
