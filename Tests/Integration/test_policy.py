# SPDX-License-Identifier: BSD-2-Clause
#
# Policy files: what each mistake is called and where it is, and what is no mistake.

import json
import os
import pathlib
import re
import tempfile

import ed25519
import harness
import wire
from test_start import RefusalCase

VECTORS = pathlib.Path(__file__).parent.parent / "Vectors"
KEYS = [ed25519.Signer().public_key.hex() for _ in range(40)]
URL = "http://127.0.0.1:9"

# Each row: the policy, the line that is wrong (None where it is the whole), what the message has.
# In the texts %0 to %3 stand for keys, %u for a URL.
WRONG = [
    ("", None, "quorum"),
    ("# nothing\n", None, "quorum"),
    ("witness a %0 %u\n", None, "quorum"),
    ("quorum none\nquorum none\n", 2, "quorum"),
    ("witness a %0 %u\nquorum a\nquorum a\n", 3, "quorum"),
    ("witnes a %0\nquorum none\n", 1, "witnes"),
    ("Quorum none\n", 1, "Quorum"),
    ("witness a\nquorum none\n", 1, "witness"),
    ("witness\nquorum none\n", 1, "witness"),
    ("witness a %0 %u surplus\nquorum none\n", 1, "witness"),
    ("log\nquorum none\n", 1, "log"),
    ("log %0 %u surplus\nquorum none\n", 1, "log"),
    ("quorum\n", 1, "quorum"),
    ("quorum none none\n", 1, "quorum"),
    ("witness a %0\ngroup g 1\nquorum none\n", 2, "group"),
    ("group g\nquorum none\n", 1, "group"),
    ("log 12ab\nquorum none\n", 1, "12ab"),
    ("log %0a\nquorum none\n", 1, "hex|digits|key"),
    ("witness a zz%0\nquorum none\n", 1, "zz|hex|digits|key"),
    ("witness a \nquorum none\n", 1, "witness"),
    ("log %0\n\nlog %0 %u\nquorum none\n", 3, "log|key"),
    ("witness a %0\nwitness b %0\nquorum none\n", 2, "key|witness"),
    ("witness a %0\nwitness a %1\nquorum none\n", 2, "a"),
    ("witness a %0\nwitness b %1\ngroup a 1 b\nquorum none\n", 3, "a"),
    ("witness a %0\ngroup b 1 a\nwitness b %1\nquorum none\n", 3, "b"),
    ("witness none %0\nquorum none\n", 1, "none"),
    ("witness a %0\ngroup none 1 a\nquorum none\n", 2, "none"),
    ("group g any none\nquorum none\n", 1, "none"),
    ("quorum a\nwitness a %0 %u\n", 1, "a"),
    ("group g any a\nwitness a %0\nquorum none\n", 1, "a"),
    ("group g any g\nquorum none\n", 1, "g"),
    ("witness a %0\nquorum b\n", 2, "b"),
    ("witness a %0\ngroup g any a a\nquorum none\n", 2, "a"),
    ("witness a %0\ngroup g any a\ngroup h any a\nquorum none\n", 3, "a"),
    ("witness a %0\ngroup g any a\ngroup h all g a\nquorum none\n", 3, "a"),
    ("witness a %0\ngroup g 0 a\nquorum none\n", 2, "0"),
    ("witness a %0\ngroup g 2 a\nquorum none\n", 2, "2"),
    ("witness a %0\ngroup g -1 a\nquorum none\n", 2, "-1"),
    ("witness a %0\ngroup g some a\nquorum none\n", 2, "some"),
    ("witness a %0\ngroup g 99999999999999999999 a\nquorum none\n", 2, "9"),
    ("quorum none\r\n", 1, "."),
    ("# a comment\n\tquorum none\v\n", 2, "."),
    ("witness a\0 %0\nquorum none\n", 1, "."),
    ("witness a\x7f %0\nquorum none\n", 1, "."),
    ("# a \x1b comment\nquorum none\n", 1, "."),
    # A URL that is no URL could never be asked.
    ("witness a %0 127.0.0.1:9\nquorum none\n", 1, "127.0.0.1:9|http"),
    ("witness a %0 ftp://127.0.0.1\nquorum none\n", 1, "ftp|http"),
    ("witness a %0 http://\nquorum none\n", 1, "http"),
    ("witness a %0 http://127.0.0.1:99999\nquorum none\n", 1, "99999|port"),
    ("witness a %0 http://u@127.0.0.1/\nquorum none\n", 1, "u@|http|user"),
    # Right, but with a quorum that nobody can reach.
    ("witness a %0\nquorum a\n", None, "quorum"),
    ("witness a %0 %u\nwitness b %1\ngroup g all a b\nquorum g\n", None, "quorum"),
    ("witness a %0 %u\nwitness b %1\nwitness c %2\ngroup g any b c\ngroup h all g a\nquorum h\n",
     None, "quorum"),
]

