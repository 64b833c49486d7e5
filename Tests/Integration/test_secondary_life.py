# SPDX-License-Identifier: BSD-2-Clause
#
# What happens to logs with secondaries over the years: secondaries join and leave, the quorum is
# changed, disks fill up or fail, certificates stand between the nodes, and everything is stopped in
# the middle of something.

import contextlib
import os
import pathlib
import shutil
import signal
import tempfile
import threading
import time

import harness
import merkle
import wire
from scripted_nodes import ScriptedPrimary, ScriptedSecondary, made_leaves
from secondary import Secondary, assert_same_tree, freeze, set_secondaries
from secondary_case import WAITS_BODY, SecondaryCase
from test_witness_tls import Authority


class Changes(SecondaryCase):
    def test_a_secondary_joins(self):
        """A log that ran alone: what is published stays, what comes waits until it has all."""
        primary = self.log([], 0).start()
        primary.add_leaves(self.leaves(300))
        primary.tree_head(size_at_least=300)
        self.assertEqual(primary.stop(), 0)
        node = self.secondary(primary)
        set_secondaries(primary, [node])
        primary.start()
        self.assertEqual(primary.tree_head().size, 300)
        self.assert_waits(primary, self.leaf(300))
        # One that was published is logged, whoever has it.
        self.assertEqual(primary.post_leaf(self.leaf(0)).status, 200)
        self.wait_for_rounds(primary)
        self.assertEqual(primary.tree_head().size, 300)
        node.start()
        self.assertEqual(primary.tree_head(size_at_least=301).size, 301)
        assert_same_tree(primary, node, 301)

    def test_the_last_one_leaves(self):
        """Without secondaries all that is committed counts at once."""
        primary, node = self.pair()
        self.add(primary, self.leaves(2))
        primary.tree_head(size_at_least=2)
        node.kill()
        self.assert_waits(primary, self.leaf(2))
        self.assertEqual(primary.stop(), 0)
        set_secondaries(primary, [], uses_tables=True)
        primary.start()
        self.assertEqual(primary.tree_head(size_at_least=3).size, 3)
        self.assertEqual(primary.post_leaf(self.leaf(3)).status, 200)

    def test_the_quorum_is_changed(self):
        primary, (one, two) = self.cluster(2)
        self.add(primary, self.leaves(2))
        primary.tree_head(size_at_least=2)
        two.kill()
        self.assert_waits(primary, self.leaf(2))
        self.assertEqual(primary.stop(), 0)
        set_secondaries(primary, [one, two], 1)
        primary.start()
        self.assertEqual(primary.tree_head(size_at_least=3).size, 3)
        self.add(primary, [self.leaf(3)])
        primary.tree_head(size_at_least=4)
        # Back to two: nothing is taken back, and what comes waits for the other.
        self.assertEqual(primary.stop(), 0)
        set_secondaries(primary, [one, two], 2)
        primary.start()
        self.assert_waits(primary, self.leaf(4))
        self.wait_for_rounds(primary)
        self.assert_reads(primary, 4)
        two.start()
        self.assertEqual(primary.tree_head(size_at_least=5).size, 5)

    def test_one_that_keeps_nothing(self):
        """`backend=ephemeral`: each start begins with nothing, and copies all."""
        primary = self.log([], 0)
        node = self.secondary(primary, backend="ephemeral", store_dir=None)
        set_secondaries(primary, [node])
        primary.start(), node.start()
        for size in (3, 6):
            self.add(primary, self.leaves(size))
            assert_same_tree(primary, node, size)
            self.assertEqual(node.stop(), 0)
            node.start()

    def test_a_chain(self):
        """A secondary of a secondary follows as quickly as it."""
        primary, node = self.pair()
        last = self.secondary(node, interval="1h").start()
        self.add(primary, self.leaves(20))
        assert_same_tree(primary, last, 20)


