// Opening a component and calling it: an instance that failed is thrown away.

import { ComponentErrorCode } from './enums.js';
import { ComponentError } from './error.js';
import { loadComponent, unusable } from './files.js';

/** Whether what was thrown is the error of a WIT result: one refusal or a list of them. Everything else is a failure. */
function isRefusal(thrown) {
  return Array.isArray(thrown) || (typeof thrown?.code === 'string' && typeof thrown.field === 'string');
}

/** One component, compiled, with one instance that is made anew whenever it may have been harmed. */
export class Component {
  #instantiate;
  #modules;
  #memoryBytes;
  /** The instance, while it rests; out of here while it is called. */
  #instance;
  #memories = [];

  /**
   * @param {string} name
   * @param {number} memoryBytes an instance that has grown over this is thrown away after the call
   * @throws ComponentError `component-unknown`, `component-digest-mismatch`, `component-unusable`
   */
  constructor(name, memoryBytes) {
    const { instantiate, modules } = loadComponent(name);
    this.#instantiate = instantiate;
    this.#modules = modules;
    this.#memoryBytes = memoryBytes;
    try {
      this.#instance = this.#make();
    } catch (cause) {
      throw unusable('the component cannot be instantiated', cause);
    }
  }

  #make() {
    this.#memories = [];
    return this.#instantiate(
      (file) => this.#modules.get(file),
      {},
      (module, imports) => {
        const instance = new WebAssembly.Instance(module, imports);
        for (const exported of Object.values(instance.exports)) {
          if (exported instanceof WebAssembly.Memory) this.#memories.push(exported);
        }
        return instance;
      },
    );
  }

  #grown() {
    let bytes = 0;
    for (const memory of this.#memories) bytes += memory.buffer.byteLength;
    return bytes > this.#memoryBytes;
  }

  /** @throws ComponentError `handle-closed` */
  checkOpen() {
    if (this.#modules === undefined) {
      throw new ComponentError(ComponentErrorCode.Closed, 'the component was closed');
    }
  }

  /**
   * Puts one call to the component. A refusal comes back as `refused(payload)`, thrown.
   *
   * @template T
   * @param {(exports: any) => T} ask
   * @param {(payload: any) => Error} refused
   * @returns {T}
   */
  call(ask, refused) {
    this.checkOpen();
    // Taken out before the call: whatever ends it early, a trap or an exhausted stack, leaves no instance behind.
    let instance = this.#instance;
    this.#instance = undefined;
    let failure;
    try {
      instance ??= this.#make();
      const answer = ask(instance);
      if (!this.#grown()) this.#instance = instance;
      return answer;
    } catch (thrown) {
      failure = thrown;
    }
    if (!isRefusal(failure)) {
      throw new ComponentError(ComponentErrorCode.Trapped, 'the component trapped', { cause: failure });
    }
    if (!this.#grown()) this.#instance = instance;
    throw refused(failure);
  }

  /** Lets go of instance and code. Later calls are `handle-closed`; closing again does nothing. */
  close() {
    this.#instance = undefined;
    this.#modules = undefined;
    this.#memories = [];
  }
}
