// The package as a conformance host: requests on standard input, replies on standard output.
//
//   node tests/host.mjs about
//   node tests/host.mjs lines|calls|many [--adapter NAME]

import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { Adapter, ComponentError, Identity, IdentityError, components, fromJson, toJson } from '../src/index.js';

const PACKAGE = new URL('../package.json', import.meta.url);
const MANIFEST = new URL('../generated/manifest.json', import.meta.url);
const readJson = (url) => JSON.parse(readFileSync(url, 'utf8'));

const snake = (name) => name.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`);
const bare = ({ code, field, message }) => ({ code, field, message });

function about() {
  const { jco } = readJson(MANIFEST);
  return {
    host: 'node',
    engine: `V8 ${process.versions.v8} (Node ${process.versions.node}), jco ${jco}`,
    version: readJson(PACKAGE).version,
    components: components(),
    forms: ['lines', 'calls', 'many'],
  };
}

async function readInput() {
  const pieces = [];
  for await (const piece of process.stdin) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** The requests of an input, parsed; blank lines are none. */
async function readRequests() {
  const lines = (await readInput()).toString('utf8').replace(/^\ufeff/, '').split('\n');
  return lines.filter((line) => !/^[ \t\r]*$/.test(line)).map((line) => JSON.parse(line));
}

const write = (replies) => process.stdout.write(replies.map((reply) => `${JSON.stringify(reply)}\n`).join(''));

const withId = ({ id }, reply) => (typeof id === 'string' ? { id, ...reply } : reply);

/** Members with the names of the line protocol; the package's own `toJson` is for what is given, not for answers. */
function answerToJson(answer) {
  if (typeof answer !== 'object' || answer === null) return answer;
  return Object.fromEntries(Object.entries(answer).map(([name, value]) => [snake(name), answerToJson(value)]));
}

function itemToJson(outcome) {
  if (outcome.ok) return { descriptor: toJson(outcome.descriptor) };
  return { error: { position: outcome.position, ...bare(outcome.error) } };
}

function call(identity, adapter, op, input) {
  switch (op) {
    case 'derive':
      return identity.derive(fromJson(input));
    case 'parse':
      return answerToJson(identity.parse(input.key ?? ''));
    case 'digest':
      return { digest: identity.digest(input.key ?? '') };
    case 'describe':
      return identity.describe(fromJson(input));
    case 'decide':
      identity.decide(fromJson(input));
      return {};
    case 'about':
      return answerToJson(identity.about());
    case 'adapt':
      if (adapter !== undefined) return { items: adapter.describe(JSON.stringify(input.raw)).map(itemToJson) };
    // falls through
    default:
      throw IdentityError.of('unknown-op', 'op', 'no such operation');
  }
}

function answerCall(identity, adapter, request) {
  const { op, input } = request;
  try {
    return withId(request, { ok: call(identity, adapter, op, input ?? {}) });
  } catch (error) {
    if (error instanceof ComponentError) {
      return withId(request, { error: { code: error.code, field: 'request', message: error.message } });
    }
    if (!(error instanceof IdentityError)) throw error;
    if (op === 'decide' && error.code !== 'malformed-request') {
      return withId(request, { errors: error.errors.map(bare) });
    }
    return withId(request, { error: bare(error) });
  }
}

async function lines(identity, adapter) {
  await pipeline(process.stdin, (input) => identity.lines(input, { adapter }), process.stdout);
}

async function calls(identity, adapter) {
  write((await readRequests()).map((request) => answerCall(identity, adapter, request)));
}

async function many(identity) {
  const requests = await readRequests();
  const outcomes = identity.deriveMany(requests.map(({ input }) => fromJson(input ?? {})));
  write(
    outcomes.map((outcome, index) =>
      withId(requests[index], outcome.ok ? { ok: { key: outcome.key } } : { error: bare(outcome.error) }),
    ),
  );
}

const [form, option, name, ...rest] = process.argv.slice(2);
const forms = { lines, calls, many };
const known = option === undefined || (option === '--adapter' && name !== undefined);
if (form === 'about') {
  write([about()]);
} else if (Object.hasOwn(forms, form ?? '') && known && rest.length === 0) {
  await forms[form](Identity.open(), name === undefined ? undefined : Adapter.open(name));
} else {
  console.error('usage: host about | host lines|calls|many [--adapter NAME]');
  process.exitCode = 2;
}
