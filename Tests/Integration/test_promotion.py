# SPDX-License-Identifier: BSD-2-Clause
#
# How a secondary's store becomes a primary's: what `sigsum mktree --mode=local-tree` says and
# refuses, and the start that carries its order out, cut off anywhere.

import os
import random
import shutil
import threading

import harness
import merkle
from secondary import order_promotion, promoted
from secondary_case import IS_LONG, SecondaryCase


class Orders(SecondaryCase):
    """mktree --mode=local-tree on a secondary's store."""

    def setUp(self):
        super().setUp()
        self.primary, self.node = self.pair()
        with self.load(self.primary, connections=8) as load:
            load.wait_for_answers(300)
        self.size = len(self.primary.leaves())
        self.node.wait_until_size(self.size)
        self.stored = self.primary.leaves()
        self.sth_file = self.node.folder / "promoted-sth"

    def order(self, status: int):
        done = order_promotion(self.node.store, self.sth_file)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def assert_refused(self, pattern: str) -> None:
        done = self.order(1)
        self.assertRegex(done.stderr, rf"\Asigsum mktree: [^\n]*{pattern}[^\n]*\n\Z")
        self.assertFalse(self.sth_file.exists())
        self.assertFalse(self.sth_file.with_name("promoted-sth.startup").exists())

    def test_it_says_what_is_promoted(self):
        head = self.node.secondary_tree_head()
        self.assertEqual(self.node.stop(), 0)
        said = self.order(0).stdout
        self.assertIn(f"{self.size} leaves", said)
        self.assertIn(head.root_hash.hex(), said)
        # Once is enough, and where a log has begun there is none to begin.
        for sth_file in (self.sth_file, self.primary.sth_file):
            done = order_promotion(self.node.store, sth_file)
            self.assertEqual(done.returncode, 1)
            self.assertIn(str(sth_file), done.stderr)

    def test_the_newest_leaves_must_be_right(self):
        """A bit in a leaf, old or new, in a slab or not: no order is given."""
        self.assertEqual(self.node.stop(), 0)
        data = self.node.store / "data.mdb"
        right = data.read_bytes()
        for index in (0, 7, 255, 256, self.size - 1):
            for at in (0, 40, 127):
                with self.subTest(index=index, at=at):
                    leaf = bytearray(self.stored[index])
                    self.assertIn(bytes(leaf), right)
                    changed = leaf.copy()
                    changed[at] ^= 1
                    data.write_bytes(right.replace(bytes(leaf), bytes(changed)))
                    self.assert_refused("")
        # Nodes, too: the leaf's hash beside it.
        node_hash = merkle.hash_leaf(self.stored[7])
        self.assertIn(node_hash, right)
        data.write_bytes(right.replace(node_hash, os.urandom(32)))
        self.assert_refused("")
        data.write_bytes(right[:len(right) // 2])
        self.assert_refused("")
        data.write_bytes(right)
        self.order(0)

    def test_damage_after_the_order(self):
        """The start hashes all again: nothing covers a secondary's leaves but they themselves."""
        self.assertEqual(self.node.stop(), 0)
        new = promoted(self.node, self.key)
        self.addCleanup(new.close)
        data = self.node.store / "data.mdb"
        right = data.read_bytes()
        leaf = bytearray(self.stored[3])
        leaf[64] ^= 1
        data.write_bytes(right.replace(self.stored[3], bytes(leaf)))
        with self.assertRaises(harness.StartFailed) as caught:
            new.start()
        self.assertRegex(caught.exception.output, r"sigsum primary: [^\n]+\Z")
        self.assertFalse(new.sth_file.exists())
        data.write_bytes(right)
        new.start()
        self.assertEqual(new.tree_head().size, self.size)

    def test_while_the_secondary_runs(self):
        """Its store is in use."""
        self.assert_refused("store")
        self.assertEqual(self.node.size, self.size)

    def test_no_store_and_no_leaves(self):
        self.assertEqual(self.node.stop(), 0)
        shutil.move(self.node.store, self.node.folder / "elsewhere")
        self.assert_refused("store")
        shutil.move(self.node.folder / "elsewhere", self.node.store)
        self.order(0)

    def test_afterwards_it_is_no_secondarys(self):
        self.assertEqual(self.node.stop(), 0)
        new = promoted(self.node, self.key)
        self.addCleanup(new.close)
        new.start()
        self.assertEqual(new.tree_head(size_at_least=self.size).size, self.size)
        self.assertEqual(new.stop(), 0)
        new.assert_audit()
        with self.assertRaises(harness.StartFailed) as caught:
            self.node.start()
        self.assertRegex(caught.exception.output, r"sigsum secondary: [^\n]*primary[^\n]*\Z")
        new.start()
        self.assertEqual(new.tree_head().size, self.size)

    def test_kills_while_it_is_promoted(self):
        """Whenever the first start is cut off, the next one finishes it."""
        self.assertEqual(self.node.stop(), 0)
        saved = self.node.folder / "saved"
        shutil.copytree(self.node.store, saved)
        chance = random.Random()
        cut = 0
        for turn in range(60 if IS_LONG else 6):
            shutil.rmtree(self.node.store)
            shutil.copytree(saved, self.node.store)
            new = promoted(self.node, self.key)
            self.addCleanup(new.close)
            for _ in range(3):
                new.launch()
                threading.Event().wait(chance.uniform(0, 0.05))
                cut += not new.sth_file.exists() or new.startup_file.exists()
                new.kill()
            new.start()
            head = new.tree_head(size_at_least=self.size)
            self.assertEqual(head.size, self.size)
            self.assertEqual(new.stop(), 0)
            new.assert_audit()
        print(f"     promotions cut off: {cut}")
