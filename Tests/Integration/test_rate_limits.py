# SPDX-License-Identifier: BSD-2-Clause
#
# Limits to new leaves by key: what the file may say, what is counted, and that a count is never
# without its leaf nor a leaf without its count, whatever happens to the process. What domains may
# add stands in test_domain_limits.py.

import contextlib
import os
import pathlib
import random
import re
import signal
import tempfile
import threading
import unittest
from collections.abc import Iterator

import ed25519
import harness
import wire
from limits_case import IS_LONG, LimitsCase, new_leaf, with_bad_signature

KEY = "1c25f8a44c635457e2e391d1efbca7d4c2951a0aef06225a881e46b98962ac6c"


def key_line(signer: ed25519.Signer, limit: int) -> str:
    return f"key {signer.key_hash.hex()} {limit}"


class Keys(LimitsCase):
    def test_each_key_has_its_own_limit(self):
        two, three, none, stranger = (ed25519.Signer() for _ in range(4))
        log = self.log(
            "# who may add how much", "", "   \t",
            key_line(two, 2) + "# two",
            f"\tkey   {three.key_hash.hex().upper()}\t0003 \r",
            key_line(none, 0) + " # nothing",
            "#" + key_line(stranger, 5))
        log.wait_for_line(r"\[INFO\] rate limits: .*limits$")
        for signer, limit in ((two, 2), (three, 3), (none, 0), (stranger, 0)):
            self.assertEqual(self.taken(log, signer), limit)
            self.assertEqual(self.in_tree(log, signer), limit)
        self.assertEqual(self.counted(log, "rate_limit_total"),
                         {"accepted": 5, "over-limit": 3, "unknown-key": 1})

    def test_an_empty_file_allows_nothing(self):
        log = self.log()
        self.assertEqual(self.taken(log, log.signer), 0)

    def test_no_file_limits_nothing(self):
        """And nothing is counted."""
        with harness.Log(**self.OPTIONS) as log:
            self.assertEqual(self.post(log, log.signer).status, 200)
            self.assertEqual(self.post(log, log.signer, "example.org").status, 400)
            self.assertEqual(self.counted(log, "rate_limit_total"), {})

    def test_a_leaf_that_is_known_is_free(self):
        """Whoever sends it, however often, also when its key's limit is used up."""
        signer = ed25519.Signer()
        log = self.log(key_line(signer, 3))
        leaves = [new_leaf(signer) for _ in range(3)]
        for _ in range(3):
            for leaf in leaves:
                self.assertEqual(self.post(log, leaf).status, 200)
        self.assertEqual(self.taken(log, signer), 0)
        log.tree_head(size_at_least=3)
        self.assertEqual({self.post(log, leaf).status for leaf in leaves}, {200})
        # Its signature belongs to what is known.
        self.assertEqual(self.post(log, with_bad_signature(leaves[0])).status, 429)
        self.assertEqual(self.counted(log, "rate_limit_total"), {"accepted": 3, "over-limit": 2})

    def test_a_leaf_that_is_being_committed_is_free(self):
        strace = harness.tool("strace", "strace")
        signer, other = ed25519.Signer(), ed25519.Signer()
        log = self.log(key_line(signer, 1), key_line(other, 1))
        self.assertEqual(log.stop(), 0)
        log.launch(prefix=[strace, "-D", "-f", "-qq", "-o", os.devnull, "-e", "trace=fdatasync",
                           "-e", "inject=fdatasync:delay_enter=300000"])
        log.wait_until_ready()
        leaf = new_leaf(signer)
        first, again = log.connect(), log.connect()
        self.addCleanup(first.close)
        self.addCleanup(again.close)
        # What is verified waits for the device.
        first.send(first.encode("POST", "/add-leaf", leaf.body))
        self.until(lambda: log.metrics()['leaf_signatures_total{outcome="valid"}'] == 1)
        again.send(again.encode("POST", "/add-leaf", leaf.body))
        self.assertEqual(self.post(log, signer).status, 429)
        self.assertEqual(first.read_response().status, 200)
        self.assertEqual(again.read_response().status, 200)
        self.assertEqual(self.in_tree(log, signer), 1)

    def test_a_leaf_that_no_secondary_has_is_free(self):
        """202: send it again. It is counted once."""
        signer, secondary = ed25519.Signer(), ed25519.Signer()
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="sigsum-")))
        (folder / "secondary.pub").write_bytes(secondary.openssh_public())
        log = self.log(key_line(signer, 1),
                       secondary_url=f"http://127.0.0.1:{harness.free_port()}",
                       secondary_pubkey_file=folder / "secondary.pub")
        leaf = new_leaf(signer)
        for _ in range(3):
            self.assertEqual(self.post(log, leaf).status, 202)
        self.assertEqual(self.taken(log, signer), 0)
        self.assertEqual(self.in_tree(log, signer), 1)

    def test_the_same_leaf_in_parallel(self):
        """One is counted, and none refused, whichever comes first."""
        signers = [ed25519.Signer() for _ in range(30 if IS_LONG else 6)]
        log = self.log(*(key_line(signer, 1) for signer in signers))
        for signer in signers:
            leaf = new_leaf(signer)
            self.assertEqual(set(self.statuses(log, [(leaf, None)] * 400, connections=40)), {200})
            self.assertEqual(self.in_tree(log, signer), 1)
        self.assertEqual(self.counted(log, "rate_limit_total"), {"accepted": len(signers)})

    def test_parallel_requests_never_exceed_a_limit(self):
        signer = ed25519.Signer()
        log = self.log(key_line(signer, 50))
        statuses = self.statuses(log, [(new_leaf(signer), None) for _ in range(200)])
        self.assertEqual((statuses.count(200), statuses.count(429)), (50, 150))
        self.assertEqual(self.in_tree(log, signer), 50)
        counted = self.counted(log, "rate_limit_total")
        self.assertEqual(counted, {"accepted": 50, "over-limit": 150})

    def test_bad_signatures_use_no_quota(self):
        signer = ed25519.Signer()
        log = self.log(key_line(signer, 5))
        count = 10_000 if IS_LONG else 500
        bad = [(with_bad_signature(new_leaf(signer)), None) for _ in range(count)]
        self.assertEqual(set(self.statuses(log, bad, connections=16)), {403})
        self.assertEqual(self.taken(log, signer), 5)
        self.assertEqual(log.metrics()['leaf_signatures_total{outcome="invalid"}'], count)
        self.assertEqual(self.counted(log, "rate_limit_total"), {"accepted": 5, "over-limit": 1})


