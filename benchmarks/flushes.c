/* Counts and slows down what makes files durable: preloaded over fsync and fdatasync.

   The environment variable BENCH_FLUSH_BOARD names a file of at least 32 bytes, which
   all processes share: how many microseconds each flush is made longer, and how many
   there were of write-ahead logs (SQLite's and PostgreSQL's) and of other files. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct board {
    _Atomic uint64_t delay_us;
    _Atomic uint64_t logs;
    _Atomic uint64_t others;
};

static struct board *board;
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);

__attribute__((constructor)) static void start(void)
{
    const char *name = getenv("BENCH_FLUSH_BOARD");
    int file = name == NULL ? -1 : open(name, O_RDWR | O_CLOEXEC);

    real_fsync = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    if (file < 0)
        return;
    void *found = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (found != MAP_FAILED)
        board = found;
}

static void note(int file)
{
    char link[64], name[4096];

    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t size = readlink(link, name, sizeof name - 1);
    name[size < 0 ? 0 : size] = '\0';
    size_t end = strlen(name);
    int is_log = strstr(name, "/pg_wal/") != NULL
        || (end > 4 && strcmp(name + end - 4, "-wal") == 0);
    atomic_fetch_add(is_log ? &board->logs : &board->others, 1);

    uint64_t delay = atomic_load(&board->delay_us);
    struct timespec left = {delay / 1000000, delay % 1000000 * 1000};
    while (delay > 0 && nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

int fsync(int file)
{
    if (board != NULL)
        note(file);
    return real_fsync(file);
}

int fdatasync(int file)
{
    if (board != NULL)
        note(file);
    return real_fdatasync(file);
}