class Copies(SecondaryCase):
    """A store of an earlier day, brought back by its operator."""

    def aged(self) -> tuple[harness.Log, Secondary]:
        """A pair of five leaves, with copies in `copy` of the stores when they had three."""
        primary, node = self.pair()
        self.add(primary, self.leaves(3))
        primary.tree_head(size_at_least=3)
        self.assertEqual((primary.stop(), node.stop()), (0, 0))
        for log in (primary, node):
            shutil.copytree(log.store, log.folder / "copy")
        shutil.copy(primary.sth_file, primary.folder / "copy-sth")
        primary.start(), node.start()
        self.add(primary, self.leaves(5))
        primary.tree_head(size_at_least=5)
        return primary, node

    def test_of_a_secondary(self):
        """It is copied again what it lost, and nothing that is published is taken back."""
        primary, node = self.aged()
        node.kill()
        shutil.rmtree(node.store)
        shutil.copytree(node.folder / "copy", node.store)
        self.assert_waits(primary, self.leaf(5))
        node.start()
        self.assertEqual(primary.tree_head(size_at_least=6).size, 6)
        assert_same_tree(primary, node, 6)
        self.assertEqual(self.lines(primary, r"\[(ERRO|FATA)\]"), [])
        self.assertEqual(self.lines(node, r"\[(ERRO|FATA)\]"), [])

    def test_of_the_primary(self):
        """Also without witnesses nothing else is signed: its secondary has seen more."""
        primary, node = self.aged()
        primary.kill()
        shutil.rmtree(primary.store)
        shutil.copytree(primary.folder / "copy", primary.store)
        shutil.copy(primary.folder / "copy-sth", primary.sth_file)
        sth = primary.sth_file.read_bytes()
        primary.start()
        node.wait_for_line(r"\[FATA\] replication stopped: the primary has fewer leaves than the 5 "
                           r"here$")
        primary.wait_for_line(r"\[ERRO\] secondary .*: tree head rejected: it has 5 leaves, this "
                              r"log 3$")
        for number in range(10, 15):
            self.assert_waits(primary, self.leaf(number))
        self.wait_for_rounds(primary)
        self.assert_reads(primary, 3)
        self.assertEqual(primary.sth_file.read_bytes(), sth)
        self.assertEqual(node.leaves(), [leaf.encoded for leaf in self.leaves(5)])


class Repeats(SecondaryCase):
    """An add-leaf sent again is held until its leaf is published, or `add-leaf-wait` is over."""

    def start(self, **options) -> None:
        self.primary = self.log([], 0, **options)
        self.node = self.enterContext(ScriptedSecondary(self.primary))
        # From the beginning: it may be about to ask what there is beyond.
        self.node.limit = 0
        self.scripted(self.primary, self.node)
        self.assert_waits(self.primary, self.leaf(0))

    def test_until_it_is_published(self):
        self.start(add_leaf_wait="25s")
        with self.primary.connect() as connection:
            connection.send(connection.encode("POST", "/add-leaf", self.leaf(0).body))
            self.wait_for_rounds(self.primary)
            self.assertFalse(connection.has_bytes, "answered too early")
            self.node.limit = 1
            self.assertEqual(connection.read_response().status, 200)
        self.assertEqual(self.primary.tree_head().size, 1)

    def test_until_the_wait_is_over(self):
        self.start(add_leaf_wait="300ms")
        began = time.monotonic()
        self.assert_waits(self.primary, self.leaf(0))
        self.assertGreaterEqual(time.monotonic() - began, 0.29)

    def test_until_the_end_of_the_primary(self):
        """Neither kind of wait holds up an end, or is left without an answer."""
        self.start(add_leaf_wait="25s")
        with self.primary.connect() as old, self.primary.connect() as new:
            old.send(old.encode("POST", "/add-leaf", self.leaf(0).body))
            new.send(new.encode("POST", "/add-leaf", self.leaf(1).body))
            self.until_value(self.primary, 1, "held_requests")
            self.until_value(self.primary, 2, "tree_size_leaves", state="committed")
            self.assertEqual(self.primary.stop(), 0)
            for connection in (old, new):
                answer = connection.read_response()
                self.assertEqual((answer.status, answer.text), (202, WAITS_BODY))

    def test_many_that_wait(self):
        """Hundreds of leaves at a time, each answered 202, and later all are published."""
        self.start()

        def send(number: int) -> int:
            return self.primary.post_leaf(self.leaf(number)).status

        statuses = harness.in_parallel(send, range(1, 201))
        self.assertEqual(set(statuses), {202})
        self.node.limit = None
        self.primary.tree_head(size_at_least=201)
        self.assertEqual(set(harness.in_parallel(send, range(1, 201))), {200})


