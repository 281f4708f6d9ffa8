// What is asked of every text before it crosses: that it can be UTF-8, and that it is not too long.

import { Buffer, isUtf8 } from 'node:buffer';
import { ComponentErrorCode, ErrorCode } from './enums.js';
import { ComponentError, IdentityError } from './error.js';

/** What the texts of one call may have together, in bytes of UTF-8. */
export const INPUT_BYTES = 1 << 20;
/** What one document for an adapter may have. */
export const DOCUMENT_BYTES = 8 << 20;

const LONE_SURROGATE = /\p{Surrogate}/u;

/** Whether a text is free of lone surrogates, which UTF-8 cannot hold. */
export const isWellFormed =
  typeof String.prototype.isWellFormed === 'function'
    ? (text) => text.isWellFormed()
    : (text) => !LONE_SURROGATE.test(text);

/** @throws IdentityError `invalid-utf8` */
export function checkWellFormed(text, field) {
  if (!isWellFormed(text)) {
    throw IdentityError.of(ErrorCode.InvalidUtf8, field, `\`${field}\` has a lone surrogate`);
  }
}

/** What a batch or document over its limit comes to. */
function inputTooLarge(bytes, limit) {
  return new ComponentError(ComponentErrorCode.InputTooLarge, `the input has ${bytes} bytes, over ${limit}`);
}

/** What a typed call over its limit comes to: a refusal, as that of a line. */
function requestTooLarge(bytes, limit) {
  return IdentityError.of(ErrorCode.RequestTooLarge, 'request', `the texts have ${bytes} bytes, over ${limit}`);
}

/**
 * Checks the size of the texts of one typed call.
 *
 * @throws IdentityError `request-too-large`
 */
export function checkBytes(bytes) {
  if (bytes > INPUT_BYTES) throw requestTooLarge(bytes, INPUT_BYTES);
}

/**
 * Checks the texts of one typed call.
 *
 * @param {readonly (readonly [field: string, text: string])[]} texts
 * @throws IdentityError `request-too-large`, `invalid-utf8`
 */
export function checkTexts(texts) {
  check(texts, INPUT_BYTES, requestTooLarge);
}

/** Their size together first, so that nothing long is looked at. */
function check(texts, limit, tooLarge) {
  let units = 0;
  for (const [, text] of texts) units += text.length;
  // No text has fewer bytes than UTF-16 units, and none has more than three times as many.
  if (units > limit) throw tooLarge(units, limit);
  for (const [field, text] of texts) checkWellFormed(text, field);
  if (units * 3 > limit) {
    let bytes = 0;
    for (const [, text] of texts) bytes += Buffer.byteLength(text);
    if (bytes > limit) throw tooLarge(bytes, limit);
  }
}

/**
 * A document or batch given as text or as its bytes, as checked text.
 *
 * @throws IdentityError `malformed-request` for anything else, `invalid-utf8`
 * @throws ComponentError `input-too-large`
 */
export function readText(given, field, limit) {
  if (typeof given === 'string') {
    check([[field, given]], limit, inputTooLarge);
    return given;
  }
  if (!(given instanceof Uint8Array)) {
    throw IdentityError.of(ErrorCode.MalformedRequest, field, `\`${field}\` is neither a string nor a Uint8Array`);
  }
  if (given.byteLength > limit) throw inputTooLarge(given.byteLength, limit);
  const bytes = readBytes(given, field);
  if (!isUtf8(bytes)) throw IdentityError.of(ErrorCode.InvalidUtf8, field, `\`${field}\` is not UTF-8`);
  return bytes.toString('utf8');
}

function readBytes(given, field) {
  try {
    return Buffer.from(given.buffer, given.byteOffset, given.byteLength);
  } catch {
    // Its memory was given away, to a worker for instance.
    throw IdentityError.of(ErrorCode.MalformedRequest, field, `\`${field}\` is a Uint8Array without its memory`);
  }
}
