// Provider adapters: raw objects to descriptors.

import { Component } from './component.js';
import { ComponentErrorCode } from './enums.js';
import { ComponentError, IdentityError } from './error.js';
import { giveDescriptor, wrongType } from './shape.js';
import { DOCUMENT_BYTES, readText } from './text.js';

/** An instance that has more memory than this is thrown away. */
const MEMORY_BYTES = 64 << 20;

const never = (payload) => payload;

export class Adapter {
  #component;

  constructor(name) {
    if (typeof name !== 'string') throw wrongType('name');
    // The identity component is not one of them.
    if (name === 'identity') {
      throw new ComponentError(ComponentErrorCode.Unknown, 'there is no adapter of this name');
    }
    this.#component = new Component(name, MEMORY_BYTES);
  }

  static open(name) {
    return new Adapter(name);
  }

  describe(document) {
    this.#component.checkOpen();
    const text = readText(document, 'document', DOCUMENT_BYTES);
    const answers = this.#component.call(({ adapter }) => adapter.describe(text), never);
    return answers.map(outcome);
  }

  about() {
    return this.#component.call(({ adapter }) => adapter.about(), never);
  }

  close() {
    this.#component.close();
  }
}

if (Symbol.dispose !== undefined) {
  Object.defineProperty(Adapter.prototype, Symbol.dispose, { value: Adapter.prototype.close, configurable: true, writable: true });
}

function outcome({ tag, val }) {
  if (tag === 'ok') return { ok: true, position: val.position, descriptor: giveDescriptor(val.descriptor) };
  return { ok: false, position: val.position, error: IdentityError.of(val.code, val.field, val.message) };
}
