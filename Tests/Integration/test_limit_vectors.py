# SPDX-License-Identifier: BSD-2-Clause
#
# Tests/Vectors/domains.json and rate-limits.json record what log-go makes of domain names and of
# rate-limit files, and the unit tests hold our parsers to it. Here log-go is asked again, so that a
# release that judges otherwise is noticed.

import json
import os
import pathlib
import tempfile
import unittest

import ed25519
import harness

VECTORS = pathlib.Path(__file__).parent.parent / "Vectors"
REFUSED = "initializing rate limiter failed: "


class LimitVectors(unittest.TestCase):
    def setUp(self):
        self.program = harness.peer("sigsum-log-primary")
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        ed25519.Signer().write_openssh(self.folder / "key")
        made = harness.run(harness.peer("sigsum-mktree"), f"--sth-file={self.folder / 'sth'}",
                           env=os.environ | {"SIGSUM_LOGSERVER_CONFIG": os.devnull})
        self.assertEqual(made.returncode, 0, made.stderr)

    def judge(self, file: bytes) -> str | None:
        """What log-go has against the file. Its addresses are none, so it ends in any case."""
        (self.folder / "limits").write_bytes(file)
        done = harness.run(
            self.program, "--backend=ephemeral", f"--key-file={self.folder / 'key'}",
            f"--sth-file={self.folder / 'sth'}", f"--rate-limit-file={self.folder / 'limits'}",
            "--external-endpoint=127.0.0.1:no-port", "--internal-endpoint=127.0.0.1:no-port",
            env={"SIGSUM_LOGSERVER_CONFIG": os.devnull}, encoding="utf-8", errors="replace")
        if REFUSED not in done.stderr:
            self.assertIn("no-port", done.stderr)
            return None
        return done.stderr.split(REFUSED)[1].rstrip("\n")

    def test_files(self):
        for file in json.loads((VECTORS / "rate-limits.json").read_text()):
            with self.subTest(file["name"]):
                reason = self.judge(file["octets"].encode("latin-1"))
                self.assertEqual(reason is None, file["accepted"], reason)

    def test_domains(self):
        """A domain that is there twice is refused under the name by which it is compared."""
        for domain in json.loads((VECTORS / "domains.json").read_text()):
            with self.subTest(domain["name"]):
                line = f"domain {domain['name']} 1\n"
                reason = self.judge((line + line).encode())
                name = reason.removeprefix("invalid multiple domain ")
                self.assertEqual(None if name == reason else name, domain["log_go"], reason)
