// The functions the package is measured against give the same keys and refusals.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as hand from '../bench/hand.mjs';
import { subjects } from '../bench/subjects.mjs';
import * as tuned from '../bench/tuned.mjs';
import { Identity, fromJson } from '../src/index.js';
import { vectors } from './vectors.mjs';

const bare = (outcome) =>
  outcome.ok ? { key: outcome.key } : { error: { code: outcome.error.code, field: outcome.error.field } };

for (const [name, { derive, deriveMany }] of Object.entries({ hand, tuned })) {
  test(`every derivation of the vectors, ${name}`, () => {
    const asked = vectors().filter(({ flags, request }) => !flags.has('line-only') && request?.op === 'derive');
    assert.ok(asked.length > 2000);
    for (const { id, request, expect } of asked) {
      const { ok, error } = expect;
      const outcome = bare(derive(fromJson(request.input)));
      assert.deepEqual(outcome, ok === undefined ? { error } : { key: ok.key }, id);
    }
  });

  test(`both sides of the measurement answer the same, one in a hundred refused, ${name}`, () => {
    const given = subjects(1000);
    const byHand = deriveMany(given).map(bare);
    assert.deepEqual(Identity.open().deriveMany(given).map(bare), byHand);
    assert.equal(byHand.filter((outcome) => outcome.error !== undefined).length, 10);
  });
}
