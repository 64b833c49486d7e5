// SPDX-License-Identifier: BSD-2-Clause

// The sources as text.
