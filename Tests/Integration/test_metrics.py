# SPDX-License-Identifier: BSD-2-Clause
#
# The metrics as Prometheus judges them: promtool reads what the log serves after it has been used.

import unittest

import harness


class Metrics(unittest.TestCase):
    def test_promtool_finds_nothing_wrong(self):
        promtool = harness.tool("promtool", "prometheus")
        with harness.Log(min_interval="100ms") as log:
            log.add_leaf(1)
            log.tree_head(size_at_least=1)
            log.get("/get-leaves/0/1")
            log.get("/get-leaves/1/0")
            log.get("/nothing")
            answer = log.get("/metrics", internal=True)
        self.assertEqual(answer.status, 200)
        self.assertIn("sigsum_log_", answer.text)
        judged = harness.run(promtool, "check", "metrics", input=answer.text)
        # It exits with 3 where it only has advice; that is not clean either.
        self.assertEqual((judged.returncode, judged.stdout + judged.stderr), (0, ""))
