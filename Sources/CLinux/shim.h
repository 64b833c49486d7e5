/* SPDX-License-Identifier: BSD-2-Clause */
/* What Glibc's module map leaves out, and wrappers for what Swift cannot call: variadic functions. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static inline int clinux_open(const char *path, int flags, mode_t mode) {
    return open(path, flags, mode);
}

static inline int clinux_fcntl_int(int fd, int command, int argument) {
    return fcntl(fd, command, argument);
}
