# SPDX-License-Identifier: BSD-2-Clause
#
# docs/migrating-from-log-go.md, done as it stands there: a log on log-go's programs moves to ours, with
# clients and readers on it all the time, and back again from where that is possible.

import threading
import time
import unittest

import document
import harness
import wire
import wire
from document_case import DocumentCase


class MigrationDocument(DocumentCase):
    def begin(self, machine_names: str, case: str) -> None:
        """A log on log-go, in use; with `pair` it has a secondary."""
        self.case = case
        self.site = self.make_site("migrating-from-log-go.md", machine_names, log_go="os")
        self.machines = self.site.machines
        self.old, self.new = self.machines["o"].primary, self.machines["n"].primary
        self.site.log = "http://{}:{}".format(*self.old.external)
        o, n = self.machines["o"], self.machines["n"]
        lines = ['backend = "ephemeral"', *self.endpoints(o), f'key-file = "{o.etc}/hex-key"',
                 "[primary]", f'sth-file = "{o.lib}/sth"', f'policy-file = "{o.etc}/policy"']
        if case == "pair":
            lines += self.begin_secondary(self.machines["s"])
        (o.etc / "config.toml").write_text("\n".join([*lines, ""]))
        (o.etc / "hex-key").write_text(f"{self.key.seed.hex()}\n")
        self.bring_policy(o)
        o.shell("sigsum-mktree && systemctl start sigsum-log-primary")
        self.reader = self.enterContext(Reader(self.old))
        self.clients = self.load(self.old)
        self.clients.wait_for_answers(20)
        # As a document without the key would have it.
        self.bring_policy(n)
        (n.etc / "hex-key").write_text(f"{self.key.seed.hex()}\n")

    def begin_secondary(self, s) -> list[str]:
        """Log-go's secondary runs; what its primary is told of it."""
        s.shell(f'ssh-keygen -q -t ed25519 -N "" -f {s.etc}/secondary-key')
        (s.etc / "config.toml").write_text("\n".join([
            'backend = "ephemeral"', *self.endpoints(s), f'key-file = "{s.etc}/secondary-key"',
            "[secondary]", f'primary-url = "{self.old.internal_url}"', ""]))
        s.shell("systemctl start sigsum-log-secondary")
        return [f'secondary-url = "{s.secondary.internal_url}"',
                f'secondary-pubkey-file = "{s.etc}/secondary-key.pub"']

    def endpoints(self, machine) -> list[str]:
        return [f'{name}-endpoint = "{address[0]}:{address[1]}"'
                for name, address in (("external", machine.external), ("internal", machine.internal))]

    def follow(self, title: str) -> list[str]:
        return self.site.follow(title, self.case)

    def prepare(self) -> None:
        self.follow("1. Copy")
        self.site.follow("Key files", "hex")
        self.follow("2. Prepare")

    def finish(self) -> None:
        """From step 5 on: it is the new one's log."""
        self.reader.stop()
        self.site.log = "http://{}:{}".format(*self.new.external)
        watcher = self.watch_unit(self.new)
        self.assertGreaterEqual(watcher.wait_for_size(0).size, self.reader.heads[-1][1].size)
        clients = self.load(self.new)
        self.follow("5. Move the address")
        clients.wait_for_answers(20)
        if self.case == "pair":
            self.follow("6. Secondaries for the new log")
            clients.wait_for_answers(20)
        clients.end()
        self.clients.end()
        self.assertFalse(clients.errors + self.clients.errors)
        self.assert_nothing_lost(self.new, self.clients.answered + clients.answered,
                                 [self.reader, watcher])
        self.assert_witnesses_saw_one_tree()
        self.assertEqual(self.lines(self.new, r"\[(ERRO|FATA)\]"), [])
        self.assertEqual(self.new.stop(), 0)

    def assert_witnesses_saw_one_tree(self) -> None:
        roots: dict[int, bytes] = {}
        for witness in self.witnesses:
            for request in witness.requests:
                head = request.body.head
                self.assertEqual(roots.setdefault(head.size, head.root_hash), head.root_hash)

    def test_with_log_gos_secondary(self):
        self.begin("osn", "pair")
        self.prepare()
        self.follow("3. Hold the old log still")
        self.follow("4. Promote")
        self.finish()

    def test_without_a_secondary(self):
        self.begin("on", "alone")
        self.prepare()
        # The proxy refuses new leaves.
        self.clients.end()
        self.follow("3. Hold the old log still")
        self.follow("4. Promote")
        self.finish()

    def test_back_again(self):
        """From step 3, from step 4, and then all the way."""
        self.begin("osn", "pair")
        self.prepare()
        self.follow("3. Hold the old log still")
        self.follow("Back from step 3")
        self.clients.wait_for_answers(20)
        self.follow("3. Hold the old log still")
        self.follow("4. Promote")
        self.follow("Back from step 4")
        self.clients.wait_for_answers(20)
        self.follow("3. Hold the old log still")
        self.follow("4. Promote")
        self.finish()


class Reader:
    """Reads the tree head all the time, and is always answered; a watcher expects more than log-go."""

    def __init__(self, log: harness.Server):
        self.heads: list[tuple[float, wire.TreeHead]] = []
        self._log = log
        self._is_over = threading.Event()
        self._faults: list[str] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Reader":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._is_over.set()
        self._thread.join(timeout=wire.DEADLINE_SECONDS)

    def stop(self) -> None:
        """Reads no more; that it was not answered fails the test."""
        self.__exit__()
        assert not self._faults, self._faults

    def _run(self) -> None:
        try:
            while not self._is_over.wait(0.002):
                head = self._log.tree_head()
                if not self.heads or self.heads[-1][1].size != head.size:
                    self.heads.append((time.monotonic(), head))
        except Exception as error:
            self._faults.append(repr(error))


class MigrationLines(unittest.TestCase):
    def test_what_is_said_when_it_went_wrong(self):
        """Each such line of the document is one that the program has."""
        lines = document.Document("migrating-from-log-go.md").wrong_lines
        self.assertGreater(len(lines), 3)
        for line in lines:
            with self.subTest(line=line):
                self.assertTrue(document.said_by_sources(line))
