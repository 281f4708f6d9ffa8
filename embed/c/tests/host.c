/*
 * The library as a process, for the vectors: what comes on standard input goes through one form of asking, and what is
 * answered goes to standard output.
 *
 *     host about                    one JSON line: what this is
 *     host lines [--adapter NAME]   request lines, reply lines
 *     host flat                     a packed list of subjects, a packed list of keys
 *
 * Ends with 0 when everything was answered, refusals included; with 1, and the library's words on standard error, when
 * a call was not; with 2 when it was started wrongly.
 */
#include <provident.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What one call of the packed form takes, and what a record has before its texts. */
enum { FLAT_BYTES = 1 << 20, HEAD_BYTES = 32, TEXTS = 7 };

static const uint8_t *bytes(const char *text)
{
    return (const uint8_t *)text;
}

/* Ends the process unless a call was answered. */
static void expect_answer(int32_t status, provident_bytes out)
{
    if (status == PROVIDENT_ANSWERED) {
        return;
    }
    fwrite(out.data, 1, out.length, stderr);
    fputc('\n', stderr);
    exit(1);
}

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static void write_out(const uint8_t *data, size_t length)
{
    if (length > 0 && fwrite(data, 1, length, stdout) != length) {
        fail("standard output cannot be written");
    }
}

/* All of standard input; the caller frees it. */
static uint8_t *read_all(size_t *length)
{
    size_t room = 1 << 16;
    uint8_t *data = malloc(room);
    *length = 0;
    while (data != NULL) {
        *length += fread(data + *length, 1, room - *length, stdin);
        if (*length < room) {
            break;
        }
        room *= 2;
        uint8_t *larger = realloc(data, room);
        if (larger == NULL) {
            free(data);
        }
        data = larger;
    }
    if (data == NULL) {
        fail("there is not enough memory for standard input");
    }
    if (ferror(stdin)) {
        fail("standard input cannot be read");
    }
    return data;
}

static provident_handle open_identity(void)
{
    provident_handle identity;
    provident_bytes out;
    expect_answer(provident_identity_open(&identity, &out), out);
    return identity;
}

static provident_handle open_adapter(const char *name)
{
    provident_handle adapter;
    provident_bytes out;
    expect_answer(provident_adapter_open(bytes(name), strlen(name), &adapter, &out), out);
    return adapter;
}

static void close_handle(provident_handle handle)
{
    provident_bytes out;
    expect_answer(provident_close(handle, &out), out);
}

/* The text of a member of a JSON object as this library writes it; the caller frees it. No text asked for is escaped. */
static char *member(provident_bytes object, const char *name)
{
    char *json = malloc(object.length + 1);
    char pattern[64];
    if (json == NULL) {
        fail("there is not enough memory");
    }
    memcpy(json, object.data, object.length);
    json[object.length] = '\0';
    snprintf(pattern, sizeof pattern, "\"%s\":\"", name);
    char *start = strstr(json, pattern);
    char *end = start == NULL ? NULL : strchr(start + strlen(pattern), '"');
    if (end == NULL) {
        fail("what is told of a component lacks a member");
    }
    *end = '\0';
    start += strlen(pattern);
    memmove(json, start, strlen(start) + 1);
    return json;
}

static char *about_member(provident_handle handle, const char *name)
{
    provident_bytes out;
    expect_answer(provident_about(handle, &out), out);
    char *text = member(out, name);
    provident_bytes_free(out);
    return text;
}

static void about(void)
{
    static const char *const adapters[] = {"fake", "microsoft"};
    provident_handle identity = open_identity();
    char *engine = about_member(identity, "engine");
    char *sha256 = about_member(identity, "component_sha256");
    printf("{\"host\":\"c\",\"engine\":\"%s\",\"version\":\"%s\",\"components\":{\"identity\":\"%s\"", engine,
        provident_version(), sha256);
    free(engine);
    free(sha256);
    close_handle(identity);
    for (size_t i = 0; i < sizeof adapters / sizeof *adapters; i++) {
        provident_handle adapter = open_adapter(adapters[i]);
        sha256 = about_member(adapter, "component_sha256");
        printf(",\"%s\":\"%s\"", adapters[i], sha256);
        free(sha256);
        close_handle(adapter);
    }
    printf("},\"forms\":[\"lines\",\"flat\"]}\n");
}

static void lines(const char *adapter_name)
{
    provident_handle identity = open_identity();
    provident_handle adapter = adapter_name == NULL ? 0 : open_adapter(adapter_name);
    size_t length;
    uint8_t *requests = read_all(&length);
    provident_bytes replies;
    expect_answer(provident_batch(identity, adapter, requests, length, &replies), replies);
    write_out(replies.data, replies.length);
    provident_bytes_free(replies);
    free(requests);
    if (adapter != 0) {
        close_handle(adapter);
    }
    close_handle(identity);
}

/* How long the record is that starts here; all that is left where it does not end. */
static size_t record_length(const uint8_t *record, size_t left)
{
    uint64_t length = HEAD_BYTES;
    if (left < HEAD_BYTES) {
        return left;
    }
    for (int text = 0; text < TEXTS; text++) {
        const uint8_t *place = record + 4 + 4 * text;
        uint32_t text_length = (uint32_t)place[0] | (uint32_t)place[1] << 8 | (uint32_t)place[2] << 16
            | (uint32_t)place[3] << 24;
        length += text_length == UINT32_MAX ? 0 : text_length;
    }
    return length < left ? (size_t)length : left;
}

/* A call takes 1 MiB, so a longer list is cut where a record ends. */
static void flat(void)
{
    provident_handle identity = open_identity();
    size_t length;
    uint8_t *records = read_all(&length);
    for (size_t start = 0; start < length;) {
        size_t end = start;
        while (end < length) {
            size_t next = record_length(records + end, length - end);
            if (end > start && end - start + next > FLAT_BYTES) {
                break;
            }
            end += next;
        }
        provident_bytes keys;
        expect_answer(provident_derive_flat(identity, records + start, end - start, &keys), keys);
        write_out(keys.data, keys.length);
        provident_bytes_free(keys);
        start = end;
    }
    free(records);
    close_handle(identity);
}

int main(int count, char **arguments)
{
    const char *form = count > 1 ? arguments[1] : "";
    if (strcmp(form, "about") == 0 && count == 2) {
        about();
    } else if (strcmp(form, "lines") == 0 && count == 2) {
        lines(NULL);
    } else if (strcmp(form, "lines") == 0 && count == 4 && strcmp(arguments[2], "--adapter") == 0) {
        lines(arguments[3]);
    } else if (strcmp(form, "flat") == 0 && count == 2) {
        flat();
    } else {
        fprintf(stderr, "usage: host about | lines [--adapter NAME] | flat\n");
        return 2;
    }
    if (fflush(stdout) != 0) {
        fail("standard output cannot be written");
    }
    return 0;
}
