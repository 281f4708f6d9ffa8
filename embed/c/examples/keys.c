/*
 * Derives keys: one by the line protocol, one packed, and one from a document as a provider gives it; then shows what
 * a refusal looks like.
 *
 *     cc -std=c99 -I embed/c/include embed/c/examples/keys.c -L target/release -lprovident_c -o keys
 *     LD_LIBRARY_PATH=target/release ./keys
 */
#include <provident.h>

#include <stdio.h>
#include <string.h>

/* Prints what a call has answered and gives it back. The answer of the call itself goes through. */
static int32_t show(const char *what, int32_t status, provident_bytes out)
{
    printf("%s%s: ", what, status == PROVIDENT_REFUSED ? " (refused)" : "");
    fwrite(out.data, 1, out.length, stdout);
    if (out.length == 0 || out.data[out.length - 1] != '\n') {
        putchar('\n');
    }
    provident_bytes_free(out);
    return status;
}

/* Adds a number of four bytes, lowest first. */
static size_t put_u32(uint8_t *place, uint32_t number)
{
    for (int byte = 0; byte < 4; byte++) {
        place[byte] = (uint8_t)(number >> (8 * byte));
    }
    return 4;
}

/*
 * Packs one subject: class and flags, the lengths of seven texts, the texts. NULL is absent. The caller has made sure
 * that there is room.
 */
static size_t pack(uint8_t *place, uint8_t subject_class, uint8_t flags, const char *const texts[7])
{
    size_t length = 0;
    place[length++] = subject_class;
    place[length++] = flags;
    place[length++] = 0;
    place[length++] = 0;
    for (int text = 0; text < 7; text++) {
        length += put_u32(place + length, texts[text] == NULL ? UINT32_MAX : (uint32_t)strlen(texts[text]));
    }
    for (int text = 0; text < 7; text++) {
        if (texts[text] != NULL) {
            memcpy(place + length, texts[text], strlen(texts[text]));
            length += strlen(texts[text]);
        }
    }
    return length;
}

static int32_t batch(provident_handle identity)
{
    static const char request[] =
        "{\"id\":\"1\",\"op\":\"derive\",\"input\":{\"identity\":{\"provider_key\":\"fake\",\"resource_type\":\"widget\","
        "\"provider_resource_id\":\"A:1\",\"tenant_owned\":true},\"subject_class\":\"policy\","
        "\"subject_type_key\":\"widgetPolicy\"}}\n";
    provident_bytes out;
    int32_t status = provident_batch(identity, 0, (const uint8_t *)request, strlen(request), &out);
    return show("batch", status, out);
}

static int32_t flat(provident_handle identity)
{
    enum { POLICY = 0, TENANT_OWNED = 8 };
    static const char *const texts[7] = {"fake", "widget", "A:1", NULL, NULL, NULL, "widgetPolicy"};
    uint8_t records[256];
    size_t length = pack(records, POLICY, TENANT_OWNED, texts);
    provident_bytes out;
    int32_t status = provident_derive_flat(identity, records, length, &out);
    if (status != PROVIDENT_ANSWERED) {
        return show("flat", status, out);
    }
    /* One record came in, so one is there: four bytes, of which the last two are the length of the key, then the key. */
    if (out.length < 4 || out.data[0] != 0) {
        printf("flat: refused with code %d in field %d\n", out.data[0], out.data[1]);
    } else {
        printf("flat: %.*s\n", out.data[2] | out.data[3] << 8, (const char *)out.data + 4);
    }
    provident_bytes_free(out);
    return status;
}

static int32_t adapt(void)
{
    static const char name[] = "microsoft";
    static const char document[] =
        "{\"@odata.type\":\"#microsoft.graph.windows10GeneralConfiguration\","
        "\"id\":\"6F1D1F5A-3A0B-4C52-9B0E-0C7C2F1E1B11\",\"displayName\":\"Kiosk\"}";
    provident_handle adapter;
    provident_bytes out;
    int32_t status = provident_adapter_open((const uint8_t *)name, strlen(name), &adapter, &out);
    if (status != PROVIDENT_ANSWERED) {
        return show("adapter", status, out);
    }
    status = provident_adapt(adapter, (const uint8_t *)document, strlen(document), &out);
    show("adapt", status, out);
    int32_t closed = provident_close(adapter, &out);
    provident_bytes_free(out);
    return status != PROVIDENT_ANSWERED ? status : closed;
}

/* A call that is refused, which is what this shows: a handle that was never given. */
static int32_t refusal(void)
{
    provident_bytes out;
    int32_t status = provident_derive_flat(12345, NULL, 0, &out);
    return show("unknown handle", status, out) == PROVIDENT_REFUSED ? PROVIDENT_ANSWERED : PROVIDENT_NO_PLACE;
}

int main(void)
{
    provident_handle identity;
    provident_bytes out;
    printf("provident %s\n", provident_version());
    int32_t status = provident_identity_open(&identity, &out);
    if (status != PROVIDENT_ANSWERED) {
        show("open", status, out);
        return 1;
    }
    int failed = batch(identity) != PROVIDENT_ANSWERED || flat(identity) != PROVIDENT_ANSWERED
        || adapt() != PROVIDENT_ANSWERED || refusal() != PROVIDENT_ANSWERED;
    status = provident_close(identity, &out);
    provident_bytes_free(out);
    return failed || status != PROVIDENT_ANSWERED;
}
