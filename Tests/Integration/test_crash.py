# SPDX-License-Identifier: BSD-2-Clause
#
# What an end at any moment, a failing device or damaged bytes leave behind. Always the same must
# hold: the audit passes, the next start succeeds, every leaf that was answered 200 is in the tree,
# and every tree head that was ever seen is one of that tree. SIGSUM_LONG=1 makes more of it.

import contextlib
import itertools
import os
import random
import signal
import subprocess
import threading
import time
import unittest

import harness
import merkle
import wire

IS_LONG = os.environ.get("SIGSUM_LONG") == "1"


class Load:
    """
    Clients that add leaves over keep-alive connections, and one that watches the tree head. They
    outlive the server's crashes: while it is down they wait for `resume`.
    """

    def __init__(self, log: harness.Log, connections: int):
        self.log = log
        self.answered: list[wire.Leaf] = []
        self.heads: dict[bytes, wire.TreeHead] = {}
        self.errors: list[str] = []
        self._changed = threading.Condition()
        self._is_up = False
        self._is_over = False
        self._threads = [threading.Thread(target=self._run, args=(self._send, number))
                         for number in range(connections)]
        self._threads.append(threading.Thread(target=self._run, args=(self._watch, 0)))
        for thread in self._threads:
            thread.start()

    def resume(self) -> None:
        with self._changed:
            self._is_up = True
            self._changed.notify_all()

    def pause(self) -> None:
        with self._changed:
            self._is_up = False

    def end(self) -> None:
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout=2 * wire.DEADLINE_SECONDS)

    def wait_for_answers(self, count: int) -> None:
        """Until that many more leaves are answered 200, or something is wrong."""
        with self._changed:
            target = len(self.answered) + count
            self._changed.wait_for(
                lambda: len(self.answered) >= target or self.errors or not self.log.is_running,
                wire.DEADLINE_SECONDS)

    def _run(self, converse, number: int) -> None:
        numbers = iter(range(number * 10_000_000, (number + 1) * 10_000_000))
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_up or self._is_over)
                if self._is_over:
                    return
            try:
                with self.log.connect() as connection:
                    converse(connection, numbers)
            except (OSError, wire.ConnectionClosed):
                continue
            except BaseException as error:
                with self._changed:
                    self.errors.append(repr(error))
                    self._changed.notify_all()
                return

    def _send(self, connection: wire.Connection, numbers) -> None:
        while not self._is_over:
            leaf = wire.Leaf.numbered(self.log.signer, next(numbers))
            answer = connection.request("POST", "/add-leaf", leaf.body)
            assert answer.status == 200, f"{answer.status} {answer.text}"
            with self._changed:
                self.answered.append(leaf)
                self._changed.notify_all()

    def _watch(self, connection: wire.Connection, _) -> None:
        while not self._is_over:
            answer = connection.request("GET", "/get-tree-head")
            if answer.status == 503:
                continue
            assert answer.status == 200, f"{answer.status} {answer.text}"
            if answer.body not in self.heads:
                self.heads[answer.body] = wire.parse_tree_head(answer.body)


class CrashCase(unittest.TestCase):
    def assert_nothing_lost(self, log: harness.Log, answered, heads) -> None:
        """With the log running again."""
        leaves = log.leaves()
        hashes = [merkle.hash_leaf(leaf) for leaf in leaves]
        self.assertEqual(len(set(leaves)), len(leaves), "a leaf is in the tree twice")
        self.assertLessEqual({leaf.encoded for leaf in answered}, set(leaves), "leaves are lost")
        last = log.tree_head(size_at_least=len(leaves))
        roots = merkle.roots(hashes, [last.size, *(head.size for head in heads)])
        self.assertEqual(last.root_hash, roots[last.size])
        for head in heads:
            self.assertTrue(head.is_signed_by(log.public_key))
            self.assertEqual(head.root_hash, roots[head.size], f"two trees of {head.size} leaves")
        sample = random.sample(list(heads), min(len(heads), 50))
        with log.connect() as connection:
            for head in sample:
                if not 0 < head.size < last.size:
                    continue
                answer = connection.request(
                    "GET", f"/get-consistency-proof/{head.size}/{last.size}")
                self.assertTrue(merkle.verify_consistency(
                    head.size, last.size, head.root_hash, last.root_hash,
                    wire.parse_consistency_proof(answer.body)))
            if last.size < 2:
                return
            for leaf in random.sample(list(answered), min(len(answered), 200)):
                answer = connection.request(
                    "GET", f"/get-inclusion-proof/{last.size}/{leaf.hash.hex()}")
                index, path = wire.parse_inclusion_proof(answer.body)
                self.assertTrue(merkle.verify_inclusion(
                    leaf.hash, index, last.size, last.root_hash, path))


