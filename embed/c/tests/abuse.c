/*
 * What a careless caller does to the library: every call must be refused with the code and field that are told, and
 * the library must work as before.
 *
 *     abuse FOLDER SHA256     identity.wasm, cut.wasm, altered.wasm and empty.wasm are in FOLDER; SHA256 is the first's
 *
 * Prints "held" and ends with 0, or says which line was not as it must be and ends with 1.
 */
#include <provident.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <dirent.h>
#include <unistd.h>

#define HOLDS(what) ((what) ? (void)0 : broken(__LINE__, #what))

static void broken(int line, const char *what)
{
    printf("line %d: %s\n", line, what);
    exit(1);
}

static const uint8_t *bytes(const char *text)
{
    return (const uint8_t *)text;
}

/* Whether a call was refused with this code and field. Frees what it said. */
static int refused(int32_t status, provident_bytes out, const char *code, const char *field)
{
    char expected[128];
    int length = snprintf(expected, sizeof expected, "{\"code\":\"%s\",\"field\":\"%s\",\"message\":\"", code, field);
    int is_so = status == PROVIDENT_REFUSED && out.length > (size_t)length
        && memcmp(out.data, expected, (size_t)length) == 0 && out.data[out.length - 1] == '}';
    if (!is_so) {
        printf("expected %s, status is %d: %.*s\n", expected, (int)status, (int)out.length, (const char *)out.data);
    }
    provident_bytes_free(out);
    return is_so;
}

#define REFUSED(call, code, field)                                                                                    \
    do {                                                                                                              \
        provident_bytes out = {NULL, 77};                                                                             \
        int32_t status = (call);                                                                                      \
        HOLDS(refused(status, out, code, field));                                                                     \
    } while (0)

#define ANSWERED(call)                                                                                                \
    do {                                                                                                              \
        provident_bytes out = {NULL, 77};                                                                             \
        int32_t status = (call);                                                                                      \
        if (status != PROVIDENT_ANSWERED) {                                                                           \
            printf("%.*s\n", (int)out.length, (const char *)out.data);                                                \
        }                                                                                                             \
        provident_bytes_free(out);                                                                                    \
        HOLDS(status == PROVIDENT_ANSWERED);                                                                          \
    } while (0)

static void nowhere(provident_handle identity, provident_handle adapter)
{
    provident_handle opened = 77;
    provident_bytes out = {NULL, 77};
    HOLDS(provident_identity_open(NULL, &out) == PROVIDENT_NO_PLACE && out.data == NULL && out.length == 0);
    HOLDS(provident_identity_open(&opened, NULL) == PROVIDENT_NO_PLACE && opened == 0);
    HOLDS(provident_identity_open(NULL, NULL) == PROVIDENT_NO_PLACE);
    HOLDS(provident_identity_open_file(NULL, 0, NULL, 0, NULL, 0, NULL, NULL) == PROVIDENT_NO_PLACE);
    HOLDS(provident_adapter_open(bytes("fake"), 4, &opened, NULL) == PROVIDENT_NO_PLACE);
    HOLDS(provident_adapter_open_file(NULL, 0, NULL, 0, NULL, 0, NULL, NULL) == PROVIDENT_NO_PLACE);
    HOLDS(provident_about(identity, NULL) == PROVIDENT_NO_PLACE);
    HOLDS(provident_batch(identity, adapter, bytes("x\n"), 2, NULL) == PROVIDENT_NO_PLACE);
    HOLDS(provident_derive_flat(identity, NULL, 0, NULL) == PROVIDENT_NO_PLACE);
    HOLDS(provident_adapt(adapter, bytes("{}"), 2, NULL) == PROVIDENT_NO_PLACE);
    HOLDS(provident_close(identity, NULL) == PROVIDENT_NO_PLACE);
    ANSWERED(provident_about(identity, &out));
    provident_bytes_free((provident_bytes){NULL, 0});
    provident_bytes_free((provident_bytes){NULL, 5});
}

