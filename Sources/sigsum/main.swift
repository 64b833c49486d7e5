// SPDX-License-Identifier: BSD-2-Clause
//
// The executable: everything is in SigsumDaemon, where tests reach it.

import Glibc
import SigsumDaemon

exit(run(CommandLine.arguments))
