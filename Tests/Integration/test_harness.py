# SPDX-License-Identifier: BSD-2-Clause
#
# The harness itself against the golden vectors and against log-go: a judge that accepts everything
# would let every other test here pass.

import json
import os
import pathlib
import unittest

import ed25519
import harness
import merkle
import wire

VECTORS = harness.ROOT / "Tests/Vectors"


def table(name: str) -> list[list[str]]:
    lines = (VECTORS / name).read_text().splitlines()
    return [line.split() for line in lines if line and not line.startswith("#")]


class Vectors(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.leaves = [
            wire.Leaf(*map(bytes.fromhex, row[:3])) for row in table("leaves.txt")
        ]
        cls.hashes = [bytes.fromhex(row[3]) for row in table("leaves.txt")]
        cls.roots = [bytes.fromhex(row[0]) for row in table("roots.txt")]

    def test_leaf_hashes(self):
        self.assertEqual([leaf.hash for leaf in self.leaves], self.hashes)

    def test_roots(self):
        for size in range(0, len(self.roots), 7):
            self.assertEqual(merkle.root(self.hashes[:size]), self.roots[size])

    def test_many_roots(self):
        self.assertEqual(merkle.roots(self.hashes, range(len(self.roots))),
                         dict(enumerate(self.roots)))

    def test_inclusion_proofs(self):
        for case in json.loads((VECTORS / "inclusion.json").read_text()):
            size, index = case["size"], case["index"]
            path = [bytes.fromhex(node) for node in case["path"]]
            self.assertEqual(merkle.inclusion_path(self.hashes[:size], index), path)
            question = (self.hashes[index], index, size, self.roots[size])
            self.assertTrue(merkle.verify_inclusion(*question, path))
            self.assertFalse(merkle.verify_inclusion(*question, path[:-1]))
            self.assertFalse(merkle.verify_inclusion(*question, path + path[:1]))
            self.assertFalse(merkle.verify_inclusion(*question[:3], self.roots[size - 1], path))

    def test_consistency_proofs(self):
        for case in json.loads((VECTORS / "consistency.json").read_text()):
            old, new = case["old_size"], case["new_size"]
            path = [bytes.fromhex(node) for node in case["path"]]
            self.assertEqual(merkle.consistency_path(self.hashes[:new], old), path)
            question = (old, new, self.roots[old], self.roots[new])
            self.assertTrue(merkle.verify_consistency(*question, path))
            self.assertFalse(merkle.verify_consistency(*question, path[:-1]))
            self.assertFalse(merkle.verify_consistency(*question, path + path[:1]))
            self.assertFalse(
                merkle.verify_consistency(old, new, self.roots[new], self.roots[new], path)
            )

    def test_signatures(self):
        leaf = self.leaves[0]
        message = b"sigsum.org/v1/tree-leaf\0" + leaf.encoded[:32]
        self.assertTrue(ed25519.verify(leaf.public_key, leaf.signature, message))
        self.assertFalse(ed25519.verify(leaf.public_key, leaf.signature, message + b"\0"))

    def test_tree_heads(self):
        keys = json.loads((VECTORS / "keys.json").read_text())
        log_key = bytes.fromhex(keys["log"]["public_key"])
        text = (VECTORS / "tree-heads.txt").read_bytes()
        bodies = [part for part in text.split(b"\n\n") if part.startswith(b"size=")]
        self.assertTrue(bodies)
        for body in bodies:
            head = wire.parse_tree_head(body.rstrip(b"\n") + b"\n")
            self.assertEqual(head.root_hash, self.roots[head.size])
            self.assertTrue(head.is_signed_by(log_key))
            self.assertFalse(wire.TreeHead(
                head.size + 1, head.root_hash, head.signature).is_signed_by(log_key))

    def test_bodies_that_are_not_quite_right(self):
        good = b"size=1\nroot_hash=" + b"00" * 32 + b"\nsignature=" + b"00" * 64 + b"\n"
        wire.parse_tree_head(good)
        for bad in (good[:-1], good + b"\n", good.replace(b"=1", b"=01"), good[7:],
                    good.replace(b"\n", b"\r\n"), good.replace(b"00\n", b"0\n")):
            with self.assertRaises(ValueError, msg=bad):
                wire.parse_tree_head(bad)


class Keys(unittest.TestCase):
    def test_each_key_signs_for_itself(self):
        signers = [ed25519.Signer() for _ in range(3)]
        signatures = [signer.sign(b"message") for signer in signers]
        for row, signer in enumerate(signers):
            for column, signature in enumerate(signatures):
                self.assertEqual(
                    ed25519.verify(signer.public_key, signature, b"message"), row == column
                )

    def test_openssh_files(self):
        keys = json.loads((VECTORS / "keys.json").read_text())
        signer = ed25519.Signer(bytes.fromhex(keys["log"]["seed"]))
        self.assertEqual(signer.public_key.hex(), keys["log"]["public_key"])
        self.assertEqual(signer.key_hash.hex(), keys["log"]["key_hash"])
        with harness.tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "key"
            signer.write_openssh(path)
            self.assertEqual(ed25519.Signer.from_openssh(path).seed, signer.seed)
            shown = harness.run("ssh-keygen", "-y", "-f", path)
            self.assertEqual(shown.returncode, 0, shown.stderr)
            self.assertEqual(shown.stdout.split()[:2], signer.openssh_public().decode().split())


class AgainstLogGo(unittest.TestCase):
    """The client half of the harness, and the shell client, against a log that is not ours."""

    def test_a_whole_life(self):
        with harness.LogGo() as log:
            leaves = [log.add_leaf(number) for number in range(3)]
            head = log.tree_head(size_at_least=3)
            hashes = [leaf.hash for leaf in leaves]
            self.assertEqual(head.root_hash, merkle.root(hashes))
            for index, leaf in enumerate(leaves):
                answer = log.get(f"/get-inclusion-proof/{head.size}/{leaf.hash.hex()}")
                self.assertEqual(
                    wire.parse_inclusion_proof(answer.body),
                    (index, merkle.inclusion_path(hashes, index)),
                )
            answer = log.get("/get-consistency-proof/2/3")
            self.assertEqual(
                wire.parse_consistency_proof(answer.body), merkle.consistency_path(hashes, 2)
            )
            answer = log.get("/get-leaves/0/3")
            self.assertEqual(wire.parse_leaves(answer.body), [leaf.encoded for leaf in leaves])
            self.assertEqual(log.get("/nothing").status, 404)

    def test_shell_client(self):
        verify = harness.peer("sigsum-verify")
        submit, our_verify = (harness.ROOT / "scripts" / name for name in ("submit", "verify"))
        with harness.LogGo() as log:
            policy, key = log.policy_file(), log.folder / "submitter"
            ed25519.Signer().write_openssh(key)
            for number in range(3):
                file = log.folder / f"file-{number}"
                file.write_text(f"file {number}\n")
                done = harness.run(submit, "-k", key, "-p", policy, file)
                self.assertEqual(done.returncode, 0, done.stderr)
                for judge in (verify, our_verify):
                    with open(file) as message:
                        judged = harness.run(judge, "-k", f"{key}.pub", "-p", policy,
                                             f"{file}.proof", stdin=message)
                    self.assertEqual(judged.returncode, 0, judged.stderr)
                with open(os.devnull) as message:
                    judged = harness.run(our_verify, "-k", f"{key}.pub", "-p", policy,
                                         f"{file}.proof", stdin=message)
                self.assertEqual(judged.returncode, 1)
