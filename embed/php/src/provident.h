/* The part of provident.h that PHP calls, with `char` for bytes, so that a PHP string is passed as it is. */
typedef uint64_t provident_handle;
typedef struct { char *data; size_t length; } provident_bytes;

int32_t provident_identity_open(provident_handle *opened, provident_bytes *out);
int32_t provident_identity_open_file(const char *path, size_t path_length, const char *sha256, size_t sha256_length,
                                     const char *cache, size_t cache_length, provident_handle *opened,
                                     provident_bytes *out);
int32_t provident_adapter_open(const char *name, size_t name_length, provident_handle *opened, provident_bytes *out);
int32_t provident_adapter_open_file(const char *path, size_t path_length, const char *sha256, size_t sha256_length,
                                    const char *cache, size_t cache_length, provident_handle *opened,
                                    provident_bytes *out);
int32_t provident_close(provident_handle handle, provident_bytes *out);
int32_t provident_about(provident_handle handle, provident_bytes *out);
int32_t provident_batch(provident_handle identity, provident_handle adapter, const char *ndjson, size_t length,
                        provident_bytes *out);
int32_t provident_derive_flat(provident_handle identity, const char *records, size_t length, provident_bytes *out);
int32_t provident_adapt(provident_handle adapter, const char *document, size_t length, provident_bytes *out);
const char *provident_version(void);
void provident_bytes_free(provident_bytes bytes);
