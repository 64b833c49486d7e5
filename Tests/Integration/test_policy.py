# SPDX-License-Identifier: BSD-2-Clause
#
# Tests/Vectors/policies.json records which policy files sigsum-go accepts, and the unit tests hold
# our parser to it. Here sigsum-go itself is asked again, so that a release that judges otherwise is
# noticed.

import json
import pathlib
import tempfile
import unittest

import ed25519
import harness

VECTORS = pathlib.Path(__file__).parent.parent / "Vectors"


class Policies(unittest.TestCase):
    def test_sigsum_go_judges_as_recorded(self):
        verify = harness.peer("sigsum-verify")
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        ed25519.Signer().write_openssh(folder / "key")
        # Well-formed, so that the policy is read, and by nobody whose key is known.
        zero = "0" * 64
        (folder / "proof").write_text(f"version=2\nlog={zero}\nleaf={zero} {2 * zero}\n\n"
                                      f"size=1\nroot_hash={zero}\nsignature={2 * zero}\n")
        for policy in json.loads((VECTORS / "policies.json").read_text()):
            with self.subTest(policy["name"]):
                (folder / "policy").write_bytes(policy["octets"].encode("latin-1"))
                judged = harness.run(verify, "-k", folder / "key.pub", "-p", folder / "policy",
                                     folder / "proof", input="message", encoding="utf-8",
                                     errors="replace")
                self.assertIn("unknown leaf key hash" if policy["accepted"]
                              else "failed to parse policy file", judged.stderr)