RIGHT = [
    "quorum none\n",
    "log %0\nquorum none\n",
    "log %0 %u\nlog %1 %u/a/b\nwitness a %0\nquorum none\n",
    "\n\n  \t\n# comment\n   # comment \u00e9\n\tquorum\t \tnone \t\n",
    "witness a %0\ngroup g any a\nquorum none\n",
    "witness \u00e9\u4e2d# %0\nwitness :;/= %1\ngroup \u00e9 2 \u00e9\u4e2d# :;/=\nquorum none\n",
    "witness any %0\nwitness all %1\nwitness 1 %2\ngroup any2 any any all 1\nquorum none\n",
    "witness quorum %0\nwitness log %1\ngroup group all quorum log\nquorum none\n",
    "group",  # replaced below: forty of each, nested one in the other
]
RIGHT[-1] = "".join(
    [f"log {key}\n" for key in KEYS] + [f"witness w{n} {key}\n" for n, key in enumerate(KEYS)]
    + ["group g0 any w0\n"] + [f"group g{n} all g{n - 1} w{n}\n" for n in range(1, 40)]
    + ["quorum none\n"])


class Policies(RefusalCase):
    def write(self, log: harness.Log, text: str) -> os.PathLike:
        for number in range(4):
            text = text.replace(f"%{number}", KEYS[number])
        path = log.folder / "the-policy"
        path.write_bytes(text.replace("%u", URL).encode("utf-8"))
        log.options["policy_file"] = path
        return path

    def test_mistakes(self):
        log = self.fresh()
        for text, line, pattern in WRONG:
            with self.subTest(text=text):
                path = self.write(log, text)
                said = self.refused(log, re.escape(f"policy-file: {path}"), pattern)
                if line is not None:
                    self.assertIn(f"line {line}: ", said)

    def test_what_is_right(self):
        log = self.fresh()
        for text in RIGHT:
            with self.subTest(text=text[:200]):
                self.write(log, text)
                log.start()
                # Nobody is asked, and so nobody is waited for.
                self.assertEqual(log.tree_head().cosignatures, [])
                self.assertEqual(log.stop(), 0)
                self.assertNotRegex(log.output, r"\[(WARN|ERRO|FATA)\]")

    def test_sigsum_go_judges_as_recorded(self):
        """
        Tests/Vectors/policies.json records which policies sigsum-go accepts, and the unit tests hold
        our parser to it. Here sigsum-go is asked again, so that a release that judges otherwise is
        noticed.
        """
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

    def test_files_that_cannot_be_read(self):
        log = self.fresh()
        for path, pattern in ((log.folder / "nothing", "(?i)no such file"),
                              (log.folder, "(?i)directory|regular file")):
            log.options["policy_file"] = path
            self.refused(log, "policy-file", re.escape(str(path)), pattern)

    def test_a_policy_of_megabytes(self):
        """An end with a line about it, or a start: no crash, and not for minutes."""
        log = self.fresh()
        path = self.write(log, "# " + "x" * 5_000_000 + "\nquorum none\n")
        done = harness.run(*log.command(), "--external-endpoint=nowhere.invalid:1",
                           env=os.environ | log.environment())
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"\Asigsum primary: [^\n]+\n\Z")
        self.assertTrue(path.exists())

    def test_a_budget_of_nothing(self):
        log = self.fresh()
        for words in (["--witness-requests-per-day=0"], ["--witness-requests-per-day=-1"],
                      ["--witness-requests-per-day=x"]):
            self.refused(log, "witness-requests-per-day", words=words)

    def test_the_empty_option_takes_it_back(self):
        log = self.fresh()
        file = log.folder / "config.toml"
        file.write_text('[primary]\npolicy-file = "/nonexistent"\n')
        plain = log.environment()
        log.environment = lambda: plain | {"SIGSUM_LOGSERVER_CONFIG": str(file)}
        self.refused(log, "/nonexistent")
        log.options["policy_file"] = ""
        log.start()
        self.assertEqual(wire.parse_tree_head(log.get("/get-tree-head").body).size, 0)
