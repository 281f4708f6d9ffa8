/*
 * Many threads on the same handles, others opening and closing their own; then a forked process, and that one is left
 * alone with one thread. Everybody must get the same keys. Prints "held" and ends with 0.
 */
#include <provident.h>

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOLDS(what) ((what) ? (void)0 : broken(__LINE__, #what))

enum { THREADS = 8, ROUNDS = 40 };

static const char REQUEST[] =
    "{\"op\":\"derive\",\"input\":{\"identity\":{\"provider_key\":\"fake\",\"resource_type\":\"widget\","
    "\"provider_resource_id\":\"A:1\"},\"subject_class\":\"policy\",\"subject_type_key\":\"widgetPolicy\"}}\n"
    "{\"op\":\"adapt\",\"input\":{\"raw\":{}}}\n";

static provident_handle shared_identity, shared_adapter;
static provident_bytes expected;

static void broken(int line, const char *what)
{
    printf("line %d: %s\n", line, what);
    exit(1);
}

static void done(int32_t status, provident_bytes out)
{
    HOLDS(status == PROVIDENT_ANSWERED);
    provident_bytes_free(out);
}

static void open_both(provident_handle *identity, provident_handle *adapter)
{
    provident_bytes out;
    int32_t status = provident_identity_open(identity, &out);
    done(status, out);
    status = provident_adapter_open((const uint8_t *)"fake", 4, adapter, &out);
    done(status, out);
}

static void close_one(provident_handle handle)
{
    provident_bytes out;
    int32_t status = provident_close(handle, &out);
    done(status, out);
}

static provident_bytes ask(provident_handle identity, provident_handle adapter)
{
    provident_bytes out;
    HOLDS(provident_batch(identity, adapter, (const uint8_t *)REQUEST, strlen(REQUEST), &out) == PROVIDENT_ANSWERED);
    return out;
}

static void ask_and_compare(provident_handle identity, provident_handle adapter)
{
    provident_bytes out = ask(identity, adapter);
    HOLDS(out.length == expected.length && memcmp(out.data, expected.data, out.length) == 0);
    provident_bytes_free(out);
}

static void *work(void *own)
{
    for (int round = 0; round < ROUNDS; round++) {
        provident_handle identity = shared_identity, adapter = shared_adapter;
        if (own != NULL) {
            open_both(&identity, &adapter);
        }
        ask_and_compare(identity, adapter);
        if (own != NULL) {
            close_one(adapter);
            close_one(identity);
            provident_bytes out;
            HOLDS(provident_about(identity, &out) == PROVIDENT_REFUSED);
            provident_bytes_free(out);
        }
    }
    return NULL;
}

/* How many threads this process has, as Linux counts them. */
static int threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int count = 0;
    if (tasks == NULL) {
        return 1;
    }
    for (struct dirent *task = readdir(tasks); task != NULL; task = readdir(tasks)) {
        count += task->d_name[0] != '.';
    }
    closedir(tasks);
    return count;
}

int main(void)
{
    pthread_t started[THREADS];
    open_both(&shared_identity, &shared_adapter);
    expected = ask(shared_identity, shared_adapter);
    HOLDS(expected.length > 0);
    HOLDS(threads() == 1);

    for (int i = 0; i < THREADS; i++) {
        HOLDS(pthread_create(&started[i], NULL, work, i % 2 == 0 ? NULL : &started[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        HOLDS(pthread_join(started[i], NULL) == 0);
    }
    HOLDS(threads() == 1);

    pid_t child = fork();
    HOLDS(child >= 0);
    if (child == 0) {
        ask_and_compare(shared_identity, shared_adapter);
        work(&child);
        _exit(0);
    }
    int status = 1;
    HOLDS(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ask_and_compare(shared_identity, shared_adapter);

    provident_bytes_free(expected);
    close_one(shared_adapter);
    close_one(shared_identity);
    puts("held");
    return 0;
}
