// Streams of request lines, however they are cut into pieces.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { Adapter, Identity } from '../src/index.js';

const identity = Identity.open();
const adapter = Adapter.open('fake');

async function answer(pieces, options) {
  let replies = '';
  for await (const some of identity.lines(pieces, options)) {
    assert.ok(some.endsWith('\n'), 'whole lines');
    replies += some;
  }
  return replies.split('\n').slice(0, -1).map((line) => JSON.parse(line));
}

const codes = (replies) => replies.map((reply) => reply.error?.code ?? 'ok');
const ABOUT = '{"op":"about"}';

test('however a stream is cut, the replies are the same', async () => {
  const input = Buffer.concat([
    Buffer.from(`\ufeff${ABOUT}\n\n \t\r\n{"id":"Köln","op":"nothing"}\n\ufeff${ABOUT}\n`),
    Buffer.from([0xff, 0x0a]),
    Buffer.from(`${'x'.repeat(65_536)}\n${'x'.repeat(65_537)}\n${' '.repeat(65_537)}\n${ABOUT}`),
  ]);
  const whole = await answer([input]);
  assert.deepEqual(codes(whole), [
    'ok', 'unknown-op', 'malformed-request', 'invalid-utf8', 'malformed-request', 'request-too-large', 'request-too-large', 'ok',
  ]);
  assert.equal(whole[1].id, 'Köln');
  for (const size of [1, 2, 3, 7, 65_536, 65_537]) {
    const pieces = [];
    for (let at = 0; at < input.length; at += size) pieces.push(input.subarray(at, at + size));
    assert.deepEqual(await answer(pieces), whole, `pieces of ${size}`);
  }
});

test('a piece may be written over once the next one is asked for', async () => {
  const piece = Buffer.alloc(8);
  function* pieces() {
    for (let at = 0; at < ABOUT.length; at += 8) {
      piece.fill(' ');
      piece.write(ABOUT.slice(at, at + 8));
      yield piece;
    }
  }
  assert.deepEqual(codes(await answer(pieces())), ['ok']);
});

test('a stream of many MiB is answered in order', async () => {
  const pieces = Array.from({ length: 60 }, (_, piece) =>
    Buffer.from(Array.from({ length: 1000 }, (_, at) => `{"id":"${piece * 1000 + at}","op":"x${'x'.repeat(60)}"}\n`).join('')),
  );
  const replies = await answer(pieces);
  assert.equal(replies.length, 60_000);
  replies.forEach(({ id }, at) => assert.equal(id, `${at}`));
});

test('a line without end keeps memory bounded', async () => {
  const piece = Buffer.alloc(1 << 20, 'x');
  function* pieces() {
    for (let count = 0; count < 200; count++) yield piece;
    yield Buffer.from(`\n${ABOUT}\n`);
  }
  const before = process.memoryUsage().rss;
  assert.deepEqual(codes(await answer(pieces())), ['request-too-large', 'ok']);
  assert.ok(process.memoryUsage().rss - before < 100 << 20);
});

test('what is no stream of bytes', async () => {
  for (const pieces of [['text'], [7], [null]]) await assert.rejects(answer(pieces), { name: 'TypeError' });
});

test('the op adapt: the document reaches the adapter as it is written', async () => {
  const raw = '{ "kind" : "widget", "ref":"A:1", "size": 1.0e0, "title":"a\\"}]\\\\" }';
  const ask = async (line) => (await answer([Buffer.from(`${line}\n`)], { adapter }))[0];
  const expected = await ask(`{"id":"a","op":"adapt","input":{"raw":${raw}}}`);
  assert.equal(expected.id, 'a');
  assert.equal(expected.ok.items[0].descriptor.display_label, 'a"}]\\');
  assert.deepEqual(await ask(` { "input" : { "raw" : ${raw} } , "op" : "ad\\u0061pt" , "id" : "a" } `), expected);
  const refused = async (line) => {
    const { error } = await ask(line);
    return [error.code, error.field];
  };
  assert.deepEqual(await refused('{"op":"adapt"}'), ['malformed-request', 'raw']);
  assert.deepEqual(await refused('{"op":"adapt","input":{}}'), ['malformed-request', 'raw']);
  assert.deepEqual(await refused('{"op":"adapt","input":null}'), ['malformed-request', 'raw']);
  assert.deepEqual(await refused('{"op":"adapt","input":{"raw":{},"more":1}}'), ['unknown-field', 'more']);
  assert.deepEqual(await refused('{"op":"adapt","more":[],"input":{"raw":{}}}'), ['unknown-field', 'more']);
  assert.deepEqual(await refused('{"op":"nothing"}'), ['unknown-op', 'op']);
  for (const value of ['null', '7', '"x"', 'true', '[]', '-1.5e3']) {
    assert.equal((await ask(`{"op":"adapt","input":{"raw":${value}}}`)).ok !== undefined, true, value);
  }
});

test('an adapter that is closed answers so, and the stream goes on', async () => {
  const closed = Adapter.open('fake');
  closed.close();
  const replies = await answer([Buffer.from(`{"op":"adapt","input":{"raw":{}}}\n${ABOUT}\n`)], { adapter: closed });
  assert.deepEqual(codes(replies), ['handle-closed', 'ok']);
});
