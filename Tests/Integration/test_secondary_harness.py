# SPDX-License-Identifier: BSD-2-Clause
#
# The scripted primary and secondary, and the way that these tests ask a secondary, held against
# log-go's pair: a double that is no right peer would make tests fail, or pass, for its own sake.

import unittest

import answers
import harness
import merkle
import scripted_nodes
import wire
from scripted_nodes import ScriptedPrimary, ScriptedSecondary, made_leaves
from secondary import LogGoSecondary, assert_same_tree, set_secondaries
from secondary_case import chosen

QUICK = {"interval": "100ms"}


class AgainstLogGo(unittest.TestCase):
    def test_its_pair(self):
        primary = harness.LogGo(**QUICK)
        self.addCleanup(primary.close)
        secondary = self.enterContext(LogGoSecondary(primary, **QUICK))
        self.assertEqual(secondary.size, 0)
        set_secondaries(primary, [secondary])
        primary.start()
        for number in range(3):
            primary.add_leaf(number)
        assert_same_tree(primary, secondary, 3)
        primary.tree_head(size_at_least=3)

    def test_its_secondary_of_a_scripted_primary(self):
        for honors_wait in (True, False):
            leaves = made_leaves(250)
            with (self.subTest(honors_wait=honors_wait),
                  ScriptedPrimary(leaves[:130], max_range=60, honors_wait=honors_wait) as primary,
                  LogGoSecondary(primary, **QUICK) as secondary):
                for size in (130, 250):
                    primary.set_leaves(leaves[:size])
                    head = secondary.wait_until_size(size)
                    hashes = [merkle.hash_leaf(leaf) for leaf in leaves[:size]]
                    self.assertEqual((head.size, head.root_hash), (size, merkle.root(hashes)))

    def test_its_primary_with_a_scripted_secondary(self):
        # It gives the secondary so long for an answer.
        primary = harness.LogGo(interval="300ms")
        self.addCleanup(primary.close)
        secondary = self.enterContext(ScriptedSecondary(primary))
        set_secondaries(primary, [secondary])
        primary.start()
        primary.add_leaf(0)
        primary.tree_head(size_at_least=1)
        # It signs no more than what the secondary holds, whatever it is that is wrong with it.
        rows = scripted_nodes.WRONG_SIGNATURES | {"ahead": scripted_nodes.ahead(2),
                                                  "500": answers.status(500)}
        for what, answer in chosen(rows, "another key", "ahead", "500").items():
            with self.subTest(what):
                secondary.always(answer)
                size = primary.tree_head().size
                asked = len(secondary.requests)
                primary.post_leaf(wire.Leaf.numbered(primary.signer, size))
                secondary.wait_for_requests(asked + 3)
                self.assertEqual(primary.tree_head().size, size)
                secondary.behave()
                primary.tree_head(size_at_least=size + 1)


class Doubles(unittest.TestCase):
    def test_the_wait_ends_with_growth(self):
        leaves = made_leaves(5)
        with ScriptedPrimary(leaves[:3]) as primary, wire.Connection(primary.address) as connection:
            for prefer in ("wait=0", "wait=30"):
                connection.send(connection.encode("GET", "/get-leaves/3/9", Prefer=prefer))
                if prefer == "wait=30":
                    primary.wait_for_requests(2)
                    primary.set_leaves(leaves)
                answer = connection.read_response()
                self.assertEqual(answer.field("Preference-Applied"), prefer)
                self.assertEqual(answer.status, 404 if prefer == "wait=0" else 200)
            self.assertEqual(wire.parse_leaves(answer.body), leaves[3:])

    def test_wrong_leaves_are_wrong(self):
        """Each has something that our own strict parser refuses, or is more than was asked for."""
        with ScriptedPrimary(made_leaves(3)) as primary:
            for what, answer in scripted_nodes.WRONG_LEAVES.items():
                with self.subTest(what), wire.Connection(primary.address) as connection:
                    primary.next(answer)
                    body = connection.request("GET", "/get-leaves/1/3").body
                    try:
                        self.assertGreater(len(wire.parse_leaves(body)), 2)
                    except ValueError:
                        pass

    def test_wrong_heads_are_wrong(self):
        with ScriptedPrimary(made_leaves(3)) as primary:
            primary.get = lambda target, internal: wire.Connection(primary.address).request(
                "GET", target)
            primary.public_key = bytes(32)
            secondary = self.enterContext(ScriptedSecondary(primary))
            for what, answer in (scripted_nodes.WRONG_HEADS
                                 | scripted_nodes.WRONG_SIGNATURES).items():
                with self.subTest(what), wire.Connection(secondary.address) as connection:
                    secondary.next(answer)
                    body = connection.request("GET", "/get-secondary-tree-head").body
                    try:
                        head = wire.parse_tree_head(body)
                    except (ValueError, IndexError):
                        continue
                    self.assertFalse(head.is_signed_by(secondary.public_key))
