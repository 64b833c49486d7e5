/* SPDX-License-Identifier: BSD-2-Clause */
/* The resolver of the C library; its use is in Sources/Transport/Names. */

/* The structures of socket addresses are CLinux's, for Swift files that import both. */
#pragma clang module import CLinux

#include <arpa/nameser.h>
#include <resolv.h>

/* These names are macros for other names. */
static inline int cresolver_init(res_state state) {
    return res_ninit(state);
}

static inline void cresolver_close(res_state state) {
    res_nclose(state);
}
