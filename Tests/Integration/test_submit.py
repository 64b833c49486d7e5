# SPDX-License-Identifier: BSD-2-Clause
#
# The tools that people use, against our log: sigsum-go's submit, verify and monitor, the shell
# clients, and the demo. How long each takes is printed, and not judged.

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import ed25519
import harness
import ports
import wire


class Tools(unittest.TestCase):
    """One log with its defaults, a submitter's key, and files to log."""

    @classmethod
    def setUpClass(cls):
        cls.log = cls.enterClassContext(harness.Log())
        cls.policy = cls.log.policy_file()
        cls.key = cls.log.folder / "submitter"
        ed25519.Signer().write_openssh(cls.key)
        # In a tree of one leaf sigsum-submit asks for no proof, and takes any other leaf for wrong.
        for number in range(2):
            cls.log.add_leaf(number)
        cls.log.tree_head(size_at_least=2)

    def files(self, name: str, count: int):
        folder = self.log.folder / name
        folder.mkdir()
        files = [folder / f"file-{number}" for number in range(count)]
        for file in files:
            file.write_text(f"contents of {file}\n")
        return files

    def timed(self, what: str, *words, **options) -> subprocess.CompletedProcess:
        began = time.monotonic()
        done = harness.run(*words, **options)
        print(f"     {what}: {time.monotonic() - began:.2f} s")
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def verify(self, program, file, proof=None) -> subprocess.CompletedProcess:
        with open(file) as message:
            return harness.run(program, "-k", f"{self.key}.pub", "-p", self.policy,
                               proof or f"{file}.proof", stdin=message)

    def test_sigsum_submit(self):
        submit, verify = harness.peer("sigsum-submit"), harness.peer("sigsum-verify")
        for count in (1, 30):
            files = self.files(f"submit-{count}", count)
            self.timed(f"sigsum-submit, {count} files", submit, "-k", self.key, "-p", self.policy,
                       *files)
            for file in files:
                judged = self.verify(verify, file)
                self.assertEqual(judged.returncode, 0, judged.stderr)
            # The proof is not one of another file.
            other = self.log.folder / f"other-{count}"
            other.write_text("other\n")
            self.assertNotEqual(self.verify(verify, other, f"{files[0]}.proof").returncode, 0)

    def test_files_that_are_logged_already(self):
        submit, verify = harness.peer("sigsum-submit"), harness.peer("sigsum-verify")
        (file,) = self.files("again", 1)
        self.timed("sigsum-submit, first", submit, "-k", self.key, "-p", self.policy, file)
        size = len(self.log.leaves())
        os.unlink(f"{file}.proof")
        self.timed("sigsum-submit, again", submit, "-k", self.key, "-p", self.policy, file)
        self.assertEqual(self.verify(verify, file).returncode, 0)
        self.assertEqual(len(self.log.leaves()), size)

    def test_the_shell_clients(self):
        submit, our_verify = (harness.ROOT / "scripts" / name for name in ("submit", "verify"))
        files = self.files("shell", 2)
        for file in files:
            self.timed("scripts/submit", submit, "-k", self.key, "-p", self.policy, file)
            judged = self.verify(our_verify, file)
            self.assertEqual(judged.returncode, 0, judged.stderr)
        self.assertEqual(self.verify(our_verify, files[0], f"{files[1]}.proof").returncode, 1)
        # Each takes the other's proofs.
        with contextlib.suppress(unittest.SkipTest):
            self.assertEqual(self.verify(harness.peer("sigsum-verify"), files[0]).returncode, 0)
            (file,) = self.files("judged by ours", 1)
            self.timed("sigsum-submit", harness.peer("sigsum-submit"), "-k", self.key,
                       "-p", self.policy, file)
            judged = self.verify(our_verify, file)
            self.assertEqual(judged.returncode, 0, judged.stderr)

    def test_sigsum_monitor(self):
        """The monitor follows the log and sees each leaf of the keys that it looks for."""
        monitor = harness.peer("sigsum-monitor")
        submitter = ed25519.Signer()
        leaves = [wire.Leaf.numbered(submitter, number) for number in range(3)]
        self.log.add_leaves(leaves, connections=1)
        # What it sees at once. The interval is also how long it waits for answers.
        self.log.tree_head(size_at_least=len(self.log.leaves(internal=True)))
        (self.log.folder / "watched.pub").write_bytes(submitter.openssh_public())
        process = subprocess.Popen(
            [monitor, "--policy", self.policy, "--interval", "3s",
             self.log.folder / "watched.pub"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            seen: list[str] = []
            watcher = threading.Timer(wire.DEADLINE_SECONDS, process.kill)
            watcher.start()
            for line in process.stdout:
                seen.append(line)
                found = "".join(seen)
                if all(leaf.encoded[:32].hex() in found for leaf in leaves):
                    break
            else:
                self.fail(f"the monitor does not see the leaves:\n{''.join(seen)}")
            self.assertNotRegex("".join(seen), "(?i)alert|invalid|inconsistent")
        finally:
            watcher.cancel()
            process.kill()
            process.wait()
            process.stdout.close()


class Demo(unittest.TestCase):
    """`make demo`, in a copy of what it needs, twice: the second time it goes on with its log."""

    def test_twice(self):
        for port in (6965, 6967):
            if not ports.claim_port(port):
                self.skipTest(f"port {port} is another run's")
            self.addCleanup(ports.give_port_back, port)
            with contextlib.closing(socket.socket()) as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    self.skipTest(f"port {port} is in use")
        with tempfile.TemporaryDirectory(prefix="sigsum-demo-") as name:
            folder = pathlib.Path(name)
            shutil.copytree(harness.ROOT / "scripts", folder / "scripts")
            for file in ("LICENSE", "README.md", "NEWS"):
                shutil.copy(harness.ROOT / file, folder)
            sizes = []
            for _ in range(2):
                began = time.monotonic()
                done = harness.run(
                    folder / "scripts/demo", "--once", cwd=folder,
                    env=os.environ | {"SIGSUM_BINARY": str(harness.BINARY),
                                      "SIGSUM_PEERS": str(harness.PEERS)})
                print(f"     demo --once: {time.monotonic() - began:.2f} s")
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                self.assertIn("README.md", done.stdout)
                sizes.append(wire.parse_tree_head((folder / "demo/sth").read_bytes()).size)
                audit = harness.run(harness.BINARY, "mktree", "--mode=audit", "--key-file",
                                    folder / "demo/key", "--store-dir", folder / "demo/store",
                                    "--sth-file", folder / "demo/sth",
                                    env=os.environ | {"SIGSUM_LOGSERVER_CONFIG": os.devnull})
                self.assertEqual(audit.returncode, 0, audit.stderr)
            # The same files signed by the same key are the same leaves.
            self.assertEqual(sizes, [2, 2])
