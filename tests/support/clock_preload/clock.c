/*
 * Moves the wall clock of one process, and nothing else: loaded by LD_PRELOAD, it adds an offset to what the process
 * is told of CLOCK_REALTIME. The monotonic clock, sleeping and the kernel's time-outs stay as they are, as they do when
 * somebody sets the clock of a machine.
 *
 * The offset is a signed number of nanoseconds, 8 bytes in the file that STATSCACHE_TEST_CLOCK names. The file is
 * mapped, so that whoever writes to it moves the clock of a process that runs.
 *
 * With STATSCACHE_TEST_OLD_WAITS=1 time-outs of semaphores run on the wall clock, as they do for a Python that was
 * built for a C library without sem_clockwait, and so do its locks and events.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
/* How long a wait on the wall clock sleeps before it looks at the clock again. */
#define LOOK 5000000LL

static const volatile int64_t *offset;
static int old_waits;
static int (*real_sem_clockwait)(sem_t *, clockid_t, const struct timespec *);

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("STATSCACHE_TEST_CLOCK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *mapped = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) {
        fprintf(stderr, "STATSCACHE_TEST_CLOCK is %s, which cannot be mapped\n", path ? path : "not set");
        _exit(99);
    }
    close(fd);
    offset = mapped;
    old_waits = getenv("STATSCACHE_TEST_OLD_WAITS") != NULL;
    real_sem_clockwait = dlsym(RTLD_NEXT, "sem_clockwait");
}

static int64_t nanoseconds(const struct timespec *time)
{
    return time->tv_sec * SECOND + time->tv_nsec;
}

static void put(struct timespec *time, int64_t value)
{
    time->tv_sec = value / SECOND - (value % SECOND < 0);
    time->tv_nsec = (value % SECOND + SECOND) % SECOND;
}

static int is_wall(clockid_t clock)
{
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI;
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    int failed = (int)syscall(SYS_clock_gettime, clock, time);
    if (!failed && offset && is_wall(clock))
        put(time, nanoseconds(time) + *offset);
    return failed;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *place)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (place)
        *place = now.tv_sec;
    return now.tv_sec;
}

int timespec_get(struct timespec *time, int base)
{
    return base == TIME_UTC && !clock_gettime(CLOCK_REALTIME, time) ? base : 0;
}

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return nanoseconds(&now);
}

/* Wait until the wall clock, as the process has it, shows this time. */
static int wait_by_wall(sem_t *semaphore, int64_t until)
{
    while (sem_trywait(semaphore)) {
        struct timespec pause = {0, LOOK};
        if (errno != EAGAIN)
            return -1;
        if (read_clock(CLOCK_REALTIME) >= until) {
            errno = ETIMEDOUT;
            return -1;
        }
        if (syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &pause, NULL))
            return -1; /* errno is EINTR */
    }
    return 0;
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until)
{
    return wait_by_wall(semaphore, nanoseconds(until));
}

int sem_clockwait(sem_t *restrict semaphore, clockid_t clock, const struct timespec *restrict until)
{
    if (!is_wall(clock) && !old_waits)
        return real_sem_clockwait(semaphore, clock, until);
    return wait_by_wall(semaphore, nanoseconds(until) - read_clock(clock) + read_clock(CLOCK_REALTIME));
}
