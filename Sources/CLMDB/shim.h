/* SPDX-License-Identifier: BSD-2-Clause */
/* The C API of LMDB; all its use is in Sources/TileStore/LMDB.swift. */
#include <lmdb.h>
