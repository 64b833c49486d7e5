/* SPDX-License-Identifier: BSD-2-Clause */
/* The C API of libidn2; all its use is in Sources/LogService/RateLimits/IDN.swift. */
#define IDN2_SKIP_LIBIDN_COMPAT
#include <idn2.h>
