# SPDX-License-Identifier: BSD-2-Clause
#
# A log whose key file is a public key: every signature is made by the ssh-agent that has the
# private half, which may be gone for a while, know another key, or never answer.

import pathlib
import re
import socket
import tempfile
import time
import unittest

import ed25519
import harness
import wire
from agent import Agent


class AgentCase(unittest.TestCase):
    def setUp(self):
        # The path of a socket must be short.
        folder = tempfile.TemporaryDirectory(prefix="sigsum-agent-")
        self.addCleanup(folder.cleanup)
        self.agent = Agent(pathlib.Path(folder.name))
        self.addCleanup(self.agent.stop)

    def log(self, key: ed25519.Signer, **options) -> harness.Log:
        log = harness.Log(key=key, **options)
        self.addCleanup(log.close)
        log.key_file.write_bytes(key.openssh_public())
        # The private half is nowhere but in the agent.
        (log.folder / "key.pub").unlink()
        log.environment = lambda: harness.Log.environment(log) | {
            "SSH_AUTH_SOCK": str(self.agent.socket)}
        made = log.mktree()
        self.assertEqual(made.returncode, 0, made.stderr)
        return log

    def assert_refused(self, log, pattern: str) -> None:
        with self.assertRaises(harness.StartFailed) as caught:
            log.start()
        self.assertEqual(caught.exception.status, 1)
        self.assertRegex(log.lines[-1], r"\Asigsum primary: ")
        self.assertRegex(log.lines[-1], pattern)
        self.assertFalse(log.sth_file.exists())


class WithAnAgent(AgentCase):
    def test_it_signs(self):
        key = ed25519.Signer()
        self.agent.start(key)
        log = self.log(key, min_interval="0s").start()
        leaves = [log.add_leaf(number) for number in range(5)]
        head = log.tree_head(size_at_least=5)
        self.assertEqual(head.size, len(leaves))
        self.assertTrue(head.is_signed_by(key.public_key))
        self.assertEqual(log.stop(), 0)
        log.assert_audit()

    def test_it_goes_and_comes_again(self):
        key = ed25519.Signer()
        self.agent.start(key)
        log = self.log(key, min_interval="10ms", interval="1h", add_leaf_wait="0s").start()
        log.add_leaf(0)
        log.tree_head(size_at_least=1)
        self.agent.stop()
        # A leaf is logged when it is durable; only its publication waits.
        leaf = log.add_leaf(1)
        log.wait_for_line(r"\[ERRO\].*ssh-agent at " + re.escape(str(self.agent.socket)))
        self.assertEqual(log.tree_head().size, 1)
        self.assertEqual(log.post_leaf(leaf).status, 200)
        self.assertGreater(log.metrics()["signing_failures_total"], 0)
        # With another key it is as good as none.
        self.agent.start(ed25519.Signer())
        log.wait_for_line(r"\[ERRO\].*ssh-add")
        self.agent.stop()
        self.agent.start(key)
        self.assertEqual(log.tree_head(size_at_least=2).size, 2)
        self.assertEqual(log.stop(), 0)

    def test_a_restart_needs_none_until_there_is_something_to_sign(self):
        key = ed25519.Signer()
        self.agent.start(key)
        log = self.log(key, min_interval="0s").start()
        log.add_leaf(0)
        log.tree_head(size_at_least=1)
        self.assertEqual(log.stop(), 0)
        self.agent.stop()
        log.start()
        self.assertEqual(log.tree_head().size, 1)
        self.assertEqual(log.stop(), 0)

    def test_beginnings_without_it(self):
        key = ed25519.Signer()
        log = self.log(key)
        self.assert_refused(log, re.escape(str(self.agent.socket)))
        self.agent.start()
        self.assert_refused(log, "ssh-add")
        self.agent.stop()
        with socket.socket(socket.AF_UNIX) as mute:
            mute.bind(str(self.agent.socket))
            mute.listen()
            log.options["timeout"] = "300ms"
            self.assert_refused(log, "(?i)time|no answer")
            del log.options["timeout"]
        self.agent.stop()
        self.agent.start(key)
        log.start()
        self.assertEqual(log.tree_head().size, 0)

    def test_an_end_while_it_does_not_answer(self):
        key = ed25519.Signer()
        self.agent.start(key)
        log = self.log(key, min_interval="0s", add_leaf_wait="25s").start()
        log.tree_head()
        self.assertEqual(log.stop(), 0)
        self.agent.stop()
        log.options["timeout"] = "2s"
        log.start()
        with socket.socket(socket.AF_UNIX) as mute:
            mute.bind(str(self.agent.socket))
            mute.listen()
            leaf = log.add_leaf(0)
            mute.settimeout(wire.DEADLINE_SECONDS)
            question, _ = mute.accept()
            with question, log.connect() as connection:
                connection.send(connection.encode("POST", "/add-leaf", leaf.body))
                deadline = time.monotonic() + wire.DEADLINE_SECONDS
                while log.metrics()["held_requests"] < 1:
                    self.assertLess(time.monotonic(), deadline, "not held")
                self.assertEqual(log.stop(), 0)
                self.assertEqual(connection.read_response().status, 200)
        self.agent.stop()
        self.agent.start(key)
        log.start()
        self.assertEqual(log.tree_head(size_at_least=1).root_hash, leaf.hash)
