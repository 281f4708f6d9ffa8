// The op `adapt` of the line protocol: {"op":"adapt","input":{"raw":…}}, answered with one item for every object in `raw`.
//
// The raw document reaches the adapter as it was written, so it is cut out of the line and never parsed here.

import { ErrorCode } from './enums.js';
import { ComponentError, IdentityError } from './error.js';
import { toJson } from './shape.js';

/**
 * The reply line to an `adapt` request, without its end; undefined when it is none.
 *
 * The component was asked before: an op it does not know is what it says of a line in which everything before the op is
 * in order, so the line is known to be one JSON object without repeated members.
 */
export function adaptReply(adapter, request, reply) {
  if (JSON.parse(reply).error?.code !== ErrorCode.UnknownOp) return undefined;
  const { id, op } = JSON.parse(request);
  if (op !== 'adapt') return undefined;
  const head = typeof id === 'string' ? { id } : {};
  try {
    const items = adapter.describe(readRaw(request)).map(itemToJson);
    return JSON.stringify({ ...head, ok: { items } });
  } catch (error) {
    if (error instanceof IdentityError) {
      const { code, field, message } = error;
      return JSON.stringify({ ...head, error: { code, field, message } });
    }
    if (!(error instanceof ComponentError)) throw error;
    return JSON.stringify({ ...head, error: { code: error.code, field: 'raw', message: error.message } });
  }
}

/** An adapter's answer about one object, as the line protocol writes it. */
export function itemToJson(outcome) {
  if (outcome.ok) return { descriptor: toJson(outcome.descriptor) };
  const { code, field, message } = outcome.error;
  return { error: { position: outcome.position, code, field, message } };
}

function readRaw(request) {
  const members = readMembers(request);
  checkMembers(members, ['id', 'op', 'input']);
  const given = members.get('input');
  const input = given?.startsWith('{') ? readMembers(given) : new Map();
  // A raw null is a document like any other, which the adapter refuses.
  const raw = input.get('raw');
  if (raw === undefined) throw IdentityError.of(ErrorCode.MalformedRequest, 'raw', 'there is nothing to adapt');
  checkMembers(input, ['raw']);
  return raw;
}

function checkMembers(members, known) {
  for (const name of members.keys()) {
    if (!known.includes(name)) throw IdentityError.of(ErrorCode.UnknownField, name, 'not a member here');
  }
}

/** The members of a JSON object known to be well-formed, each value as it is written. */
function readMembers(json) {
  const members = new Map();
  let at = skipSpace(json, json.indexOf('{') + 1);
  while (json[at] !== '}') {
    const nameEnd = endOfString(json, at);
    const name = JSON.parse(json.slice(at, nameEnd));
    const start = skipSpace(json, json.indexOf(':', nameEnd) + 1);
    const end = endOfValue(json, start);
    members.set(name, json.slice(start, end));
    at = skipSpace(json, end);
    if (json[at] === ',') at = skipSpace(json, at + 1);
  }
  return members;
}

function skipSpace(json, at) {
  while (' \t\r\n'.includes(json[at])) at++;
  return at;
}

/** Where the string that starts at `at` ends. */
function endOfString(json, at) {
  for (at++; json[at] !== '"'; at++) {
    if (json[at] === '\\') at++;
  }
  return at + 1;
}

/** Where the value that starts at `at` ends. */
function endOfValue(json, at) {
  let depth = 0;
  for (;;) {
    const start = json[at];
    if (start === '"') at = endOfString(json, at);
    else if (start === '{' || start === '[') (depth++, at++);
    else if (start === '}' || start === ']') (depth--, at++);
    else if (depth === 0) {
      while (!',}] \t\r\n'.includes(json[at])) at++;
    } else at++;
    if (depth === 0) return at;
  }
}