class Restarts(LimitsCase):
    def test_counts_go_on_after_each_end(self):
        signer, other = ed25519.Signer(), ed25519.Signer()
        log = self.log(key_line(signer, 5), key_line(other, 2))
        for end in (log.stop, log.kill, log.stop):
            self.assertEqual(self.post(log, signer).status, 200)
            end()
            log.start()
        self.assertEqual(self.taken(log, signer), 2)
        self.assertEqual(self.taken(log, other), 2)
        log.kill()
        log.start()
        self.assertEqual(self.taken(log, signer), 0)
        # The file is read anew, the counts are not.
        self.write(log, key_line(signer, 7))
        log.stop()
        log.start()
        self.assertEqual(self.taken(log, signer), 2)
        self.assertEqual(self.taken(log, other), 0)
        self.assertEqual((self.in_tree(log, signer), self.in_tree(log, other)), (7, 2))

    def test_no_limits_for_a_while(self):
        signer = ed25519.Signer()
        log = self.log(key_line(signer, 2))
        self.assertEqual(self.post(log, signer).status, 200)
        limits_file = log.options.pop("rate_limit_file")
        log.stop()
        log.start()
        for _ in range(3):
            self.assertEqual(self.post(log, signer).status, 200)
        log.options["rate_limit_file"] = limits_file
        log.stop()
        log.start()
        self.assertEqual(self.taken(log, signer), 1)

    def test_kills_under_load(self):
        """The tree has as many leaves as the limit allows, to the last one, and no more."""
        signer, limit = ed25519.Signer(), 3000 if IS_LONG else 300
        log = self.log(key_line(signer, limit))
        answered: list[wire.Leaf] = []
        lock = threading.Lock()

        def send(numbers: Iterator[int]) -> None:
            """Sends a leaf for each number; whoever has answer number `target` kills the log."""
            with contextlib.suppress(OSError, wire.ConnectionClosed), log.connect() as connection:
                for _ in numbers:
                    leaf = new_leaf(signer)
                    answer = connection.request("POST", "/add-leaf", leaf.body)
                    self.assertEqual(answer.status, 200, answer.text)
                    with lock:
                        answered.append(leaf)
                        is_target = len(answered) == target
                    if is_target:
                        log.kill()

        for _ in range(5):
            target = len(answered) + random.randrange(limit // 10, limit // 6)
            # In all turns together they do not reach the limit, however late the kill comes.
            harness.in_parallel(send, [iter(range(limit // 5 - 1))] * 8)
            self.assertFalse(log.is_running)
            log.start()
            self.assertLessEqual({leaf.encoded for leaf in answered}, set(log.leaves()))
        left = limit - self.in_tree(log, signer)
        self.assertEqual(self.taken(log, signer), left)
        self.assertEqual(self.in_tree(log, signer), limit)
        log.assert_audit()


class Files(LimitsCase):
    ROWS = (
        (f"# a comment\n\nlimit {KEY} 1\n", r'line 3: expected .*, found "limit"'),
        (f"key {KEY[:-1]} 1\n", "line 1: expected a key hash of 64 hex digits, found .*"),
        (f"key {KEY} 1 2\n", "line 1: expected .*key <key hash> <limit>.*, found .*"),
        (f"key {KEY} -1\n", 'line 1: expected a decimal limit .*, found "-1"'),
        (f"key {KEY} 2147483648\n", 'line 1: expected a decimal limit .*, found "2147483648"'),
        (f"key {KEY} 1\nkey {KEY.upper()} 2\n", "line 2: expected .*, found .* line 1.*"),
        ("domain a..example 1\n", "line 1: expected a domain name .*, found .*"),
        ("domain xn--\xe4.example 1\n", "line 1: expected an internationalised domain name.*"),
        ("domain Example.ORG 1\ndomain b.org 1\ndomain example.org 1\n",
         "line 3: expected .*, found .* line 1.*"),
        ("public list 0\npublic other 0\n", "line 2: expected .*, found .* line 1.*"),
        ("public-total 5\n", "line 1: expected .*"),
        ("public list 0\npublic-total 5\npublic-total 5\n",
         "line 3: expected .*, found .* line 2.*"),
    )

    def test_errors_at_the_start(self):
        log = harness.Log(**self.OPTIONS)
        self.addCleanup(log.close)
        log.mktree()
        file = log.folder / "limits"
        log.options["rate_limit_file"] = file
        for text, pattern in self.ROWS:
            with self.subTest(text):
                file.write_text(text)
                self.assert_refuses(log, rf"{re.escape(str(file))}: {pattern}")

    def test_files_that_cannot_be_read(self):
        log = harness.Log(**self.OPTIONS)
        self.addCleanup(log.close)
        log.mktree()
        file, suffixes = log.folder / "limits", log.folder / "suffixes"
        log.options["rate_limit_file"] = file
        self.assert_refuses(log, rf"{re.escape(str(file))}: .*No such file.*")
        file.mkdir()
        self.assert_refuses(log, rf"{re.escape(str(file))}: .*")
        file.rmdir()
        file.write_text(f"# only named, not read\npublic {suffixes} 0\n")
        log.start()
        self.assertEqual(log.stop(), 0)
        file.write_text(f"public {suffixes} 1\n")
        self.assert_refuses(log, rf"{re.escape(str(suffixes))}: .*No such file.*")
        suffixes.write_text("// a comment\norg\na..b\n")
        self.assert_refuses(log, rf"{re.escape(str(suffixes))}: line 3: expected .*")
        suffixes.write_text("// a comment\norg\n")
        log.start()

    def assert_refuses(self, log: harness.Log, pattern: str) -> None:
        """One line, and exit status 1."""
        start = len(log.lines)
        with self.assertRaises(harness.StartFailed) as failed:
            log.start()
        self.assertEqual(failed.exception.status, 1)
        lines = log.lines[start:]
        self.assertEqual(len(lines), 1, lines)
        self.assertRegex(lines[0], rf"rate-limit-file: {pattern}$")


class HangUp(LimitsCase):
    """SIGHUP: the file is read again."""

    def test_better_and_worse_files(self):
        signer, other = ed25519.Signer(), ed25519.Signer()
        log = self.log(key_line(signer, 2))
        self.assertEqual(self.taken(log, signer), 2)
        # More: what was counted goes on to count.
        self.write(log, key_line(signer, 3), key_line(other, 1))
        self.assertTrue(self.reload(log).endswith(str(log.limits_file)))
        self.assertEqual((self.taken(log, signer), self.taken(log, other)), (1, 1))
        # Less.
        self.write(log, key_line(signer, 1))
        self.reload(log)
        self.assertEqual((self.taken(log, signer), self.taken(log, other)), (0, 0))
        # An account that is away for a while has its count when it is back.
        self.write(log, key_line(signer, 4), key_line(other, 2))
        self.reload(log)
        self.assertEqual((self.taken(log, signer), self.taken(log, other)), (1, 1))
        self.assertEqual((self.in_tree(log, signer), self.in_tree(log, other)), (4, 2))

    def test_wrong_files_change_nothing(self):
        signer = ed25519.Signer()
        log = self.log(key_line(signer, 6))
        stay = "; the rate limits stay as they were$"
        self.assertEqual(self.post(log, signer).status, 200)
        name = re.escape(str(log.limits_file))
        self.write(log, key_line(signer, 100), "key nonsense 1")
        self.reload(log, rf"\[ERRO\] rate-limit-file: {name}: line 2: expected .*{stay}")
        self.assertEqual(self.post(log, signer).status, 200)
        log.limits_file.unlink()
        self.reload(log, rf"\[ERRO\] rate-limit-file: {name}: .*No such file.*{stay}")
        self.assertEqual(self.post(log, signer).status, 200)
        log.limits_file.mkdir()
        self.reload(log, rf"\[ERRO\] rate-limit-file: {name}: .*{stay}")
        self.assertEqual(self.post(log, signer).status, 200)
        log.limits_file.rmdir()
        missing = log.folder / "missing"
        self.write(log, key_line(signer, 100), f"public {missing} 1")
        self.reload(log, rf"\[ERRO\] rate-limit-file: {re.escape(str(missing))}: .*{stay}")
        self.assertEqual(self.taken(log, signer), 2)
        # And a right one is read as ever.
        self.write(log, key_line(signer, 7))
        self.reload(log)
        self.assertEqual(self.taken(log, signer), 1)

    def test_under_load(self):
        """No connection is closed, and no count lost, while files come and go."""
        signer = ed25519.Signer()
        log = self.log(key_line(signer, 0))
        is_over = threading.Event()

        def send(_) -> int:
            count = 0
            with log.connect() as connection:
                while not is_over.is_set():
                    answer = connection.request("POST", "/add-leaf", new_leaf(signer).body)
                    self.assertIn(answer.status, (200, 429), answer.text)
                    count += answer.status == 200
            return count

        def hang_up() -> int:
            limit = 0
            try:
                for turn in range(12):
                    self.until(lambda: self.in_tree(log, signer) == limit)
                    if turn % 3 == 2:
                        self.write(log, "key")
                        self.reload(log, r"\[ERRO\] rate-limit-file: ")
                    else:
                        limit += 20
                        self.write(log, key_line(signer, limit))
                        self.reload(log)
                self.until(lambda: self.in_tree(log, signer) == limit)
            finally:
                is_over.set()
            return limit

        tasks = [hang_up, *[lambda: send(None)] * 4]
        limit, *counts = harness.in_parallel(lambda task: task(), tasks)
        self.assertEqual(sum(counts), limit)
        self.assertEqual(self.in_tree(log, signer), limit)

    def test_many_at_once(self):
        signer = ed25519.Signer()
        log = self.log(key_line(signer, 1))
        self.write(log, key_line(signer, 2))
        for _ in range(100):
            log.process.send_signal(signal.SIGHUP)
        self.reload(log)
        self.assertEqual(self.taken(log, signer), 2)


if __name__ == "__main__":
    unittest.main()