static void arguments(provident_handle identity, provident_handle adapter)
{
    provident_handle opened;
    static const char digest[] = "0000000000000000000000000000000000000000000000000000000000000000";
    REFUSED(provident_adapter_open(NULL, 4, &opened, &out), "invalid-argument", "name");
    REFUSED(provident_adapter_open(NULL, 0, &opened, &out), "component-unknown", "name");
    REFUSED(provident_adapter_open(bytes("\xff\xfe"), 2, &opened, &out), "invalid-utf8", "name");
    REFUSED(provident_adapter_open(bytes("fake\0x"), 6, &opened, &out), "component-unknown", "name");
    REFUSED(provident_adapter_open(bytes("identity"), 8, &opened, &out), "component-unknown", "name");
    REFUSED(provident_batch(identity, 0, NULL, 1, &out), "invalid-argument", "ndjson");
    REFUSED(provident_batch(identity, 0, bytes("x"), SIZE_MAX, &out), "invalid-argument", "ndjson");
    REFUSED(provident_derive_flat(identity, NULL, 32, &out), "invalid-argument", "records");
    REFUSED(provident_adapt(adapter, NULL, 2, &out), "invalid-argument", "document");
    REFUSED(provident_adapt(adapter, bytes("\"\xed\xa0\x80\""), 5, &out), "invalid-utf8", "document");
    REFUSED(provident_identity_open_file(NULL, 1, bytes(digest), 64, NULL, 0, &opened, &out), "invalid-argument", "path");
    REFUSED(provident_identity_open_file(NULL, 0, bytes(digest), 64, NULL, 0, &opened, &out), "invalid-argument", "path");
    REFUSED(provident_identity_open_file(bytes("a\0b"), 3, bytes(digest), 64, NULL, 0, &opened, &out),
        "invalid-argument", "path");
    REFUSED(provident_identity_open_file(bytes("a"), 1, bytes(digest), 63, NULL, 0, &opened, &out),
        "invalid-argument", "sha256");
    REFUSED(provident_identity_open_file(bytes("a"), 1, bytes("\xff"), 1, NULL, 0, &opened, &out),
        "invalid-utf8", "sha256");
    REFUSED(provident_identity_open_file(bytes("a"), 1, bytes(digest), 64, NULL, 1, &opened, &out),
        "invalid-argument", "cache");
    REFUSED(provident_identity_open_file(bytes("a"), 1, bytes(digest), 64, bytes(""), 0, &opened, &out),
        "invalid-argument", "cache");
    REFUSED(provident_identity_open_file(bytes("/no/such/file"), 13, bytes(digest), 64, NULL, 0, &opened, &out),
        "component-unreadable", "path");
    REFUSED(provident_adapter_open_file(bytes("/"), 1, bytes(digest), 64, NULL, 0, &opened, &out),
        "component-unreadable", "path");
    HOLDS(opened == 0);
}

/* Values of 10 MiB: what may be of any length is answered, what may not be is refused before it crosses. */
static void large(provident_handle identity, provident_handle adapter)
{
    size_t length = 10 << 20;
    uint8_t *data = malloc(length);
    HOLDS(data != NULL);
    memset(data, 'x', length);
    REFUSED(provident_derive_flat(identity, data, length, &out), "input-too-large", "records");
    REFUSED(provident_adapt(adapter, data, length, &out), "input-too-large", "document");
    provident_handle opened;
    REFUSED(provident_adapter_open(data, length, &opened, &out), "component-unknown", "name");
    provident_bytes out;
    HOLDS(provident_batch(identity, adapter, data, length, &out) == PROVIDENT_ANSWERED);
    static const char reply[] = "{\"error\":{\"code\":\"request-too-large\",\"field\":\"request\",";
    HOLDS(out.length > sizeof reply && memcmp(out.data, reply, sizeof reply - 1) == 0);
    HOLDS(memchr(out.data, '\n', out.length) == out.data + out.length - 1);
    provident_bytes_free(out);
    free(data);
}

/* Bytes that are not text, and NUL in the middle: every line has its own reply. */
static void lines(provident_handle identity)
{
    static const char given[] = "\xff\n{\"op\":\"about\"}\n\0\n";
    provident_bytes out;
    HOLDS(provident_batch(identity, 0, bytes(given), sizeof given - 1, &out) == PROVIDENT_ANSWERED);
    size_t replies = 0;
    for (size_t at = 0; at < out.length; at++) {
        replies += out.data[at] == '\n';
    }
    HOLDS(replies == 3);
    static const char first[] =
        "{\"error\":{\"code\":\"invalid-utf8\",\"field\":\"request\",\"message\":\"the line is not UTF-8\"}}\n{\"ok\":{";
    HOLDS(out.length > sizeof first && memcmp(out.data, first, sizeof first - 1) == 0);
    provident_bytes_free(out);
    HOLDS(provident_batch(identity, 0, NULL, 0, &out) == PROVIDENT_ANSWERED && out.data == NULL && out.length == 0);
    HOLDS(provident_derive_flat(identity, NULL, 0, &out) == PROVIDENT_ANSWERED && out.length == 0);
}

