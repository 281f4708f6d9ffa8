// The identity component: keys, descriptors, decisions.

import { Component } from './component.js';
import { ErrorCode } from './enums.js';
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

const refusedOne = ({ code, field, message }) => IdentityError.of(code, field, message);
const refusedAll = (errors) => new IdentityError(errors.map(({ code, field, message }) => ({ code, field, message })));

function readKey(key) {
  if (typeof key !== 'string') throw wrongType('key');
  checkTexts([['key', key]], INPUT_BYTES);
  return key;
}

export class Identity {
  #component = new Component('identity', MEMORY_BYTES);

  static open() {
    return new Identity();
  }

  derive(subject) {
    const record = readRecord(subject, SUBJECT, INPUT_BYTES);
    return this.#component.call(({ keys }) => keys.derive(record), refusedOne);
  }

  deriveMany(subjects) {
    if (typeof subjects?.[Symbol.iterator] !== 'function' || typeof subjects === 'string') {
      throw IdentityError.of(ErrorCode.MalformedRequest, 'input', '`input` is no list of subjects');
    }
    this.#component.checkOpen();
    return deriveMany(subjects, (records) =>
      this.#component.call(({ keys }) => keys.deriveFlat(records), refusedOne),
    );
  }

  parse(key) {
    readKey(key);
    const parsed = this.#component.call(({ keys }) => keys.parse(key), refusedOne);
    return { ...parsed, subjectClass: giveName(parsed.subjectClass) };
  }

  digest(key) {
    readKey(key);
    return this.#component.call(({ keys }) => keys.digest(key), refusedOne);
  }

  describe(descriptor) {
    const record = readRecord(descriptor, DESCRIPTOR, INPUT_BYTES);
    return this.#component.call(({ descriptors }) => descriptors.describe(record), refusedOne);
  }

  decide(decision) {
    const record = readRecord(decision, DECISION, INPUT_BYTES);
    this.#component.call(({ decisions }) => decisions.check(record), refusedAll);
  }

  rewriteNote(note) {
    if (typeof note !== 'string') throw wrongType('note');
    checkTexts([['note', note]], INPUT_BYTES);
    return this.#component.call(({ decisions }) => decisions.rewriteNote(note), refusedOne);
  }

  batch(requests) {
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

  lines(input, { adapter } = {}) {
    return answerLines(input, this, adapter);
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
