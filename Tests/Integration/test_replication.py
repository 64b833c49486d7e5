# SPDX-License-Identifier: BSD-2-Clause
#
# A primary and its one secondary: what both have, what 200 says, and what goes on, or waits, when
# one of them is away.

import hashlib
import random
import signal
import threading
import time

import harness
import wire
from secondary import Secondary, assert_same_tree, freeze, set_secondaries
from secondary_case import IS_LONG, SecondaryCase


class Pair(SecondaryCase):
    def test_leaves_and_tree_heads(self):
        """Over the ends of several slabs, in the primary's order."""
        primary, secondary = self.pair()
        self.assertEqual(secondary.wait_until_size(0).root_hash, hashlib.sha256().digest())
        with self.load(primary, connections=8) as load:
            load.wait_for_answers(700)
        size = len(primary.leaves())
        assert_same_tree(primary, secondary, size)
        self.assertEqual(secondary.leaves(), primary.leaves())
        self.assertEqual(secondary.leaves(size - 5, internal=True), primary.leaves()[:size - 5])
        self.assert_nothing_lost(primary, load.answered)
        self.assert_no_trouble(primary)
        self.assert_no_trouble(secondary)
        self.assert_stopped_well(primary, secondary)

    def test_200_says_that_the_secondary_has_it(self):
        primary, secondary = self.pair()
        with primary.connect() as connection:
            for number in range(40):
                leaf = self.leaf(number)
                self.until(lambda: self.post(connection, leaf) == 200, "200")
                # Asked at once, and only once.
                head = secondary.secondary_tree_head()
                self.assertEqual(head.size, number + 1)
                answer = secondary.get(f"/get-leaves/{number}/{number + 1}", internal=True)
                self.assertEqual(wire.parse_leaves(answer.body), [leaf.encoded])

    def test_200_comes_at_once(self):
        """Between our own nodes no poll is waited for: whatever the interval."""
        primary = self.log([], 0, interval="1h", min_interval="10ms")
        secondary = self.secondary(primary, interval="1h")
        set_secondaries(primary, [secondary])
        primary.start(), secondary.start()
        self.add(primary, self.leaves(1))
        firsts: list[int] = []

        def add_one() -> bool:
            firsts.append(primary.post_leaf(self.leaf(len(firsts) + 1)).status)
            return firsts.count(200) > 25

        # A machine that is busy may keep any of them waiting for more than 100 ms.
        self.until(add_one, "first requests that are answered 200")
        self.assertLessEqual(set(firsts), {200, 202})
        primary.tree_head(size_at_least=len(firsts) + 1)

    def test_the_lines_of_a_start(self):
        primary, secondary = self.pair()
        primary.wait_for_line(r"\[INFO\] secondaries: 1; a leaf counts as logged when 1 of them "
                              r"hold it$")
        primary.wait_for_line(rf"\[INFO\] secondary {secondary.internal_url}/?, key hash "
                              rf"{secondary.key_hash.hex()}$")
        for pattern in (rf", key hash {secondary.key_hash.hex()}$",
                        rf"store {secondary.store}, 0 leaves$",
                        rf"primary {primary.internal_url}/?$",
                        "caught up with the primary: 0 leaves$"):
            secondary.wait_for_line(rf"\[INFO\] .*{pattern}")
        with harness.Log() as alone:
            alone.wait_for_line(r"\[INFO\] no secondaries: a leaf counts as logged when it is "
                                "durable on this machine$")

    def test_one_secondary_by_a_table(self):
        primary = self.log([], 0)
        secondary = self.secondary(primary).start()
        set_secondaries(primary, [secondary], quorum=1, uses_tables=True)
        primary.start()
        self.add(primary, self.leaves(1))
        self.assertEqual(secondary.size, 1)

    def test_url_prefixes(self):
        primary = self.log([], 0, url_prefix="a/b")
        secondary = self.secondary(primary.internal_url + "/a/b", url_prefix="c")
        set_secondaries(primary, [secondary])
        primary.options["secondary_url"] += "/c"
        primary.start(), secondary.start()
        self.until(lambda: primary.request("POST", "/a/b/add-leaf", self.leaf(0).body).status
                   == 200)
        head = secondary.get("/c/get-secondary-tree-head", internal=True)
        self.assertEqual(wire.parse_tree_head(head.body).size, 1)
        self.assertEqual(secondary.get("/get-secondary-tree-head", internal=True).status, 404)
        self.assertEqual(secondary.get("/metrics", internal=True).status, 200)

    def test_a_new_node_is_filled_from_a_secondary(self):
        primary, secondary = self.pair()
        with self.load(primary, connections=8) as load:
            load.wait_for_answers(600)
        size = len(primary.leaves())
        secondary.wait_until_size(size)
        # The primary is not needed for it.
        self.assert_stopped_well(primary)
        filled = self.secondary(secondary).start()
        head = assert_same_tree(secondary, filled, size)
        self.assertTrue(head.is_signed_by(filled.public_key))
        self.assert_stopped_well(filled)