static void handles(provident_handle identity, provident_handle adapter)
{
    provident_handle again;
    REFUSED(provident_about(0, &out), "handle-closed", "handle");
    REFUSED(provident_about(UINT64_MAX, &out), "handle-closed", "handle");
    REFUSED(provident_batch(0, 0, NULL, 0, &out), "handle-closed", "identity");
    REFUSED(provident_batch(identity, 999, NULL, 0, &out), "handle-closed", "adapter");
    REFUSED(provident_batch(adapter, 0, NULL, 0, &out), "wrong-handle", "identity");
    REFUSED(provident_batch(identity, identity, NULL, 0, &out), "wrong-handle", "adapter");
    REFUSED(provident_derive_flat(adapter, NULL, 0, &out), "wrong-handle", "identity");
    REFUSED(provident_adapt(identity, bytes("{}"), 2, &out), "wrong-handle", "adapter");
    ANSWERED(provident_identity_open(&again, &out));
    HOLDS(again != identity && again != adapter && again != 0);
    ANSWERED(provident_close(again, &out));
    REFUSED(provident_close(again, &out), "handle-closed", "handle");
    REFUSED(provident_about(again, &out), "handle-closed", "handle");
    REFUSED(provident_derive_flat(again, NULL, 0, &out), "handle-closed", "identity");
    ANSWERED(provident_about(identity, &out));
}

static void join(char *path, size_t room, const char *folder, const char *name)
{
    HOLDS((size_t)snprintf(path, room, "%s/%s", folder, name) < room);
}

static int32_t open_file(const char *path, const char *sha256, const char *cache, provident_handle *opened,
    provident_bytes *out)
{
    return provident_identity_open_file(bytes(path), strlen(path), bytes(sha256), strlen(sha256), bytes(cache),
        cache == NULL ? 0 : strlen(cache), opened, out);
}

/* The one file in a folder. */
static void only_file(char *path, size_t room, const char *folder)
{
    DIR *entries = opendir(folder);
    HOLDS(entries != NULL);
    int files = 0;
    for (struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        if (entry->d_name[0] != '.') {
            join(path, room, folder, entry->d_name);
            files++;
        }
    }
    closedir(entries);
    HOLDS(files == 1);
}

static void component_files(provident_handle embedded, const char *folder, const char *sha256)
{
    static const char *const bad[] = {"cut.wasm", "altered.wasm", "empty.wasm"};
    char path[4096], cache[4096], kept[4096];
    provident_handle opened;
    join(cache, sizeof cache, folder, "cache");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        join(path, sizeof path, folder, bad[i]);
        REFUSED(open_file(path, sha256, cache, &opened, &out), "component-digest-mismatch", "sha256");
        REFUSED(open_file(path, sha256, NULL, &opened, &out), "component-digest-mismatch", "sha256");
    }
    join(path, sizeof path, folder, "identity.wasm");
    REFUSED(open_file(path, sha256, path, &opened, &out), "cache-unusable", "cache");
    ANSWERED(open_file(path, sha256, cache, &opened, &out));

    provident_bytes one, other;
    HOLDS(provident_about(embedded, &one) == PROVIDENT_ANSWERED);
    HOLDS(provident_about(opened, &other) == PROVIDENT_ANSWERED);
    HOLDS(one.length == other.length && memcmp(one.data, other.data, one.length) == 0);
    provident_bytes_free(one);
    provident_bytes_free(other);
    ANSWERED(provident_close(opened, &out));

    if (getenv("ABUSE_KEEPS_CACHE") == NULL) {
        struct stat before, after;
        only_file(kept, sizeof kept, cache);
        HOLDS(stat(kept, &before) == 0);
        HOLDS(truncate(kept, before.st_size / 2) == 0);
        ANSWERED(open_file(path, sha256, cache, &opened, &out));
        ANSWERED(provident_close(opened, &out));
        only_file(kept, sizeof kept, cache);
        HOLDS(stat(kept, &after) == 0 && after.st_size == before.st_size);
    }
    HOLDS(chmod(cache, 0777) == 0);
    REFUSED(open_file(path, sha256, cache, &opened, &out), "cache-not-private", "cache");
    HOLDS(chmod(cache, 0700) == 0);
    REFUSED(provident_adapter_open_file(bytes(path), strlen(path), bytes(sha256), 64, bytes(cache), strlen(cache), &opened,
                &out),
        "component-unusable", "path");
}

int main(int count, char **given)
{
    provident_handle identity, adapter;
    HOLDS(count == 3);
    ANSWERED(provident_identity_open(&identity, &out));
    ANSWERED(provident_adapter_open(bytes("fake"), 4, &adapter, &out));
    nowhere(identity, adapter);
    arguments(identity, adapter);
    handles(identity, adapter);
    lines(identity);
    large(identity, adapter);
    component_files(identity, given[1], given[2]);
    ANSWERED(provident_close(adapter, &out));
    ANSWERED(provident_close(identity, &out));
    puts("held");
    return 0;
}
