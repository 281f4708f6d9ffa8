// The enums are those of the contract, at run time and as types.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as api from '../src/index.js';

const withoutDocs = (text) => text.replace(/^\s*\/(\/\/|\*\*) .*$/gm, '');
const read = (path) => withoutDocs(readFileSync(new URL(path, import.meta.url), 'utf8'));

const CONTRACT = read('../../../wit/identity.wit');
const TYPES = read('../index.d.ts');

/** The enums of the contract: their cases in order, by name. */
function contractEnums() {
  const found = [...CONTRACT.matchAll(/^ {4}enum ([a-z-]+) \{([^}]*)\}/gm)];
  return new Map(
    found.map(([, name, body]) => [name, body.split(',').map((one) => one.trim()).filter(Boolean)]),
  );
}

const pascal = (name) => name.replace(/(^|-)([a-z0-9])/g, (_, dash, letter) => letter.toUpperCase());

test('every enum of the contract, case by case and in order', () => {
  const enums = contractEnums();
  assert.equal(enums.size, 8);
  for (const [name, cases] of enums) {
    const spelled = (one) => (name === 'error-code' ? one : one.replaceAll('-', '_'));
    const expected = cases.map((one) => [pascal(one), spelled(one)]);
    const given = api[pascal(name)];
    assert.deepEqual(Object.entries(given), expected, name);
    assert.ok(Object.isFrozen(given), `${name} is frozen`);
  }
});

test('the declared types have the values there are', () => {
  const declared = [...TYPES.matchAll(/^export declare const (\w+): \{([^}]*)\};/gm)];
  assert.deepEqual(
    declared.map(([, name]) => name).sort(),
    [...contractEnums().keys()].map(pascal).concat('ComponentErrorCode').sort(),
  );
  for (const [, name, body] of declared) {
    const members = [...body.matchAll(/readonly (\w+): '([^']+)';/g)].map(([, member, value]) => [member, value]);
    assert.deepEqual(members, Object.entries(api[name]), name);
  }
});

test('everything declared is exported, and nothing else', () => {
  const declared = [...TYPES.matchAll(/^export declare (?:const|class|function) (\w+)/gm)].map(([, name]) => name);
  assert.deepEqual(declared.sort(), Object.keys(api).sort());
});
