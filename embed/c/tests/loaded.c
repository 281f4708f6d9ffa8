/*
 * The library as a plug-in loads it: found by name, used, and given back. A host's own handling of a fault goes on
 * working, and giving the library back does not take it away. Prints "held" and ends with 0.
 */
#include <provident.h>

#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOLDS(what) ((what) ? (void)0 : broken(__LINE__, #what))

static sigjmp_buf before_fault;
static volatile sig_atomic_t faults;

static void broken(int line, const char *what)
{
    printf("line %d: %s\n", line, what);
    exit(1);
}

static void on_fault(int signal)
{
    (void)signal;
    faults++;
    siglongjmp(before_fault, 1);
}

/* Faults in the host's own code, which the host's own handler must be told of. */
static void fault(void)
{
    static int *volatile nowhere;
    if (sigsetjmp(before_fault, 1) == 0) {
        *nowhere = 1;
    }
}

/* A function of the library. POSIX lets an object pointer become one of a function; C does not say how. */
static void find(void *library, const char *name, void *function)
{
    void *found = dlsym(library, name);
    HOLDS(found != NULL);
    memcpy(function, &found, sizeof found);
}

int main(int count, char **given)
{
    int32_t (*identity_open)(provident_handle *, provident_bytes *);
    int32_t (*close_handle)(provident_handle, provident_bytes *);
    struct sigaction handling;
    memset(&handling, 0, sizeof handling);
    handling.sa_handler = on_fault;
    HOLDS(count == 2 && sigaction(SIGSEGV, &handling, NULL) == 0);
    fault();
    HOLDS(faults == 1);

    void *library = dlopen(given[1], RTLD_NOW | RTLD_LOCAL);
    HOLDS(library != NULL);
    find(library, "provident_identity_open", &identity_open);
    find(library, "provident_close", &close_handle);
    provident_handle identity;
    provident_bytes out;
    HOLDS(identity_open(&identity, &out) == PROVIDENT_ANSWERED);
    fault();
    HOLDS(faults == 2);

    HOLDS(close_handle(identity, &out) == PROVIDENT_ANSWERED);
    HOLDS(dlclose(library) == 0);
    HOLDS(dlopen(given[1], RTLD_NOW | RTLD_NOLOAD) != NULL);
    fault();
    HOLDS(faults == 3);
    puts("held");
    return 0;
}
