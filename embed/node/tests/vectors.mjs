// The project's vectors: requests with the replies they must get, read from `tests/vectors/*.ndjson`.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { readFileSync, readdirSync } from 'node:fs';

const FOLDER = new URL('../../../tests/vectors/', import.meta.url);

/** Every vector: its file, id, line as bytes, request (undefined for lines), expected reply and flags. */
export function vectors() {
  const files = readdirSync(FOLDER).filter((file) => file.endsWith('.ndjson')).sort();
  return files.flatMap((file) =>
    readFileSync(new URL(file, FOLDER), 'utf8')
      .split('\n')
      .filter((text) => text !== '')
      .map((text) => vector(file.slice(0, -'.ndjson'.length), JSON.parse(text))),
  );
}

function vector(file, { id, request, line, line_base64: base64, expect, flags = [] }) {
  const given = [request, line, base64].filter((one) => one !== undefined);
  assert.equal(given.length, 1, `${id}: one of request, line and line_base64`);
  return {
    file,
    id,
    adapter: file.startsWith('adapt-') ? file.slice('adapt-'.length) : undefined,
    request,
    line: base64 === undefined ? Buffer.from(line ?? JSON.stringify(request)) : Buffer.from(base64, 'base64'),
    expect,
    flags: new Set(flags),
  };
}

/** A reply without the message texts, each of which must be there. */
export function withoutMessages(reply) {
  const copy = structuredClone(reply);
  const items = (copy.ok?.items ?? []).map((item) => item.error);
  for (const refusal of [copy.error, ...(copy.errors ?? []), ...items]) {
    if (refusal === undefined) continue;
    assert.equal(typeof refusal.message, 'string', 'a refusal without a message');
    assert.match(refusal.message, /^[a-z`].*[^.]$/su, 'a message starts in lower case or with a backtick, without full stop');
    delete refusal.message;
  }
  return copy;
}