class Endpoints(SecondaryCase):
    @classmethod
    def setUpClass(cls):
        cls.primary = harness.Log(min_interval="10ms")
        cls.addClassCleanup(cls.primary.close)
        cls.node = cls.enterClassContext(Secondary(cls.primary))
        set_secondaries(cls.primary, [cls.node])
        cls.enterClassContext(cls.primary)
        for number in range(3):
            cls.primary.add_leaf(number)

    def test_external(self):
        """404 to everything."""
        leaf = self.leaf(0)
        with self.node.connect() as connection:
            for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
                for target in ("/", "/get-tree-head", "/get-leaves/0/1", "/get-leaves/1/0",
                               "/get-secondary-tree-head", "/metrics", "/add-leaf", "/get-leaves/",
                               f"/get-inclusion-proof/2/{leaf.hash.hex()}", "/x/../get-tree-head",
                               "/get-consistency-proof/1/2", "/favicon.ico", "/get-leaves"):
                    body = leaf.body if method == "POST" else None
                    answer = connection.request(method, target, body)
                    self.assertEqual(answer.status, 404, f"{method} {target}")

    def test_internal(self):
        for target, status in (
            ("/get-secondary-tree-head", 200), ("/get-secondary-tree-head?size=0", 200),
            ("/get-secondary-tree-head?size=2", 200), ("/get-secondary-tree-head?other=x", 200),
            ("/get-secondary-tree-head?size=x", 400), ("/get-secondary-tree-head?size=", 400),
            ("/get-secondary-tree-head?size=-1", 400), ("/get-secondary-tree-head?size=01", 400),
            ("/get-secondary-tree-head?size=9223372036854775808", 400),
            ("/get-secondary-tree-head/", 404), ("/get-secondary-tree-head/1", 404),
            ("/get-leaves/0/3", 200), ("/get-leaves/0/1000", 200), ("/get-leaves/3/4", 404),
            ("/get-leaves/4/5", 400), ("/get-leaves/1/1", 400), ("/get-leaves/x/1", 400),
            ("/metrics", 200), ("/", 404), ("/get-tree-head", 404), ("/add-leaf", 404),
            ("/get-consistency-proof/1/2", 404),
        ):
            with self.subTest(target):
                answer = self.node.get(target, internal=True)
                self.assertEqual(answer.status, status, answer.text)
                if status >= 400:
                    self.assertEqual(answer.field("Content-Type"), "text/plain; charset=utf-8")

    def test_methods(self):
        for target in ("/get-secondary-tree-head", "/get-leaves/0/1", "/metrics"):
            answer = self.node.request("POST", target, b"x", internal=True)
            self.assertEqual(answer.status, 405, target)
            self.assertRegex(answer.field("Allow"), r"\bGET\b")
            answer = self.node.request("HEAD", target, internal=True)
            self.assertEqual((answer.status, answer.body), (200, b""))

    def test_the_primary_has_no_secondary_tree_head(self):
        self.assertEqual(self.primary.get("/get-secondary-tree-head", internal=True).status, 404)
        self.assertEqual(self.primary.get("/get-secondary-tree-head").status, 404)

    def test_the_same_tree_is_signed_the_same_each_time(self):
        bodies = {self.node.head_response().body for _ in range(20)}
        self.assertEqual(len(bodies), 1)


