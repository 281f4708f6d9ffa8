// Opening a component and calling it: the files are held to their digests, an instance that failed is thrown away.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import * as glue from '../generated/glue.js';
import { ComponentErrorCode } from './enums.js';
import { ComponentError } from './error.js';

const GENERATED = new URL('../generated/', import.meta.url);

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

function unusable(message, cause) {
  return new ComponentError(ComponentErrorCode.Unusable, message, { cause });
}

function readManifest() {
  try {
    return JSON.parse(readFileSync(new URL('manifest.json', GENERATED), 'utf8'));
  } catch (cause) {
    throw unusable('the list of components cannot be read', cause);
  }
}

/** The components of this package: what each file was made of, and what it was made with. */
export function manifest() {
  const read = readManifest();
  if (typeof read?.components !== 'object' || read.components === null) {
    throw unusable('the list of components is not one');
  }
  return read;
}

/** Lower-case hex SHA-256 of every component file this package was built from, by name. */
export function components() {
  const listed = Object.entries(manifest().components).map(([name, { sha256: digest }]) => [name, digest]);
  return Object.freeze(Object.fromEntries(listed));
}

/** The core modules of a component, compiled. Every file made of it is read, and must be as it was built. */
function loadModules(name) {
  const { components: listed } = manifest();
  if (!Object.hasOwn(listed, name)) {
    throw new ComponentError(ComponentErrorCode.Unknown, 'there is no component of this name');
  }
  const modules = new Map();
  for (const [file, expected] of Object.entries(listed[name].files ?? {})) {
    let bytes;
    try {
      bytes = readFileSync(new URL(`${name}/${file}`, GENERATED));
    } catch (cause) {
      throw unusable(`the file ${file} cannot be read`, cause);
    }
    const actual = sha256(bytes);
    if (actual !== expected) {
      const message = `the file ${file} has SHA-256 ${actual}, not ${expected}`;
      throw new ComponentError(ComponentErrorCode.DigestMismatch, message);
    }
    if (file.endsWith('.wasm')) modules.set(file, bytes);
  }
  try {
    for (const [file, bytes] of modules) modules.set(file, new WebAssembly.Module(bytes));
  } catch (cause) {
    throw unusable('the component cannot be compiled', cause);
  }
  return modules;
}

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
   */
  constructor(name, memoryBytes) {
    this.#modules = loadModules(name);
    this.#instantiate = Object.hasOwn(glue, name) ? glue[name] : undefined;
    this.#memoryBytes = memoryBytes;
    if (this.#instantiate === undefined) throw unusable('the component has no bindings');
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
