// The files of the package: listed when it was built, held to their digests, and run only after that.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { ComponentErrorCode } from './enums.js';
import { ComponentError } from './error.js';

const GENERATED = new URL('../generated/', import.meta.url);
const NAME = /^[a-z0-9][a-z0-9_]*$/;
const FILE = /^[a-z0-9][a-z0-9_]*(\.[a-z0-9]+)+$/;
const DIGEST = /^[0-9a-f]{64}$/;

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
const isObject = (given) => typeof given === 'object' && given !== null && !Array.isArray(given);
const isDigest = (given) => typeof given === 'string' && DIGEST.test(given);

export function unusable(message, cause) {
  return new ComponentError(ComponentErrorCode.Unusable, message, { cause });
}

/** What `make` comes to: a value, or the ComponentError that is thrown whenever the value is asked for. */
async function keep(make) {
  try {
    const value = await make();
    return () => value;
  } catch (error) {
    if (!(error instanceof ComponentError)) throw error;
    return () => {
      throw new ComponentError(error.code, error.message, { cause: error.cause });
    };
  }
}

/** Every component by name: its digest, and the digests of the files made of it. */
function readList() {
  let list;
  try {
    list = JSON.parse(readFileSync(new URL('manifest.json', GENERATED), 'utf8'));
  } catch (cause) {
    throw unusable('the list of components cannot be read', cause);
  }
  if (!isObject(list?.components)) throw unusable('the list of components is not one');
  const entries = Object.entries(list.components);
  for (const [name, entry] of entries) {
    if (!NAME.test(name) || !isEntry(name, entry)) throw unusable('the list of components has an entry that is none');
  }
  const listed = new Map(entries);
  if (!listed.has('identity')) throw unusable('the list of components lacks the identity component');
  return listed;
}

function isEntry(name, entry) {
  if (!isObject(entry) || !isDigest(entry.sha256) || !isObject(entry.files)) return false;
  const files = Object.entries(entry.files);
  if (!files.every(([file, digest]) => FILE.test(file) && isDigest(digest))) return false;
  return [`${name}.js`, `${name}.core.wasm`].every((file) => Object.hasOwn(entry.files, file));
}

/** Every file made of a component, by name, as it was built. */
function readFiles(name, { files }) {
  const read = new Map();
  for (const [file, expected] of Object.entries(files)) {
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
    read.set(file, bytes);
  }
  return read;
}

/** The `instantiate` of a component's bindings, which run only if every file of the component is as it was built. */
async function importBindings(name, entry) {
  readFiles(name, entry);
  let bindings;
  try {
    bindings = await import(new URL(`${name}/${name}.js`, GENERATED).href);
  } catch (cause) {
    throw unusable('the bindings of the component cannot be run', cause);
  }
  if (typeof bindings.instantiate !== 'function') throw unusable('the component has no bindings');
  return bindings.instantiate;
}

const list = await keep(readList);
const bindings = await keep(async () => {
  const imported = new Map();
  for (const [name, entry] of list()) imported.set(name, await keep(() => importBindings(name, entry)));
  return imported;
});

/** Lower-case hex SHA-256 of every component file this package was built from, by name. */
export function components() {
  return Object.freeze(Object.fromEntries([...list()].map(([name, entry]) => [name, entry.sha256])));
}

/**
 * The bindings of a component and its core modules, compiled. Every file made of it is read, and must be as it was built.
 *
 * @param {string} name
 * @throws ComponentError `component-unknown`, `component-digest-mismatch`, `component-unusable`
 */
export function loadComponent(name) {
  const entry = list().get(name);
  if (entry === undefined) {
    throw new ComponentError(ComponentErrorCode.Unknown, 'there is no component of this name');
  }
  const instantiate = bindings().get(name)();
  const modules = new Map();
  for (const [file, bytes] of readFiles(name, entry)) {
    if (!file.endsWith('.wasm')) continue;
    try {
      modules.set(file, new WebAssembly.Module(bytes));
    } catch (cause) {
      throw unusable('the component cannot be compiled', cause);
    }
  }
  return { instantiate, modules };
}