class Away(SecondaryCase):
    """While the secondary is away leaves are stored and wait, reads go on; then it is back."""

    def setUp(self):
        super().setUp()
        # Leaves that wait for longer than that, and two intervals, are worth a line.
        self.primary, self.node = self.pair(timeout="500ms")
        self.add(self.primary, self.leaves(3))
        self.primary.tree_head(size_at_least=3)

    def wait_in_vain(self, first: int, last: int) -> None:
        """Leaves that are not published, however often the log publishes."""
        for leaf in self.leaves(last - first, start=first):
            self.assert_waits(self.primary, leaf)
        self.wait_for_rounds(self.primary)
        self.assert_reads(self.primary, 3)
        # Sent again it is still not on the secondary; one that is, is.
        self.assert_waits(self.primary, self.leaf(first))
        self.assertEqual(self.primary.post_leaf(self.leaf(0)).status, 200)
        self.assertEqual(self.value(self.primary, "tree_size_leaves", state="replicated"), 3)
        self.assertEqual(self.value(self.primary, "tree_size_leaves", state="committed"), last)
        self.assertEqual(self.value(self.primary, "signing_halted"), 0)

    def assert_goes_on(self, size: int, start: int) -> None:
        """`start`: of the lines since it waits."""
        head = self.primary.tree_head(size_at_least=size)
        self.assertEqual(head.size, size)
        for leaf in self.leaves(size):
            self.assertEqual(self.primary.post_leaf(leaf).status, 200)
        self.primary.wait_for_line(r"\[INFO\] publishing goes on: the required secondaries hold "
                                   r"\d+ leaves$", start)
        assert_same_tree(self.primary, self.node, size)
        self.add(self.primary, [self.leaf(size)])
        self.primary.tree_head(size_at_least=size + 1)

    def test_stopped_and_killed(self):
        size = 3
        for end in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(end):
                self.setUp()
                start = len(self.primary.lines)
                self.node.stop(end)
                self.node.assert_audit()
                self.wait_in_vain(size, size + 2)
                line = self.primary.wait_for_line(r"publishing waits", start)
                self.assertRegex(line, r"\[WARN\] publishing waits: the required secondaries hold "
                                       r"3 of \d leaves$")
                self.primary.wait_for_line(
                    rf"\[INFO\] secondary {self.node.internal_url}/?: no tree head: ", start)
                self.node.start()
                self.assert_goes_on(size + 2, start)
                self.primary.wait_for_line(rf"\[INFO\] secondary {self.node.internal_url}/?: "
                                           r"answers again, failures before: \d+$", start)
                # However many attempts there were, each thing is said once.
                for begins, ends in (("no tree head", "answers again"),
                                     ("publishing waits", "publishing goes on")):
                    self.assertEqual(self.said(self.primary, begins, ends, start)[:2],
                                     [begins, ends])

    def test_hung(self):
        """SIGSTOP: connections stay open and nothing comes; afterwards it goes on as it was."""
        start = len(self.primary.lines)
        freeze(self.node)
        self.addCleanup(self.node.process.send_signal, signal.SIGCONT)
        self.wait_in_vain(3, 5)
        self.primary.wait_for_line(r"\[WARN\] publishing waits", start)
        self.node.process.send_signal(signal.SIGCONT)
        self.assert_goes_on(5, start)

    def test_the_primary_starts_meanwhile(self):
        """What waits still waits after a restart, and is published when the secondary is back."""
        self.node.kill()
        for end in (signal.SIGTERM, signal.SIGKILL):
            self.primary.stop(end)
            self.primary.assert_audit()
            start = len(self.primary.lines)
            self.primary.start()
            self.assert_reads(self.primary, 3)
            self.wait_for_rounds(self.primary)
            for leaf in self.leaves(2, start=3):
                self.assert_waits(self.primary, leaf)
            # It may be said before the second of them is sent.
            self.primary.wait_for_line(r"\[WARN\] publishing waits: the required secondaries hold "
                                       r"3 of [45] leaves$", start)
            self.assert_reads(self.primary, 3)
        self.node.start()
        self.assert_goes_on(5, start)

    def test_the_primary_is_away(self):
        """The secondary serves what it has, says so once, and follows again by itself."""
        for end in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(end):
                self.setUp()
                self.primary.stop(end)
                self.node.wait_for_line(rf"\[WARN\] primary {self.primary.internal_url}/?: ")
                self.assertEqual(self.node.size, 3)
                self.assertEqual(len(self.node.leaves()), 3)
                self.primary.start()
                self.add(self.primary, [self.leaf(3)])
                assert_same_tree(self.primary, self.node, 4)
                self.node.wait_for_line(
                    r"\[INFO\] primary .*: answers again, failures before: \d+$")
                self.assertEqual(len(self.lines(self.node, r"\[WARN\]")), 1, self.node.output)

    def test_the_primary_hangs(self):
        """SIGSTOP: the secondary gives up waiting, says so once, and goes on afterwards."""
        self.assertEqual(self.node.stop(), 0)
        self.node.options["timeout"] = "500ms"
        start = len(self.node.lines)
        self.node.start()
        self.node.wait_for_line("caught up", start)
        fails = rf"\[WARN\] primary {self.primary.internal_url}/?: "
        again = r"\[INFO\] primary .*: answers again, failures before: \d+$"
        freeze(self.primary)
        try:
            # It may have been late before, without being stopped.
            self.until(lambda: self.said(self.node, fails, again, start)[-1:] == [fails])
            self.assertEqual(self.node.size, 3)
        finally:
            self.primary.process.send_signal(signal.SIGCONT)
        self.add(self.primary, self.leaves(5))
        assert_same_tree(self.primary, self.node, 5)
        self.until(lambda: self.said(self.node, fails, again, start)[-1:] == [again])
        self.assertEqual(self.lines(self.node, r"\[WARN\]", start),
                         self.lines(self.node, fails, start))

    def test_a_secondary_that_was_wiped(self):
        """It is filled again; what it had before it does not have to be told."""
        self.assertEqual(self.node.stop(), 0)
        for file in self.node.store.iterdir():
            file.unlink()
        self.node.store.rmdir()
        self.node.start()
        assert_same_tree(self.primary, self.node, 3)
        self.add(self.primary, [self.leaf(3)])
        self.primary.tree_head(size_at_least=4)
        assert_same_tree(self.primary, self.node, 4)


