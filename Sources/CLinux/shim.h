/* SPDX-License-Identifier: BSD-2-Clause */
/* What Glibc's module map leaves out, and wrappers for what Swift cannot call: variadic functions. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static inline int clinux_open(const char *path, int flags, mode_t mode) {
    return open(path, flags, mode);
}

static inline int clinux_fcntl_int(int fd, int command, int argument) {
    return fcntl(fd, command, argument);
}

static inline int clinux_errno(void) {
    return errno;
}

/* prctl is variadic; pthread_setname_np and accept4 are declared for _GNU_SOURCE only. */
static inline int clinux_name_this_thread(const char *name) {
    return prctl(PR_SET_NAME, name, 0, 0, 0);
}

extern int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);

/* SIG_IGN is a cast. */
static inline void clinux_ignore_signal(int signal_number) {
    signal(signal_number, SIG_IGN);
}
