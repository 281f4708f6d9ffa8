// All vectors through the host program, in every form.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { vectors, withoutMessages } from './vectors.mjs';

const HOST = fileURLToPath(new URL('host.mjs', import.meta.url));
const LF = Buffer.from('\n');

function host(form, adapter, lines) {
  const args = [HOST, form, ...(adapter === undefined ? [] : ['--adapter', adapter])];
  const input = Buffer.concat(lines.flatMap((line) => [line, LF]));
  const run = spawnSync(process.execPath, args, { input, maxBuffer: 1 << 28 });
  assert.equal(run.status, 0, `${run.stderr}`);
  const replies = run.stdout.toString('utf8').split('\n');
  assert.equal(replies.pop(), '', 'the last reply has its line end');
  return replies;
}

/** Asks all of them, those with one adapter together, and compares reply by reply. */
function hold(form, asked, expected = (vector) => vector.expect) {
  const groups = new Map();
  for (const vector of asked) {
    const name = vector.flags.has('stream-start') ? vector.id : vector.adapter;
    groups.set(name, [...(groups.get(name) ?? []), vector]);
  }
  for (const group of groups.values()) {
    const replies = host(form, group[0].adapter, group.map(({ line }) => line));
    assert.equal(replies.length, group.length, 'one reply each');
    group.forEach((vector, index) => {
      assert.deepEqual(withoutMessages(JSON.parse(replies[index])), expected(vector), vector.id);
    });
  }
}

const all = vectors();

test('every vector as a line', (t) => {
  assert.ok(all.length > 6000);
  hold('lines', all);
  t.diagnostic(`lines: ${all.length} passed, 0 skipped`);
});

test('every vector that typed calls can ask', (t) => {
  const asked = all.filter(({ flags }) => !flags.has('line-only') && !flags.has('process-only'));
  assert.ok(asked.length > 5900);
  hold('calls', asked);
  t.diagnostic(`calls: ${asked.length} passed, ${all.length - asked.length} skipped (line-only, process-only)`);
});

test('every derivation in one list', (t) => {
  const asked = all.filter(({ flags, request }) => !flags.has('line-only') && request?.op === 'derive');
  assert.ok(asked.length > 2000);
  const expected = ({ expect: { ok, ...others } }) => (ok === undefined ? others : { ...others, ok: { key: ok.key } });
  hold('many', asked, expected);
  t.diagnostic(`many: ${asked.length} passed`);
});

test('the host says what it is', () => {
  const [line] = host('about', undefined, []);
  const about = JSON.parse(line);
  assert.equal(about.host, 'node');
  assert.match(about.engine, /^V8 .* \(Node .*\), jco \d/);
  assert.deepEqual(about.forms, ['lines', 'calls', 'many']);
  const adapters = all.flatMap(({ adapter }) => adapter ?? []);
  for (const name of new Set(['identity', ...adapters])) assert.match(about.components[name], /^[0-9a-f]{64}$/);
});
