// The line protocol over streams of bytes. The component answers text of bounded length; what cannot be text, or be held
// in memory, is dealt with here. With an adapter, `adapt` requests are answered too.

import { Buffer, isUtf8 } from 'node:buffer';
import { adaptReply } from './adapt.js';
import { ErrorCode } from './enums.js';

/** A line over this is refused whatever it holds, so no more of it is kept. */
const LINE_BYTES = 65_536;
/** When gathered lines are handed over: with one more line, they still fit a batch. */
const CHUNK_BYTES = (1 << 20) - LINE_BYTES - 1024;
const LF = 0x0a;
const BYTE_ORDER_MARK = '\ufeff';
const BYTE_ORDER_MARK_BYTES = Buffer.from(BYTE_ORDER_MARK);
/** One byte over the limit is enough to know, and the stream's byte-order mark does not count. */
const KEPT_BYTES = LINE_BYTES + BYTE_ORDER_MARK_BYTES.length + 1;
const TOO_LONG = 'x'.repeat(LINE_BYTES + 1);
const BLANK = /^[ \t\r]*$/;

const NOT_UTF8 = `${JSON.stringify({
  error: { code: ErrorCode.InvalidUtf8, field: 'request', message: 'the line is not UTF-8' },
})}\n`;

/**
 * Replies to the request lines of a stream, in order, as soon as they can be given. Each piece that is yielded is one or
 * more reply lines.
 *
 * @param {AsyncIterable<Uint8Array> | Iterable<Uint8Array>} input
 */
export async function* answerLines(input, identity, adapter) {
  const lines = new Lines(identity, adapter);
  for await (const bytes of input) {
    const replies = lines.take(bytes);
    if (replies !== '') yield replies;
  }
  const replies = lines.end();
  if (replies !== '') yield replies;
}

class Lines {
  #identity;
  #adapter;
  /** The start of a line whose end has not come, cut to what can matter. */
  #pieces = [];
  #piecesBytes = 0;
  #atStart = true;
  /** Lines for the next call. */
  #chunk = [];
  #chunkBytes = 0;
  #replies = '';

  constructor(identity, adapter) {
    this.#identity = identity;
    this.#adapter = adapter;
  }

  /** Takes the next bytes; gives the replies to all lines that ended in them. */
  take(given) {
    if (!(given instanceof Uint8Array)) throw new TypeError('a stream of request lines is made of Uint8Array');
    const bytes = Buffer.from(given.buffer, given.byteOffset, given.byteLength);
    let start = 0;
    for (let end = bytes.indexOf(LF); end !== -1; end = bytes.indexOf(LF, start)) {
      this.#keep(bytes.subarray(start, end));
      this.#endLine();
      start = end + 1;
    }
    // What is kept for later must not change with the caller's buffer.
    this.#keep(Buffer.from(bytes.subarray(start, start + KEPT_BYTES)));
    return this.#give();
  }

  /** The replies to what is left: a last line needs no end. */
  end() {
    this.#endLine();
    return this.#give();
  }

  #give() {
    this.#answerChunk();
    const replies = this.#replies;
    this.#replies = '';
    return replies;
  }

  #keep(piece) {
    const room = KEPT_BYTES - this.#piecesBytes;
    if (piece.length === 0 || room === 0) return;
    this.#pieces.push(piece.length > room ? piece.subarray(0, room) : piece);
    this.#piecesBytes = Math.min(this.#piecesBytes + piece.length, KEPT_BYTES);
  }

  #endLine() {
    let line = this.#pieces.length === 1 ? this.#pieces[0] : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#piecesBytes = 0;
    if (this.#atStart && line.subarray(0, BYTE_ORDER_MARK_BYTES.length).equals(BYTE_ORDER_MARK_BYTES)) {
      line = line.subarray(BYTE_ORDER_MARK_BYTES.length);
    }
    this.#atStart = false;
    this.#addLine(line);
  }

  #addLine(line) {
    if (this.#chunkBytes > CHUNK_BYTES) this.#answerChunk();
    if (line.length > LINE_BYTES) {
      // The component refuses it by its length; which bytes they are does not matter any more.
      this.#push(TOO_LONG, TOO_LONG.length);
    } else if (isUtf8(line)) {
      const text = line.utf8Slice();
      // Only a stream may start with a mark, and this is the middle of one.
      if (this.#chunk.length === 0 && text.startsWith(BYTE_ORDER_MARK)) this.#push('', 0);
      this.#push(text, line.length);
    } else {
      this.#answerChunk();
      this.#replies += NOT_UTF8;
    }
  }

  #push(line, bytes) {
    this.#chunk.push(line);
    this.#chunkBytes += bytes + 1;
  }

  #answerChunk() {
    if (this.#chunk.length === 0) return;
    const chunk = this.#chunk;
    this.#chunk = [];
    this.#chunkBytes = 0;
    const replies = this.#identity.batch(`${chunk.join('\n')}\n`);
    if (this.#adapter === undefined) {
      this.#replies += replies;
      return;
    }
    const given = replies.split('\n');
    const requests = chunk.filter((line) => !BLANK.test(line));
    requests.forEach((request, index) => {
      this.#replies += `${adaptReply(this.#adapter, request, given[index]) ?? given[index]}\n`;
    });
  }
}
