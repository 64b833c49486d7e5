# SPDX-License-Identifier: BSD-2-Clause
#
# The metrics as Prometheus judges them: promtool reads what the log serves after it has been used.

import re
import time
import unittest

import harness
import wire


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

    def test_counters(self):
        """What is done to a log shows in its counters, by the numbers."""
        with harness.Log(min_interval="0s", interval="1h") as log:
            log.tree_head()
            leaves = [wire.Leaf.numbered(log.signer, number) for number in range(5)]
            for leaf in leaves:
                self.assertEqual(log.post_leaf(leaf).status, 200)
            log.tree_head(size_at_least=5)
            # Known and published: nothing is done for it.
            self.assertEqual(log.post_leaf(leaves[0]).status, 200)
            bad = wire.Leaf(leaves[0].message, bytes(64), leaves[0].public_key)
            for _ in range(2):
                self.assertEqual(log.post_leaf(bad).status, 403)
            for target, status in (("/get-leaves/0/5", 200), ("/get-leaves/5/4", 400), ("/x", 404),
                                   ("/get-consistency-proof/1/5", 200), ("/", 200),
                                   (f"/get-inclusion-proof/5/{leaves[0].hash.hex()}", 200),
                                   (f"/get-inclusion-proof/5/{bytes(32).hex()}", 404)):
                self.assertEqual(log.get(target).status, status)
            with log.connect() as connection:
                connection.send(b"nonsense\r\n\r\n")
                self.assertEqual(connection.read_response().status, 400)
            log.get("/get-leaves/0/5", internal=True)

            metrics = log.metrics()
            for name, value in {
                'tree_size_leaves{state="committed"}': 5, 'tree_size_leaves{state="signed"}': 5,
                'tree_size_leaves{state="published"}': 5, "committed_leaves_total": 5,
                "commit_duration_seconds_count": 5, "held_requests": 0,
                "signing_failures_total": 0, 'leaf_signatures_total{outcome="valid"}': 5,
                'leaf_signatures_total{outcome="invalid"}': 2, "http_malformed_requests_total": 1,
                "http_connections_refused_total": 0, 'build_info{version="%s"}' % self.version: 1,
            }.items():
                self.assertEqual(metrics[name], value, name)
            for endpoint, status, count in (
                ("add-leaf", 200, 6), ("add-leaf", 403, 2), ("get-leaves", 200, 2),
                ("get-leaves", 400, 1), ("other", 404, 1), ("info", 200, 1),
                ("get-consistency-proof", 200, 1), ("get-inclusion-proof", 200, 1),
                ("get-inclusion-proof", 404, 1),
            ):
                labels = f'{{endpoint="{endpoint}",status="{status}"}}'
                name = f"http_request_duration_seconds_count{labels}"
                self.assertEqual(metrics[name], count, name)
            self.assertLess(abs(metrics["published_timestamp_seconds"] - time.time()), 60)
            self.assertGreater(metrics["store_free_bytes"], 0)
            self.assertGreaterEqual(metrics["signing_duration_seconds_count"], 1)

    def test_each_is_documented(self):
        """docs/metrics.md has a row for every metric of a primary, with its type, and no other."""
        sections = (harness.ROOT / "docs/metrics.md").read_text().split("\n## ")
        page = "\n".join(section for section in sections
                         if section.startswith(("Every node\n", "A primary\n",
                                                "Rate limits and submit tokens\n")))
        rows = re.findall(r"^\| `(\w+)(?:\{[\w,]*\})?` \| (\w+) \|", page, re.MULTILINE)
        with harness.Log() as log:
            page = log.get("/metrics", internal=True).body.decode()
        families = re.findall(r"^# TYPE sigsum_log_(\w+) (\w+)$", page, re.MULTILINE)
        self.assertEqual(sorted(rows), sorted(families))

    def test_histograms_add_up(self):
        with harness.Log(min_interval="0s") as log:
            log.add_leaves([wire.Leaf.numbered(log.signer, number) for number in range(50)])
            metrics = log.metrics()
            name = 'http_request_duration_seconds_%s{endpoint="add-leaf",status="200"%s}'
            self.assertEqual(metrics[name % ("count", "")], 50)
            self.assertEqual(metrics[name % ("bucket", ',le="+Inf"')], 50)
            prefix = (name % ("bucket", ""))[:-1]
            buckets = [value for key, value in metrics.items() if key.startswith(prefix)]
            self.assertEqual(buckets, sorted(buckets))

    @property
    def version(self) -> str:
        return harness.run(harness.BINARY, "--version").stdout.split()[1]