class Ends(SecondaryCase):
    """An end is prompt, whatever the other node does."""

    def test_beside_one_that_hangs(self):
        primary, node = self.pair(timeout="25s")
        self.add(primary, self.leaves(2))
        for hung, other in ((node, primary), (primary, node)):
            freeze(hung)
            try:
                began = time.monotonic()
                self.assertEqual(other.stop(), 0)
                # Far less than any time-out of a request.
                self.assertLess(time.monotonic() - began, 15)
            finally:
                hung.process.send_signal(signal.SIGCONT)
            other.start()
        self.add(primary, self.leaves(4))
        assert_same_tree(primary, node, 4)

    def test_in_the_middle_of_copying(self):
        """What is committed stays, and the next start goes on with it."""
        leaves = made_leaves(40_000)
        primary = self.enterContext(ScriptedPrimary(max_range=500))
        node = self.secondary(primary)
        for turn, end in enumerate((signal.SIGTERM, signal.SIGKILL, signal.SIGTERM), start=1):
            # However far it came in the turn before, there are 20 answers more.
            primary.set_leaves(leaves[:10_000 * turn])
            start = len(primary.requests)
            node.start()
            primary.wait_for_requests(start + 12)
            self.assertEqual(node.stop(end), 0 if end == signal.SIGTERM else -end)
            node.assert_audit()
        primary.set_leaves(leaves)
        node.start()
        head = node.wait_until_size(len(leaves))
        hashes = list(map(merkle.hash_leaf, leaves))
        self.assertEqual(head.root_hash, merkle.roots(hashes, [len(leaves)])[len(leaves)])
        self.assertEqual(self.lines(node, r"\[(WARN|ERRO|FATA)\]"), [])


class TLS(SecondaryCase):
    """Either node's URL may be https; its certificate is checked as a witness's."""

    @classmethod
    def setUpClass(cls):
        folder = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="sigsum-tls-"))
        cls.authority = Authority(pathlib.Path(folder))
        cls.context = cls.authority.context("node", "IP:127.0.0.1")

    def trusting(self, server: harness.Log) -> harness.Log:
        server.environment = lambda: harness.Log.environment(server) | {
            "SSL_CERT_FILE": str(self.authority.file), "SSL_CERT_DIR": "/nonexistent"}
        return server

    def test_a_secondary(self):
        primary = self.trusting(self.log([], 0))
        node = self.enterContext(ScriptedSecondary(primary, tls=self.context))
        self.scripted(primary, node)
        self.add(primary, self.leaves(3))
        self.assertEqual(primary.tree_head(size_at_least=3).size, 3)

    def test_a_primary(self):
        leaves = made_leaves(1000)
        primary = self.enterContext(ScriptedPrimary(leaves, tls=self.context))
        node = self.trusting(self.secondary(primary)).start()
        node.wait_until_size(1000)
        self.assertEqual(node.leaves(), leaves)

    def test_certificates_that_nobody_trusts(self):
        primary = self.enterContext(ScriptedPrimary(
            made_leaves(3), tls=self.context))
        node = self.secondary(primary).start()
        node.wait_for_line(r"\[WARN\] primary https://[^\n]*certificate")
        self.assertEqual(node.size, 0)


