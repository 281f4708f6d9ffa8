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

/** @throws ComponentError `input-too-large` */
export function checkBytes(bytes, limit) {
  if (bytes > limit) {
    throw new ComponentError(ComponentErrorCode.InputTooLarge, `the input has ${bytes} bytes, over ${limit}`);
  }
}

/**
 * Checks the texts of one call: their size together first, so that nothing long is looked at.
 *
 * @param {readonly (readonly [field: string, text: string])[]} texts
 */
export function checkTexts(texts, limit) {
  let units = 0;
  for (const [, text] of texts) units += text.length;
  // No text has fewer bytes than UTF-16 units, and none has more than three times as many.
  checkBytes(units, limit);
  for (const [field, text] of texts) checkWellFormed(text, field);
  if (units * 3 > limit) {
    let bytes = 0;
    for (const [, text] of texts) bytes += Buffer.byteLength(text);
    checkBytes(bytes, limit);
  }
}

/**
 * A document or batch given as text or as its bytes, as checked text.
 *
 * @throws IdentityError `malformed-request` for anything else, `invalid-utf8`
 */
export function readText(given, field, limit) {
  if (typeof given === 'string') {
    checkTexts([[field, given]], limit);
    return given;
  }
  if (!(given instanceof Uint8Array)) {
    throw IdentityError.of(ErrorCode.MalformedRequest, field, `\`${field}\` is neither a string nor a Uint8Array`);
  }
  checkBytes(given.byteLength, limit);
  if (!isUtf8(given)) throw IdentityError.of(ErrorCode.InvalidUtf8, field, `\`${field}\` is not UTF-8`);
  return Buffer.from(given.buffer, given.byteOffset, given.byteLength).toString('utf8');
}
