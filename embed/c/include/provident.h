/*
 * Provident's identity component and provider adapters, for every language that can call C.
 *
 * Every call takes bytes as pointer and length, and answers PROVIDENT_ANSWERED, PROVIDENT_REFUSED or
 * PROVIDENT_NO_PLACE. What it has to say, the answer or the refusal, it puts into `out`, and the caller gives that back
 * with provident_bytes_free. What the caller lends is read during the call alone. Text is UTF-8. Any thread may call
 * any function at any time.
 *
 * Made of the Rust source; do not edit.
 */

#ifndef PROVIDENT_H
#define PROVIDENT_H

#include <stddef.h>
#include <stdint.h>

/**
 * The answer of a call that was answered: `out` holds it.
 */
#define PROVIDENT_ANSWERED 0

/**
 * The answer of a call that was refused: `out` holds one JSON object, {"code","field","message"}.
 */
#define PROVIDENT_REFUSED 1

/**
 * The answer of a call that had no place for what it answers: `out`, or where to put the handle, was NULL.
 */
#define PROVIDENT_NO_PLACE 2

/**
 * Something that is open. Never given twice; 0 is none. Any thread may use any handle at any time.
 */
typedef uint64_t provident_handle;

/**
 * Bytes of the library, yours until you give them back with `provident_bytes_free`. `data` is NULL when `length` is 0.
 * Text in them is UTF-8 and does not end in a NUL byte.
 */
typedef struct {
  /**
   * The bytes.
   */
  uint8_t *data;
  /**
   * How many there are.
   */
  size_t length;
} provident_bytes;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Opens the identity component this library carries. Nothing is compiled; opening it again shares what is loaded.
 *
 * The caller promises:
 * `opened` and `out` are NULL or places to write to.
 */
int32_t provident_identity_open(provident_handle *opened,
                                provident_bytes *out);

/**
 * Opens an identity component from a file, which must have this SHA-256 (64 hex digits in lower case). It is compiled
 * for this machine, which takes most of a second; in the folder `cache` the result is kept, so that the next process
 * opens it in a millisecond. `cache` NULL: nothing is kept. The folder is made if it is not there, and refused if
 * others than this user or root may write to it, since what is in it is run.
 *
 * The caller promises:
 * `path`, `sha256` and `cache` are NULL or point to as many bytes as their lengths say; `opened` and `out` are NULL or
 * places to write to.
 */
int32_t provident_identity_open_file(const uint8_t *path,
                                     size_t path_length,
                                     const uint8_t *sha256,
                                     size_t sha256_length,
                                     const uint8_t *cache,
                                     size_t cache_length,
                                     provident_handle *opened,
                                     provident_bytes *out);

/**
 * Opens the provider adapter of this name that this library carries. Nothing is compiled; opening it again shares what
 * is loaded.
 *
 * The caller promises:
 * `name` is NULL or points to `name_length` bytes; `opened` and `out` are NULL or places to write to.
 */
int32_t provident_adapter_open(const uint8_t *name,
                               size_t name_length,
                               provident_handle *opened,
                               provident_bytes *out);

/**
 * Opens a provider adapter from a file, in all else as `provident_identity_open_file`.
 *
 * The caller promises:
 * What that function asks for.
 */
int32_t provident_adapter_open_file(const uint8_t *path,
                                    size_t path_length,
                                    const uint8_t *sha256,
                                    size_t sha256_length,
                                    const uint8_t *cache,
                                    size_t cache_length,
                                    provident_handle *opened,
                                    provident_bytes *out);

/**
 * Closes a handle. A call under way in another thread is still answered; every later one is refused with
 * `handle-closed`, and so is closing again.
 *
 * The caller promises:
 * `out` is NULL or a place to write to.
 */
int32_t provident_close(provident_handle handle, provident_bytes *out);

/**
 * What is open under a handle, as one JSON object: `component` ("identity" or the adapter's name), `component_sha256`,
 * `engine`, `library_version`; then for an identity component `grammar_version`, `contract_version` and `limits`, for
 * an adapter `provider_key`, `version` and `entity_types`.
 *
 * The caller promises:
 * `out` is NULL or a place to write to.
 */
int32_t provident_about(provident_handle handle,
                        provident_bytes *out);

/**
 * Answers request lines with one reply line each, in order: the line protocol. Any length is taken, as one stream: a
 * byte-order mark at its start is ignored, blank lines have no reply, and what is wrong with a line is said in its
 * reply. With an `adapter`, requests to `adapt` are answered too; 0 is none.
 *
 * The caller promises:
 * `ndjson` is NULL or points to `length` bytes; `out` is NULL or a place to write to.
 */
int32_t provident_batch(provident_handle identity,
                        provident_handle adapter,
                        const uint8_t *ndjson,
                        size_t length,
                        provident_bytes *out);

/**
 * Derives many keys from a packed list, and answers with a packed list: the form for large numbers. At most 1 MiB; the
 * layout stands at `keys.derive-flat` in the contract and in the README.
 *
 * The caller promises:
 * `records` is NULL or points to `length` bytes; `out` is NULL or a place to write to.
 */
int32_t provident_derive_flat(provident_handle identity,
                              const uint8_t *records,
                              size_t length,
                              provident_bytes *out);

/**
 * Turns one raw document of a provider, of one object or many, into descriptors: one JSON object,
 * {"items":[{"descriptor":{…}}|{"error":{"position","code","field","message"}}]}, with an item for every object, in
 * order. At most 8 MiB of UTF-8.
 *
 * The caller promises:
 * `document` is NULL or points to `length` bytes; `out` is NULL or a place to write to.
 */
int32_t provident_adapt(provident_handle adapter,
                        const uint8_t *document,
                        size_t length,
                        provident_bytes *out);

/**
 * The version of this library, such as `0.1.0`, ending in NUL. It is the library's and lives as long.
 */
const char *provident_version(void);

/**
 * Gives back what a call has put into `out`. Empty ones may be given back too, or not.
 *
 * The caller promises:
 * The bytes were put into an `out` by this library, and were not given back before.
 */
void provident_bytes_free(provident_bytes bytes);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* PROVIDENT_H */
