// SPDX-License-Identifier: BSD-2-Clause
//
// Counts the allocations of the process that it is preloaded into, all threads together, in the first
// eight bytes of the file that ALLOCATION_COUNT names. Built and read by observe.py. It calls glibc's
// own allocator by the names that glibc exports for this.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

static uint64_t before_start;
static uint64_t *count = &before_start;

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("ALLOCATION_COUNT");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *page = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (page != MAP_FAILED)
        count = page;
    if (file >= 0)
        close(file);
}

static void add(void) { __atomic_fetch_add(count, 1, __ATOMIC_RELAXED); }

void *malloc(size_t size) { return add(), __libc_malloc(size); }
void *calloc(size_t number, size_t size) { return add(), __libc_calloc(number, size); }
void *realloc(void *old, size_t size) { return add(), __libc_realloc(old, size); }
void *memalign(size_t alignment, size_t size) { return add(), __libc_memalign(alignment, size); }
void *aligned_alloc(size_t alignment, size_t size) { return add(), __libc_memalign(alignment, size); }

int posix_memalign(void **result, size_t alignment, size_t size)
{
    add();
    *result = __libc_memalign(alignment, size);
    return *result ? 0 : ENOMEM;
}