class Kills(SecondaryCase):
    COUNT = 100 if IS_LONG else 12

    def test_the_secondary_under_load(self):
        """Killed anywhere in its commits, it is sound and goes on where it was."""
        primary, secondary = self.pair()
        watcher = self.watch(primary)
        load = self.load(primary, connections=4)
        chance = random.Random()
        began = time.monotonic()
        for turn in range(self.COUNT):
            load.wait_for_answers(chance.randrange(1, 40))
            # What is random is the moment.
            threading.Event().wait(chance.uniform(0, 0.02))
            secondary.kill()
            secondary.assert_audit()
            secondary.start()
        load.wait_for_answers(20)
        load.end()
        print(f"     {self.COUNT} kills of the secondary in {time.monotonic() - began:.1f} s: "
              f"{dict(load.statuses)}")
        assert_same_tree(primary, secondary, len(primary.leaves()))
        self.assert_nothing_lost(primary, load.answered, [watcher])
        self.assertEqual(self.lines(primary, r"\[(ERRO|FATA)\]"), [])
        self.assertEqual(self.lines(secondary, r"\[(ERRO|FATA)\]"), [])
        self.assert_stopped_well(primary, secondary)

    def test_the_primary_under_load(self):
        """No leaf that was answered 200 is lost, and the secondary never has another tree."""
        primary, secondary = self.pair()
        watcher = self.watch(primary)
        load = self.load(primary, connections=4)
        chance = random.Random()
        for turn in range(self.COUNT):
            load.wait_for_answers(chance.randrange(1, 40))
            threading.Event().wait(chance.uniform(0, 0.02))
            primary.kill()
            primary.assert_audit()
            primary.start()
        load.wait_for_answers(20)
        load.end()
        assert_same_tree(primary, secondary, len(primary.leaves()))
        self.assert_nothing_lost(primary, load.answered, [watcher])
        self.assertEqual(self.lines(primary, r"\[(ERRO|FATA)\]"), [])
        self.assertEqual(self.lines(secondary, r"\[(ERRO|FATA)\]"), [])
        self.assert_stopped_well(primary, secondary)


