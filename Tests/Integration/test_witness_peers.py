# SPDX-License-Identifier: BSD-2-Clause
#
# A log whose policy has witnesses of two other makers, and the tools that people use with it: both
# cosign, sigsum-submit collects proofs that sigsum-verify accepts, sigsum-monitor follows.

import subprocess
import threading
import time
import unittest

import ed25519
import harness
import wire
from real_witnesses import LiteWitness, SigsumWitness
from watcher import Policy, Watcher

# A machine that does something else at the same time is no fault of the log: the best try counts.
TRIES = 6


class Peers(unittest.TestCase):
    """One log with its defaults, both witnesses, both needed."""

    @classmethod
    def setUpClass(cls):
        key = ed25519.Signer()
        cls.witnesses = [cls.enterClassContext(make(key)) for make in (SigsumWitness, LiteWitness)]
        cls.log = harness.Log(key=key)
        cls.addClassCleanup(cls.log.close)
        policy = Policy(cls.witnesses, 2)
        path = cls.log.folder / "log-policy"
        path.write_text(policy.text())
        cls.log.options["policy_file"] = path
        made = cls.log.mktree()
        assert made.returncode == 0, made.stderr
        cls.log.start()
        cls.watcher = cls.enterClassContext(Watcher(cls.log, policy))
        cls.watcher.wait_for_witnesses(*cls.witnesses)
        # For a tree of one leaf sigsum-submit asks for no proof, and takes it for one with its own.
        for number in range(2):
            cls.log.add_leaf(number)
        cls.watcher.wait_for_witnesses(*cls.witnesses, size=2)
        # What submitters, verifiers and monitors go by: the log and the same quorum.
        cls.policy = cls.log.folder / "policy"
        cls.policy.write_text(policy.text("log {} http://{}:{}".format(
            key.public_key.hex(), *cls.log.external)))
        cls.key = cls.log.folder / "submitter"
        ed25519.Signer().write_openssh(cls.key)

    def tearDown(self):
        self.assertEqual(self.watcher.faults, [])

    def files(self, name: str, count: int) -> list:
        folder = self.log.folder / name
        folder.mkdir()
        files = [folder / f"file-{number}" for number in range(count)]
        for file in files:
            file.write_text(f"contents of {file}\n")
        return files

    def submit(self, files: list) -> float:
        """Seconds from start to proofs."""
        submit = harness.peer("sigsum-submit")
        began = time.monotonic()
        done = harness.run(submit, "-k", self.key, "-p", self.policy, *files)
        seconds = time.monotonic() - began
        self.assertEqual(done.returncode, 0, done.stderr)
        return seconds

    def assert_verifies(self, file) -> None:
        with open(file) as message:
            judged = harness.run(harness.peer("sigsum-verify"), "-k", f"{self.key}.pub",
                                 "-p", self.policy, f"{file}.proof", stdin=message)
        self.assertEqual(judged.returncode, 0, judged.stderr)

    def best_submission(self, name: str, count: int, seconds: float) -> float:
        """The time of the best of some submissions, each to a log that has been quiet."""
        best = float("inf")
        for turn in range(TRIES):
            # Quiet: the last publication is longer ago than min-interval.
            threading.Event().wait(1.1)
            files = self.files(f"{name}-{turn}", count)
            best = min(best, self.submit(files))
            for file in files:
                self.assert_verifies(file)
            if best < seconds:
                break
        print(f"     sigsum-submit, {count} files, two witnesses: {best:.2f} s")
        return best

    def test_one_file_in_half_a_second(self):
        self.assertLess(self.best_submission("one", 1, 0.5), 0.5)

    def test_thirty_files_in_two_seconds(self):
        self.assertLess(self.best_submission("thirty", 30, 2), 2)

    def test_a_proof_is_of_its_file(self):
        one, other = self.files("two", 2)
        self.submit([one, other])
        with open(other) as message:
            judged = harness.run(harness.peer("sigsum-verify"), "-k", f"{self.key}.pub",
                                 "-p", self.policy, f"{one}.proof", stdin=message)
        self.assertNotEqual(judged.returncode, 0)

    def test_the_monitor_follows(self):
        monitor = harness.peer("sigsum-monitor")
        submitter = ed25519.Signer()
        (self.log.folder / "watched.pub").write_bytes(submitter.openssh_public())
        # It sees the first at once. The interval is also how long it waits for answers.
        self.log.add_leaf(1_000_000, submitter)
        self.watcher.wait_for_size(len(self.log.leaves()))
        process = subprocess.Popen(
            [monitor, "--policy", self.policy, "--interval", "3s",
             self.log.folder / "watched.pub"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        watchdog = threading.Timer(wire.DEADLINE_SECONDS, process.kill)
        watchdog.start()
        seen = ""
        try:
            # One after the other, so that it sees several tree heads.
            for number in range(3):
                leaf = self.log.add_leaf(1_000_000 + number, submitter)
                while leaf.encoded[:32].hex() not in seen:
                    line = process.stdout.readline()
                    self.assertTrue(line, f"the monitor does not see the leaf:\n{seen}")
                    seen += line
            self.assertNotRegex(seen, "(?i)alert|invalid|inconsistent")
        finally:
            watchdog.cancel()
            process.kill()
            process.wait()
            process.stdout.close()

    def test_witnesses_that_restart(self):
        """Each is gone for a while, and the log keeps its published head."""
        for witness in self.witnesses:
            start = len(self.log.lines)
            before = self.watcher.wait_for_size(len(self.log.leaves())).size
            witness.stop()
            leaf = wire.Leaf.numbered(self.log.signer, 2_000_000 + before)
            self.assertEqual(self.log.post_leaf(leaf).status, 200)
            self.log.wait_for_line(r"\[WARN\].*[Qq]uorum", start)
            self.assertEqual(self.watcher.last.size, before)
            witness.start()
            self.watcher.wait_for_witnesses(*self.witnesses, size=before + 1)

    def test_connections_that_witnesses_close(self):
        """litewitness closes a connection that was idle for 5 s: no request fails for it."""
        threading.Event().wait(5.5)
        start = len(self.log.lines)
        size = len(self.log.leaves())
        self.log.add_leaf(3_000_000)
        self.watcher.wait_for_witnesses(*self.witnesses, size=size + 1)
        self.assertEqual([line for line in self.log.lines[start:] if "witness" in line], [])