class Devices(SecondaryCase):
    """A device that is full, or fails."""

    def test_a_full_disk(self):
        """Leaves are not copied, which is said once; serving goes on, and copying with space."""
        unshare = harness.tool("unshare", "util-linux")
        mount = 'mount -t tmpfs -o size=140m none "$1" && shift && exec "$@"'
        leaves = made_leaves(400)
        primary = self.enterContext(ScriptedPrimary(leaves[:10]))
        node = self.secondary(primary)
        node.store.mkdir()
        if harness.run(unshare, "-m", "sh", "-c", mount, "sh", node.store, "true").returncode != 0:
            self.skipTest("no file system can be mounted here")
        node.launch(prefix=[unshare, "-m", "sh", "-c", mount, "sh", node.store])
        node.wait_until_ready()
        node.wait_until_size(10)
        ballast = f"/proc/{node.process.pid}/root{node.store}/ballast"
        with open(ballast, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, 20 << 20)
        primary.set_leaves(leaves)
        node.wait_for_line(r"\[WARN\] leaves are not copied: [^\n]*full")
        self.assertEqual(node.size, 10)
        self.assertEqual(node.leaves(), leaves[:10])
        os.unlink(ballast)
        node.wait_for_line(r"\[INFO\] leaves are copied again$")
        node.wait_until_size(400)
        self.assertEqual(node.leaves(), leaves)
        self.assertEqual(len(self.lines(node, r"\[(WARN|ERRO|FATA)\]")), 1)
        # Others use the disk, too, also while there is nothing to copy.
        free_bytes = self.value(node, "store_free_bytes")
        with open(ballast, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, 1 << 20)
        self.until(lambda: self.value(node, "store_free_bytes") <= free_bytes - (1 << 20))
        self.assertEqual(node.stop(), 0)

    def test_writes_that_fail(self):
        """The process ends, in a line, or goes on; what is stored is sound either way."""
        strace = harness.tool("strace", "strace")
        leaves = made_leaves(600)
        rows = [("fdatasync", "error=EIO", n) for n in (1, 2)]
        rows += [("pwritev,pwrite64", "error=EIO", n) for n in (1, 2, 5)]
        rows += [("pwritev,pwrite64", "error=ENOSPC", 3), ("fdatasync", "error=ENOSPC", 3)]
        for calls, error, number in rows:
            with self.subTest(calls=calls, error=error, number=number):
                primary = self.enterContext(ScriptedPrimary(leaves[:300]))
                node = self.secondary(primary).start()
                node.wait_until_size(300)
                self.assertEqual(node.stop(), 0)
                node.launch([strace, "-D", "-f", "-qq", "-o", node.folder / "trace", "-P",
                             node.store / "data.mdb", "-e", f"trace={calls}",
                             "-e", f"inject={calls}:{error}:when={number}"])
                with contextlib.suppress(harness.StartFailed):
                    node.wait_until_ready()
                    # Commits of some leaves each, until one fails; that is the end.
                    for size in range(310, 600, 10):
                        primary.set_leaves(leaves[:size])
                        self.until(lambda: self.has_ended_or_has(node, size))
                self.assertEqual(node.wait(), 1, node.output)
                primary.set_leaves(leaves)
                self.assertTrue(self.lines(node, r"\[FATA\]|sigsum secondary: "), node.output)
                node.assert_audit()
                node.start()
                node.wait_until_size(600)
                self.assertEqual(node.leaves(), leaves)
                self.assert_stopped_well(node)

    def has_ended_or_has(self, node: Secondary, size: int) -> bool:
        """500 is all that a server can say whose last moments these are."""
        try:
            answer = node.head_response()
        except (OSError, wire.ConnectionClosed):
            return True
        return answer.status == 500 or wire.parse_tree_head(answer.body).size >= size

    def test_the_first_start(self):
        """Cut off anywhere, it is finished by the next."""
        for number in range(8):
            primary = self.enterContext(ScriptedPrimary(made_leaves(3)))
            node = self.secondary(primary)
            node.launch()
            threading.Event().wait(0.004 * number)
            node.kill()
            node.start()
            node.wait_until_size(3)
            self.assert_stopped_well(node)
