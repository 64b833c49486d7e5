# SPDX-License-Identifier: BSD-2-Clause
#
# docs/failover.md, done as it stands there: its own commands, on a site of machines on loopback,
# while clients add leaves and a watcher judges every tree head. What the document says is printed
# has to be, and no leaf answered 200 may be lost.

import re
import unittest

import document
import harness
import wire
from document_case import DocumentCase
from machines import Machine


class FailoverDocument(DocumentCase):
    def begin(self, machine_names: str, case: str) -> None:
        """A log in use gets its secondaries."""
        self.site = self.make_site("failover.md", machine_names)
        self.machines = self.site.machines
        a = self.machines["a"]
        self.bring_key(a)
        (a.etc / "config.toml").write_text(
            f'key-file = "{a.etc}/key"\nstore-dir = "{a.lib}/store"\n'
            f'internal-endpoint = "{a.internal[0]}:{a.internal[1]}"\n'
            f'external-endpoint = "{a.external[0]}:{a.external[1]}"\n'
            f'[primary]\nsth-file = "{a.lib}/sth"\npolicy-file = "{a.etc}/policy"\n')
        a.shell("sigsum-mktree && systemctl start sigsum-log-primary")
        self.clients = self.load(a.primary)
        self.clients.wait_for_answers(20)
        self.site.follow("Setting up the secondaries")
        self.site.follow("Telling the primary", case)
        self.watcher = self.watch_unit(a.primary)
        self.clients.wait_for_answers(50)

    def take_over(self, name: str) -> None:
        """The log is now on that machine, by steps 4 and 5."""
        self.new = self.machines[name].primary
        instead = {"b": name}
        self.site.follow("4. Order the promotion", instead=instead)
        self.site.follow("5. Start the primary", instead=instead)
        self.assertGreaterEqual(self.new.tree_head().size, self.watcher.last.size)
        self.new_watcher = self.watch_unit(self.new)

    def move_clients(self, name: str, *case: str) -> None:
        """Step 8."""
        self.clients.log = self.new
        self.site.log = "http://{}:{}".format(*self.new.external)
        self.site.follow("8. Move the address", *case, instead={"b": name})
        self.clients.wait_for_answers(30)

    def lose(self, machine: Machine) -> None:
        machine.primary.kill()
        self.watcher.stop()

    def finish(self, *secondaries: str) -> None:
        """All that was promised is there, and on these machines."""
        self.clients.end()
        self.assertFalse(self.clients.errors)
        self.assert_nothing_lost(self.new, self.clients.answered, [self.watcher, self.new_watcher])
        size = len(self.new.leaves(internal=True))
        for name in secondaries:
            self.until(lambda: self.value(self.machines[name].secondary, "tree_size_leaves",
                                          state="committed") == size)
        for name in secondaries:
            self.assertEqual(self.machines[name].secondary.stop(), 0)
        self.assertEqual(self.new.stop(), 0)

    def test_one_secondary(self):
        self.begin("ab", "one")
        self.site.follow("1. Stop the secondaries", "reachable")
        self.watcher.stop()
        self.site.follow("2. Find the largest")
        self.bring_key(self.machines["b"])
        self.site.follow("3. Bring the key, and configure", "one")
        self.take_over("b")
        self.site.follow("7. Submit a leaf")
        self.move_clients("b")
        size = self.new.tree_head().size
        self.new_watcher.wait_for_witnesses(*self.witnesses, size=size)
        self.site.follow("When the old primary comes back")
        self.site.follow("9. The old primary's machine", "one")
        self.clients.wait_for_answers(10)
        self.finish("a")

    def test_a_planned_switch(self):
        """Readers are served all the time."""
        self.begin("ab", "one")
        self.site.follow("1. Stop the secondaries")
        self.site.follow("2. Find the largest")
        self.bring_key(self.machines["b"])
        self.site.follow("3. Bring the key, and configure", "one")
        self.take_over("b")
        self.assertEqual(self.machines["a"].primary.get("/get-tree-head").status, 200)
        self.watcher.stop()
        self.move_clients("b", "planned")
        self.site.follow("9. The old primary's machine", "one")
        self.clients.wait_for_answers(10)
        self.finish("a")

    def test_two_of_three(self):
        """The old primary is cut off from those who act, and goes on as long as it can."""
        self.begin("abcd", "several")
        self.site.follow("1. Stop the secondaries")
        # The third gets a leaf that the others can no longer have, and that counts as nothing. The
        # clients' own may all be at the two already.
        late = self.machines["a"].primary.post_leaf(wire.Leaf.numbered(self.key, 1))
        self.assertEqual(late.status, 202)
        ahead = self.value(self.machines["a"].primary, "tree_size_leaves", state="committed")
        self.until(lambda: self.value(self.machines["d"].secondary, "tree_size_leaves",
                                      state="committed") >= ahead)
        self.lose(self.machines["a"])
        self.choose_largest(self.site.follow("2. Find the largest"))
        self.bring_key(self.machines["b"])
        self.site.follow("3. Bring the key, and configure", "several")
        self.take_over("b")
        c, d = self.site.follow("6. The other secondaries")
        self.assertIn("replication_caught_up", c)
        self.assertIn("sigsum_log_replication_halted 1", d)
        self.site.follow("A secondary that is ahead")
        self.site.follow("7. Submit a leaf")
        self.move_clients("b")
        self.site.follow("9. The old primary's machine", "several")
        self.clients.wait_for_answers(10)
        self.finish("a", "c", "d")

    def choose_largest(self, printed: list[str]) -> None:
        """The document calls it b."""
        sizes = [int(re.search(r"(\d+) leaves", text)[1]) for text in printed]
        if sizes[1] > sizes[0]:
            machines = self.machines
            machines["b"], machines["c"] = machines["c"], machines["b"]

    def test_the_key_is_elsewhere(self):
        self.begin("abe", "one")
        self.lose(self.machines["a"])
        self.bring_key(self.machines["e"])
        self.site.follow("Without the log's key at the survivor")
        self.take_over("e")
        self.site.follow("Then the survivor follows")
        self.move_clients("e")
        self.finish("b")


class FailoverLines(unittest.TestCase):
    def test_what_is_said_when_it_went_wrong(self):
        """Each such line of the document is one that the program has."""
        lines = document.Document("failover.md").wrong_lines
        self.assertGreater(len(lines), 20)
        for line in lines:
            with self.subTest(line=line):
                self.assertTrue(document.said_by_sources(line))