class Kills(CrashCase):
    COUNT = 500 if IS_LONG else 60

    def test_kills_under_load(self):
        log = self.enterContext(harness.Log(min_interval="15ms", interval="1s"))
        load = Load(log, connections=8)
        load.resume()
        chance = random.Random()
        starting = 0
        began = time.monotonic()
        try:
            for turn in range(self.COUNT):
                load.wait_for_answers(chance.randrange(1, 250))
                # What is random is the moment: anywhere in the middle of commits and publications.
                threading.Event().wait(chance.uniform(0, 0.02))
                self.assertTrue(log.is_running, log.output)
                self.assertEqual(load.errors, [])
                load.pause()
                log.kill()
                if turn % 4 == 3:
                    # Once more, in the middle of the start.
                    log.launch()
                    threading.Event().wait(chance.uniform(0, 0.04))
                    starting += log.is_running
                    log.kill()
                log.assert_audit()
                log.start()
                load.resume()
            load.wait_for_answers(100)
        finally:
            load.end()
        self.assertEqual(load.errors, [])
        heads = list(load.heads.values())
        print(f"     {self.COUNT} kills, {starting} more while starting, in "
              f"{time.monotonic() - began:.1f} s: {len(load.answered)} leaves answered, "
              f"{len(heads)} tree heads seen")
        self.assertGreater(len(heads), self.COUNT // 2)
        self.assert_nothing_lost(log, load.answered, heads)
        self.assertEqual(log.stop(), 0)
        log.assert_audit()
        for line in log.lines:
            self.assertNotRegex(line, r"\[(WARN|ERRO|FATA)\]")

    def test_unpublished_leaves_are_published_after_a_crash(self):
        with harness.Log(min_interval="1h", interval="1h") as log:
            first = log.publish_first_leaf()
            leaves = [wire.Leaf.numbered(log.signer, number) for number in range(300)]
            log.add_leaves(leaves)
            self.assertEqual(log.tree_head().size, 1)
            log.kill()
            log.start()
            self.assert_nothing_lost(log, [first, *leaves], [log.tree_head(size_at_least=301)])


class Audits(CrashCase):
    def test_audits_beside_a_busy_primary(self):
        """One looks at what is there while more comes; one that is killed leaves nothing behind."""
        log = self.enterContext(harness.Log(min_interval="5ms"))
        load = Load(log, connections=4)
        load.resume()
        try:
            for turn in range(15):
                load.wait_for_answers(100)
                if turn % 3 == 2:
                    audit = subprocess.Popen(
                        [harness.BINARY, "mktree", "--mode=audit", "--store-dir", log.store,
                         "--sth-file", log.sth_file], stdout=subprocess.DEVNULL,
                        env=os.environ | log.environment())
                    threading.Event().wait(random.uniform(0, 0.03))
                    audit.kill()
                    audit.wait()
                else:
                    log.assert_audit()
            self.assertEqual(load.errors, [])
        finally:
            load.end()
        self.assertEqual(log.stop(), 0)
        self.assertNotRegex(log.output, r"\[(WARN|ERRO|FATA)\]")
        log.assert_audit()


class Faults(CrashCase):
    """strace makes system calls fail, one at a time, as a broken or full device would."""

    STARTING = ("mkdir", "flock", "fdatasync", "fsync", "pwrite64", "pwritev", "write", "rename",
                "unlink", "ftruncate")

    def setUp(self):
        self.strace = harness.tool("strace", "strace")

    def prefix(self, log, calls: str, fault: str, path) -> list[str]:
        self.trace = log.folder / "strace.out"
        self.trace.unlink(missing_ok=True)
        paths = [word for one in path for word in ("-P", str(one))]
        return [self.strace, "-D", "-f", "-qq", "-o", str(self.trace), *paths,
                "-e", f"trace={calls}", "-e", f"inject={calls}:{fault}"]

    @property
    def was_hit(self) -> bool:
        return "INJECTED" in self.trace.read_text()

    def test_while_leaves_come(self):
        """Each row: the calls that fail, how, which one of its thread, and of which file."""
        rows = [
            *(("fdatasync", "error=EIO", n, "store/data.mdb") for n in (1, 2, 7)),
            *(("pwritev,pwrite64", "error=EIO", n, "store/data.mdb") for n in (1, 2, 3, 4, 12)),
            *(("pwritev,pwrite64", "error=ENOSPC", n, "store/data.mdb") for n in (1, 2, 11)),
            ("pwritev,pwrite64", "retval=100", 1, "store/data.mdb"),
            *(("openat", "error=ENOSPC", n, "sth.new") for n in (1, 3)),
            ("openat", "error=EMFILE", 1, "sth.new"),
            *(("write", "error=ENOSPC", n, "sth.new") for n in (1, 2)),
            ("write", "error=EIO", 1, "sth.new"),
            *(("fsync", "error=EIO", n, "sth.new") for n in (1, 2)),
            ("close", "error=EIO", 1, "sth.new"),
            *(("rename", "error=EIO", n, "sth.new") for n in (1, 3)),
            ("rename", "error=ENOSPC", 1, "sth.new"),
            ("fsync", "error=EIO", 1, "."),
        ]
        ends = {}
        for calls, fault, number, path in rows:
            with self.subTest(calls=calls, fault=fault, number=number, path=path):
                outcome = self.fail_while_leaves_come(calls, f"{fault}:when={number}", path)
                ends[outcome] = ends.get(outcome, 0) + 1
        print(f"     faults while leaves came: {ends}")

    def fail_while_leaves_come(self, calls: str, fault: str, path: str) -> str:
        with harness.Log(min_interval="5ms", interval="1s") as log:
            first = [log.add_leaf(number) for number in range(3)]
            log.tree_head(size_at_least=3)
            self.assertEqual(log.stop(), 0)
            start = len(log.lines)
            # The path of the folder itself, too, has to be as the program says it.
            log.launch(self.prefix(log, calls, fault, [log.folder / path] if path != "." else
                                   [log.folder]))
            answered, heads = [], []
            deadline = time.monotonic() + wire.DEADLINE_SECONDS
            try:
                log.wait_until_ready()
                for turn in itertools.count():
                    self.converse(log, turn, answered, heads)
                    if self.was_hit or not log.is_running or time.monotonic() > deadline:
                        break
            except harness.StartFailed as failed:
                self.assertEqual(failed.status, 1, failed.output)
            # It may be about to end by itself.
            status = log.stop() if log.is_running else log.wait()
            self.assertIn(status, (0, 1), log.output)
            outcome = "ended" if status == 1 else "went on"
            if status == 1:
                # Not always the last line: other threads may go on for a moment after it.
                log.wait_for_line(r"\[FATA\]|sigsum primary: ", start)
            self.assertTrue(self.was_hit, "the fault was not met")
            log.assert_audit()
            log.start()
            self.assert_nothing_lost(log, first + answered, heads)
            self.assertEqual(log.stop(), 0)
            log.assert_audit()
            return outcome

    def converse(self, log, turn: int, answered: list, heads: list) -> None:
        """Four clients, until all is sent or the server is gone."""

        def send(client: int) -> None:
            with contextlib.suppress(OSError, wire.ConnectionClosed), log.connect() as connection:
                for number in range(15):
                    leaf = wire.Leaf.numbered(log.signer,
                                              1_000_000 * client + 100 * turn + number)
                    answer = connection.request("POST", "/add-leaf", leaf.body)
                    # 500 is all that a server can say whose last moments these are.
                    assert answer.status in (200, 500, 503), f"{answer.status} {answer.text}"
                    if answer.status == 200:
                        answered.append(leaf)
                    answer = connection.request("GET", "/get-tree-head")
                    heads.append(wire.parse_tree_head(answer.body))

        harness.in_parallel(send, range(1, 5))

    def test_in_each_step_of_the_first_start(self):
        """The start fails in one line, and leaves what the next one can go on from."""
        count = 0
        for call in self.STARTING:
            for number in range(1, 15):
                with self.subTest(call=call, number=number):
                    if not self.fail_first_start(call, number):
                        break
                    count += 1
        print(f"     faults in the first start: {count}")
        self.assertGreater(count, 15)

    def fail_first_start(self, call: str, number: int) -> bool:
        with contextlib.closing(harness.Log(min_interval="0s")) as log:
            self.assertEqual(log.mktree().returncode, 0)
            paths = [] if call != "write" else [log.folder / "sth.new"]
            error = "EAGAIN" if call == "flock" else "EIO"
            log.launch(self.prefix(log, call, f"error={error}:when={number}", paths))
            try:
                log.wait_until_ready()
            except harness.StartFailed as failed:
                self.assertEqual(failed.status, 1, failed.output)
                self.assertRegex(failed.output, r"\Asigsum primary: [^\n]+\Z")
            else:
                # Met by a thread that runs after READY, or not at all.
                self.assertIn(log.stop() if log.is_running else log.wait(), (0, 1))
            was_hit = self.was_hit
            log.start()
            leaf = log.add_leaf(1)
            self.assertEqual(log.tree_head(size_at_least=1).root_hash, leaf.hash)
            self.assertEqual(log.stop(), 0)
            log.assert_audit()
            return was_hit


class Damage(unittest.TestCase):
    """Stored bytes that change behind the log's back are never signed."""

    def unsigned(self, size: int):
        """A log that ended with leaves of which its tree head covers one, and they in its order."""
        log = self.enterContext(harness.Log(min_interval="1h", interval="1h"))
        log.publish_first_leaf()
        log.add_leaves([wire.Leaf.numbered(log.signer, number) for number in range(1, size)])
        stored = log.leaves()
        log.kill()
        return log, stored

    def damage(self, log, value: bytes) -> None:
        data = (log.store / "data.mdb").read_bytes()
        self.assertIn(value, data)
        changed = value[:-1] + bytes([value[-1] ^ 1])
        (log.store / "data.mdb").write_bytes(data.replace(value, changed))

    def test_a_leaf_that_changed_before_it_was_signed(self):
        log, stored = self.unsigned(300)
        before = log.sth_file.read_bytes()
        self.damage(log, stored[7])
        log.start()
        log.wait_for_line(r"\[FATA\]")
        # Reads go on, with the head that was signed before; nothing is signed or taken any more.
        self.assertEqual(log.tree_head().size, 1)
        answer = log.post_leaf(wire.Leaf.numbered(log.signer, 1000))
        self.assertEqual(answer.status, 503, answer.text)
        self.assertIsNotNone(answer.field("Retry-After"))
        self.assertEqual(log.get("/get-leaves/0/1", internal=True).status, 200)
        self.assertEqual(log.stop(), 0)
        self.assertEqual(log.sth_file.read_bytes(), before)
        self.assertEqual(log.mktree("--mode=audit").returncode, 1)

    def test_a_leaf_of_the_right_edge(self):
        log, stored = self.unsigned(300)
        before = log.sth_file.read_bytes()
        self.damage(log, stored[299])
        with self.assertRaises(harness.StartFailed) as caught:
            log.start()
        self.assertEqual(caught.exception.status, 1)
        self.assertRegex(log.lines[-1], "sigsum primary: .*damaged")
        self.assertEqual(log.sth_file.read_bytes(), before)

    def test_a_local_tree_that_is_damaged(self):
        log, stored = self.unsigned(300)
        log.sth_file.unlink()
        log.startup_file.write_text("startup=local-tree\n")
        self.damage(log, stored[7])
        with self.assertRaises(harness.StartFailed):
            log.start()
        self.assertFalse(log.sth_file.exists())


class FullDisk(unittest.TestCase):
    def test_new_leaves_wait_for_space(self):
        """Below 128 MiB new leaves get 503; reads and known leaves do not, and space ends it."""
        unshare = harness.tool("unshare", "util-linux")
        mount = 'mount -t tmpfs -o size=140m none "$1" && shift && exec "$@"'
        log = harness.Log(min_interval="0s", interval="100ms", add_leaf_wait="0s")
        self.addCleanup(log.close)
        log.store.mkdir()
        if harness.run(unshare, "-m", "sh", "-c", mount, "sh", log.store, "true").returncode != 0:
            self.skipTest("no file system can be mounted here")
        self.assertEqual(log.mktree().returncode, 0)
        log.launch(prefix=[unshare, "-m", "sh", "-c", mount, "sh", log.store])
        log.wait_until_ready()
        known = log.add_leaf(0)
        log.tree_head(size_at_least=1)
        # The store as the process sees it.
        ballast = f"/proc/{log.process.pid}/root{log.store}/ballast"
        with open(ballast, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, 20 << 20)
        number = self.add_until(log, 503, 1)
        for _ in range(3):
            answer = log.post_leaf(wire.Leaf.numbered(log.signer, 1_000_000))
            self.assertEqual((answer.status, answer.field("Retry-After")), (503, "1"))
            self.assertIn("disk", answer.text)
        self.assertEqual(log.post_leaf(known).status, 200)
        self.assertEqual(log.get("/get-leaves/0/1").status, 200)
        os.unlink(ballast)
        self.add_until(log, 200, number)
        self.assertEqual(log.stop(), 0)

    def add_until(self, log, status: int, number: int) -> int:
        deadline = time.monotonic() + wire.DEADLINE_SECONDS
        while time.monotonic() < deadline:
            answer = log.post_leaf(wire.Leaf.numbered(log.signer, number))
            number += 1
            if answer.status == status:
                return number
        self.fail(f"no {status} until the deadline")


class Stalls(unittest.TestCase):
    """strace holds the device up: whoever only reads must not notice."""

    def test_reads_while_a_commit_waits_for_the_device(self):
        strace = harness.tool("strace", "strace")
        with harness.Log(interval="1h") as log:
            leaf = log.add_leaf(1)
            log.tree_head(size_at_least=1)
            self.assertEqual(log.stop(), 0)
            # This start commits nothing, so the first sync is that of the leaf below. It is held up
            # until strace is killed.
            trace = log.folder / "strace.out"
            log.launch(prefix=[
                strace, "-D", "-f", "-qq", "-o", trace, "-P", log.store / "data.mdb", "-e",
                "trace=fdatasync", "-e", "inject=fdatasync:delay_enter=600000000"])
            log.wait_until_ready()
            fresh = wire.Leaf.numbered(log.signer, 2)
            with log.connect() as writing, log.connect() as reading:
                writing.send(writing.encode("POST", "/add-leaf", fresh.body))
                deadline = time.monotonic() + wire.DEADLINE_SECONDS
                while "fdatasync" not in trace.read_text():
                    self.assertLess(time.monotonic(), deadline, "no commit")
                for _ in range(100):
                    for target in ("/get-tree-head", "/get-leaves/0/1",
                                   f"/get-inclusion-proof/2/{leaf.hash.hex()}"):
                        self.assertIn(reading.request("GET", target).status, (200, 400))
                    # A leaf that is known is only looked up.
                    self.assertEqual(reading.request("POST", "/add-leaf", leaf.body).status, 200)
                self.assertFalse(writing.has_bytes, "the commit was not held up")
                os.kill(tracer(log), signal.SIGKILL)
                self.assertEqual(writing.read_response().status, 200)
            log.kill()
            log.assert_audit()


def tracer(log) -> int:
    """The number of the process that traces the log."""
    with open(f"/proc/{log.process.pid}/status") as status:
        return int(next(line for line in status if line.startswith("TracerPid:")).split()[1])
