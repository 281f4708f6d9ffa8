// A program that runs out of stack inside the component; `component.test.mjs` starts it. It fails if anything is wrong.

import assert from 'node:assert/strict';
import { Component } from '../src/component.js';
import { ComponentError, Identity } from '../src/index.js';

const KEY = 'provider:fake:policy:w:w:id:1';

process.on('unhandledRejection', (error) => {
  throw error;
});

/** Deeper and deeper, asking at every step. */
function trap() {
  const component = new Component('identity', 16 << 20);
  const instances = new Set();
  const down = (instance) => {
    instances.add(instance);
    instance.keys.parse(KEY);
    down(instance);
  };
  assert.throws(() => component.call(down), (error) => {
    assert.ok(error instanceof ComponentError);
    assert.equal(error.code, 'component-trapped');
    assert.ok(error.cause instanceof RangeError);
    return true;
  });
  assert.equal(component.call((instance) => (instances.add(instance), instance.keys.parse(KEY))).value, '1');
  assert.equal(instances.size, 2, 'the next call has another instance');
}

/** Down until nothing is left of the stack; on the way back up each frame asks with a little more of it. */
function dive() {
  const identity = Identity.open();
  const expected = identity.parse(KEY);
  const seen = new Map();
  const down = () => {
    try {
      down();
    } catch { /* the stack is full */ }
    if (seen.get('answered') > 3) return;
    let told = 'answered';
    try {
      assert.deepEqual(identity.parse(KEY), expected);
    } catch (error) {
      told = error.code ?? error.name;
    }
    seen.set(told, (seen.get(told) ?? 0) + 1);
  };
  down();
  assert.ok(seen.size > 1, 'some calls had no stack left');
  // A regular expression that finds no stack to be compiled on is a SyntaxError; Node.js 18 needs one.
  const known = ['answered', 'component-trapped', 'RangeError', 'SyntaxError'];
  for (const told of seen.keys()) assert.ok(known.includes(told), told);
  assert.deepEqual(identity.parse(KEY), expected);
}

trap();
dive();
