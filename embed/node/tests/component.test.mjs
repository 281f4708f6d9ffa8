// The files of the package are held to their digests, and an instance that failed is thrown away.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Component } from '../src/component.js';
import { Adapter, ComponentError, Identity } from '../src/index.js';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const folders = [];
after(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/** What opening and one call come to in a copy of the package that was changed. */
function openCopy(change) {
  const folder = mkdtempSync(join(tmpdir(), 'provident-node-'));
  folders.push(folder);
  for (const part of ['package.json', 'src', 'generated']) cpSync(join(PACKAGE, part), join(folder, part), { recursive: true });
  change((file) => join(folder, 'generated', file));
  const source = `
    import { Adapter, Identity, components } from ${JSON.stringify(pathToFileURL(join(folder, 'src/index.js')).href)};
    const tell = (open) => { try { open().about(); return 'answered'; } catch (error) { return error.name + ' ' + error.code; } };
    const told = [tell(() => Identity.open()), tell(() => Adapter.open('fake'))];
    const listed = tell(() => (components(), { about() {} }));
    console.log(JSON.stringify(listed === 'answered' ? told : [...told, listed]));`;
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', source], { encoding: 'utf8' });
  assert.equal(run.status, 0, run.stderr);
  return JSON.parse(run.stdout);
}

const MISMATCH = 'ComponentError component-digest-mismatch';
const UNUSABLE = 'ComponentError component-unusable';
const CORE = 'identity/identity.core.wasm';
/** Neither of them opens, nor are there digests to tell. */
const NOTHING = [UNUSABLE, UNUSABLE, UNUSABLE];

function changeList(path, change) {
  const list = JSON.parse(readFileSync(path('manifest.json'), 'utf8'));
  change(list);
  writeFileSync(path('manifest.json'), JSON.stringify(list));
}

test('a copy of the package works', () => {
  assert.deepEqual(openCopy(() => {}), ['answered', 'answered']);
});

test('an altered file is refused, wherever it was altered, and only it', () => {
  const { length } = readFileSync(join(PACKAGE, 'generated', CORE));
  for (const at of [0, 8, length >> 1, length - 1]) {
    const change = (path) => {
      const bytes = readFileSync(path(CORE));
      bytes[at] ^= 1;
      writeFileSync(path(CORE), bytes);
    };
    assert.deepEqual(openCopy(change), [MISMATCH, 'answered'], `byte ${at}`);
  }
});

test('a truncated, empty or longer file is refused', () => {
  const whole = readFileSync(join(PACKAGE, 'generated', CORE));
  for (const bytes of [whole.subarray(0, -1), whole.subarray(0, 8), new Uint8Array(), Buffer.concat([whole, Buffer.from([0])])]) {
    assert.deepEqual(openCopy((path) => writeFileSync(path(CORE), bytes)), [MISMATCH, 'answered']);
  }
});

test('altered, truncated, empty and missing bindings are refused, and none of them runs', () => {
  for (const name of ['identity', 'fake']) {
    const file = `${name}/${name}.js`;
    const whole = readFileSync(join(PACKAGE, 'generated', file), 'utf8');
    const expected = (code) => (name === 'identity' ? [code, 'answered'] : ['answered', code]);
    const altered = [`${whole}\n`, `console.log('it ran');\n${whole}`, whole.slice(0, whole.length >> 1), '', 'export const nothing = 0;'];
    for (const text of altered) {
      assert.deepEqual(openCopy((path) => writeFileSync(path(file), text)), expected(MISMATCH), text.slice(0, 40));
    }
    assert.deepEqual(openCopy((path) => rmSync(path(file))), expected(UNUSABLE));
  }
});

test('bindings that are as listed and are none', () => {
  for (const text of ['export const nothing = 0;', 'export const instantiate = 7;', 'throw null;', 'not JavaScript']) {
    const change = (path) => {
      writeFileSync(path('fake/fake.js'), text);
      changeList(path, (list) => (list.components.fake.files['fake.js'] = createHash('sha256').update(text).digest('hex')));
    };
    assert.deepEqual(openCopy(change), ['answered', UNUSABLE], text);
  }
});

test('another component in its place is refused', () => {
  assert.deepEqual(openCopy((path) => cpSync(path('fake/fake.core.wasm'), path(CORE))), [MISMATCH, 'answered']);
});

test('a missing file, and a list of components that is none', () => {
  assert.deepEqual(openCopy((path) => rmSync(path(CORE))), [UNUSABLE, 'answered']);
  assert.deepEqual(openCopy((path) => rmSync(path('manifest.json'))), NOTHING);
  assert.deepEqual(openCopy((path) => rmSync(path('.'), { recursive: true })), NOTHING);
  for (const text of ['', '{', 'null', '7', '[]', '{}', '{"components":null}', '{"components":7}', '{"components":[]}', '{"components":{}}']) {
    assert.deepEqual(openCopy((path) => writeFileSync(path('manifest.json'), text)), NOTHING, text);
  }
});

test('a list of components with an entry of another shape', () => {
  const digest = 'a'.repeat(64);
  const entries = [
    null, 7, [], {}, { sha256: digest }, { files: {} }, { sha256: digest, files: null }, { sha256: digest, files: [] },
    { sha256: digest, files: {} }, { sha256: 7, files: { 'fake.js': digest, 'fake.core.wasm': digest } },
    { sha256: digest, files: { 'fake.js': digest } }, { sha256: digest, files: { 'fake.core.wasm': digest } },
    { sha256: digest, files: { 'fake.js': digest, 'fake.core.wasm': 7 } },
    { sha256: digest, files: { 'fake.js': digest, 'fake.core.wasm': digest.toUpperCase() } },
    { sha256: digest, files: { 'fake.js': digest, 'fake.core.wasm': digest, '../fake/fake.js': digest } },
  ];
  for (const entry of entries) {
    const change = (path) => changeList(path, (list) => (list.components.fake = entry));
    assert.deepEqual(openCopy(change), NOTHING, JSON.stringify(entry));
  }
  assert.deepEqual(openCopy((path) => changeList(path, (list) => (list.components['../fake'] = list.components.fake))), NOTHING);
  assert.deepEqual(openCopy((path) => changeList(path, (list) => delete list.components.identity)), NOTHING);
  // An adapter may be left out when the package is built.
  assert.deepEqual(openCopy((path) => changeList(path, (list) => delete list.components.fake)), ['answered', 'ComponentError component-unknown']);
});

const KEY = 'provider:fake:policy:w:w:id:1';

test('an exhausted stack traps, and leaves nothing half done behind', () => {
  // In a process of its own: Node.js 18 ends one in which anything makes a promise at the end of the stack while
  // asynchronous hooks are on, as they are in its test runner.
  const run = spawnSync(process.execPath, [fileURLToPath(new URL('exhausted.mjs', import.meta.url))], { encoding: 'utf8' });
  assert.equal(run.status, 0, run.stderr);
});

test('a trap is a ComponentError, and its instance answers nothing any more', () => {
  const component = new Component('identity', 16 << 20);
  const parse = (instance) => instance.keys.parse(KEY);
  let harmed;
  assert.equal(component.call((instance) => ((harmed = instance), parse(instance))).value, '1');
  const trap = () => component.call((instance) => {
    assert.equal(instance, harmed);
    throw new WebAssembly.RuntimeError('unreachable');
  });
  assert.throws(trap, (error) => error instanceof ComponentError && error.code === 'component-trapped');
  component.call((instance) => assert.notEqual(instance, harmed));
  assert.equal(component.call(parse).value, '1');
});

test('a refusal does not cost the instance', () => {
  const component = new Component('identity', 16 << 20);
  const instances = new Set();
  for (const key of [KEY, 'nothing', KEY]) {
    try {
      component.call((instance) => (instances.add(instance), instance.keys.parse(key)), ({ code }) => new Error(code));
    } catch (error) {
      assert.equal(error.message, 'unknown-scheme');
    }
  }
  assert.equal(instances.size, 1);
});

test('an instance that has grown is thrown away after it answered', () => {
  const component = new Component('fake', 4 << 20);
  const instances = new Set();
  const describe = (document) => component.call((instance) => (instances.add(instance), instance.adapter.describe(document)));
  describe('{}');
  describe('{}');
  assert.equal(instances.size, 1);
  assert.equal(describe(`"${'x'.repeat(5 << 20)}"`).length, 1);
  describe('{}');
  assert.equal(instances.size, 2);
});

test('one adapter does not know of another', () => {
  const [one, other] = [Adapter.open('fake'), Adapter.open('fake')];
  one.close();
  assert.equal(other.about().providerKey, 'fake');
});