class Metrics(SecondaryCase):
    def test_promtool_finds_nothing_wrong(self):
        promtool = harness.tool("promtool", "prometheus")
        primary, secondary = self.pair()
        self.add(primary, self.leaves(3))
        for log in (primary, secondary):
            page = log.get("/metrics", internal=True)
            judged = harness.run(promtool, "check", "metrics", input=page.text)
            self.assertEqual((judged.returncode, judged.stdout + judged.stderr), (0, ""))

    def test_what_they_count(self):
        primary, secondary = self.pair()
        self.add(primary, self.leaves(5))
        primary.tree_head(size_at_least=5)
        # Of the last leaf, too: 200 came when the primary knew.
        url = next(iter({match for match in primary.metrics()
                         if match.startswith("secondary_tree_size_leaves")}))
        self.assertIn(f'secondary="{secondary.internal_url}', url)
        for name, labels, value in (
            ("secondary_tree_size_leaves", {}, 5), ("secondary_rejected_total", {}, 0),
            ("tree_size_leaves", {"state": "replicated"}, 5),
            ("tree_size_leaves", {"state": "published"}, 5),
        ):
            self.assertEqual(self.value(primary, name, **labels), value, name)
        self.assertGreaterEqual(self.value(primary, "replication_duration_seconds_count"), 1)
        # One answer may tell of all leaves.
        self.assertGreaterEqual(self.value(primary, "secondary_requests_total", status="200"), 1)
        for name, labels, value in (
            ("tree_size_leaves", {"state": "committed"}, 5), ("committed_leaves_total", {}, 5),
            ("replication_halted", {}, 0),
        ):
            self.assertEqual(self.value(secondary, name, **labels), value, name)
        self.assertGreaterEqual(self.value(secondary, "commit_duration_seconds_count"), 1)
        self.assertGreaterEqual(self.value(secondary, "replication_requests_total", status="200"),
                                1)
        self.assertGreater(self.value(secondary, "store_free_bytes"), 0)
        self.assertLess(abs(self.value(secondary, "replication_caught_up_timestamp_seconds")
                            - time.time()), 60)
        # There may be some from before its first start.
        failed = self.value(primary, "secondary_requests_total", status="none")
        secondary.kill()
        self.until_value(primary, failed + 1, "secondary_requests_total", status="none")
        self.assertEqual(self.value(primary, "secondary_tree_size_leaves"), 5)
        primary.kill()

    def test_each_is_documented(self):
        """docs/metrics.md has a row for every metric of a secondary."""
        page = (harness.ROOT / "docs/metrics.md").read_text()
        with self.secondary("http://127.0.0.1:9") as secondary:
            families = [line.split()[2:4] for line in secondary.get(
                "/metrics", internal=True).text.splitlines() if line.startswith("# TYPE ")]
        self.assertGreater(len(families), 5)
        for name, kind in families:
            self.assertRegex(page, rf"(?m)^\| `{name.removeprefix('sigsum_log_')}(\{{[\w,]*\}})?` "
                                   rf"\| {kind} \|")
