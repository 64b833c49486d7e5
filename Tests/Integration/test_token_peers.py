# SPDX-License-Identifier: BSD-2-Clause
#
# Submit tokens as other makers' programs make and judge them, all with one name server: sigsum-go's
# sigsum-submit and sigsum-token against our log, and log-go's server beside ours, on the same
# rate-limit file and with the same requests.

import shlex
import subprocess
import unittest

import dns
import ed25519
import harness
import wire
from limits_case import PUBLIC_SUFFIX_LIST, LimitsCase, new_leaf, with_bad_signature

OUR = ed25519.Signer()
KEY = OUR.public_key.hex()
OTHERS = [ed25519.Signer().public_key.hex() for _ in range(10)]


class Tools(LimitsCase):
    """A domain's owner, who has sigsum-go, and a log that takes nothing but tokens."""

    DOMAIN = "tools.example"

    def setUp(self):
        self.submit = harness.peer("sigsum-submit")
        self.program = harness.peer("sigsum-token")
        self.names = self.enterContext(dns.Dnsmasq({}))
        self.server = self.log(f"domain {self.DOMAIN} 3", names=self.names, add_leaf_wait="2s")
        self.folder = self.server.folder
        self.owner, self.signer = ed25519.Signer(), ed25519.Signer()
        self.owner.write_openssh(self.folder / "owner")
        self.signer.write_openssh(self.folder / "signer")

    def run_tool(self, *words, **options) -> subprocess.CompletedProcess:
        return harness.run(*self.names.prefix, *words, cwd=self.folder, **options)

    def serve_record(self, *domains: str) -> None:
        """Has the name server know what `sigsum-token record` says, for domains with A-labels."""
        made = self.run_tool(self.program, "record", "-k", "owner.pub")
        self.assertEqual(made.returncode, 0, made.stderr)
        label, *kind, text = shlex.split(made.stdout)
        self.assertEqual(kind, ["IN", "TXT"])
        self.names.serve({f"{label}.{domain}": [text] for domain in domains})

    def submit_file(self, name: str, *words) -> subprocess.CompletedProcess:
        (self.folder / name).write_text(f"the file {name}\n")
        policy = self.server.policy_file()
        return self.run_tool(self.submit, "-k", "signer", "-p", policy, *words, name)

    def test_sigsum_submit(self):
        below = f"xn--bcher-kva.{self.DOMAIN}"
        self.serve_record(self.DOMAIN, below)
        words = ["--token-domain", self.DOMAIN, "--token-signing-key", "owner"]
        for number, domain in enumerate((self.DOMAIN, below, f"Bücher.{self.DOMAIN}")):
            name = f"file-{number}"
            done = self.submit_file(name, "-d", domain, "-a", "owner")
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(self.folder / name) as message:
                judged = harness.run(harness.peer("sigsum-verify"), "-k", "signer.pub",
                                     "-p", "policy", f"{name}.proof", cwd=self.folder,
                                     stdin=message)
            self.assertEqual(judged.returncode, 0, judged.stderr)
        # The limit is used up.
        done = self.submit_file("one-more", *words)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("429", done.stderr)
        # What is logged is found all the same.
        (self.folder / "file-0.proof").unlink()
        done = self.submit_file("file-0", *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.in_tree(self.server, self.signer), 3)

    def test_sigsum_submit_without_right(self):
        self.serve_record(self.DOMAIN)
        self.signer.write_openssh(self.folder / "stranger")
        for words, status in ((["-d", self.DOMAIN, "-a", "stranger"], "400"),
                              (["-d", f"a.{self.DOMAIN}", "-a", "owner"], "400"), ([], "429")):
            done = self.submit_file("file", *words)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(status, done.stderr)
        self.assertEqual(self.in_tree(self.server, self.signer), 0)

    def test_sigsum_submit_tries_the_next_log(self):
        """A log that cannot ask about the domain is passed over for one that can."""
        self.serve_record(self.DOMAIN)
        deaf = self.enterContext(dns.Dnsmasq({}))
        self.write(self.server, f"domain {self.DOMAIN} 100")
        self.reload(self.server)
        other = self.log(f"domain {self.DOMAIN} 100", names=deaf, timeout="1s")
        deaf.stop()
        policy = self.folder / "two-logs"
        lines = [f"log {log.public_key.hex()} http://{log.external[0]}:{log.external[1]}"
                 for log in (other, self.server)]
        policy.write_text("\n".join([*lines, "quorum none", ""]))
        # The order in which it asks is its own.
        count = 0
        while self.counted(other, "submit_tokens_total") == {}:
            count += 1
            (self.folder / f"file-{count}").write_text(f"{count}\n")
            done = self.run_tool(self.submit, "-k", "signer", "-p", policy, "-d", self.DOMAIN,
                                 "-a", "owner", f"file-{count}")
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.counted(other, "submit_tokens_total"), {"unchecked": 1})
        self.assertEqual(self.in_tree(self.server, self.signer), count)
        self.assertEqual(self.in_tree(other, self.signer), 0)

    def test_sigsum_token(self):
        """What it makes we take, and what it makes of the same name server is what we do."""
        for domain in (self.DOMAIN, f"a.{self.DOMAIN}", "xn--bcher-kva." + self.DOMAIN):
            with self.subTest(domain):
                self.serve_record(domain)
                (self.folder / "log.pub").write_bytes(self.server.signer.openssh_public())
                made = self.run_tool(self.program, "create", "-d", domain, "-k", "owner",
                                     "-l", "log.pub")
                self.assertEqual(made.returncode, 0, made.stderr)
                name, value = made.stdout.rstrip("\n").split(": ")
                self.assertEqual(name.lower(), "sigsum-token")
                ours = wire.submit_token(self.owner, self.server.public_key, domain)
                self.assertEqual(value, ours)
                judged = self.run_tool(self.program, "verify", "-l", "log.pub", input=made.stdout)
                self.assertEqual(judged.returncode, 0, judged.stderr)
                self.assertEqual(self.post(self.server, self.signer, value).status, 200)


# ---- Beside log-go

# Domains and the records of their v1 and v0 names.
DOMAINS: dict[str, tuple[list, list]] = {
    "v1.example": ([KEY], []),
    "v0.example": ([], [KEY]),
    "v1-alone.example": ([OTHERS[0]], [KEY]),
    "no-key-v1.example": (["v=spf1"], [KEY]),
    "tenth.example": (OTHERS[:9] + [KEY], []),
    "eleventh.example": (OTHERS + [KEY], []),
    "skipped.example": (["v=spf1", KEY[1:], KEY], []),
    "upper.example": ([KEY.upper()], []),
    "strings.example": ([(KEY[:32], KEY[32:])], []),
    "large.example": (["x" * 255] * 9 + [KEY] + ["x" * 255] * 20, []),
    "neither.example": ([], []),
    "under_score.example": ([KEY], []),
    "xn--rksmrgs-5wao1o.example": ([KEY], []),
    "xn--i-7iq.example": ([KEY], []),
    "two.example": ([KEY], []), "a.two.example": ([KEY], []), "none.example": ([KEY], []),
    "again.example": ([KEY], []), "bad.example": ([KEY], []),
    "unlisted.zz": ([KEY], []), "localhost": ([KEY], []),
    "co.uk": ([KEY], []), "a.co.uk": ([KEY], []), "b.a.co.uk": ([KEY], []),
    "a.ck": ([KEY], []), "b.a.ck": ([KEY], []), "www.ck": ([KEY], []), "a.www.ck": ([KEY], []),
    "a.github.io": ([KEY], []), "b.github.io": ([KEY], []),
    "xn--85x722f.xn--55qx5d.cn": ([KEY], []),
    "test.sigsum.org": ([KEY], []),
}

# Where log-go 0.15.2 answers otherwise: what it answers, and why ours is another.
DIFFERENCES = {
    # It looks U-labels up as they are, and there is no such name.
    "U-labels": 400,
    # To it that is another domain, which no line has.
    "final dot": 429,
    # It says that about whatever goes wrong in the DNS, and so clients do not try another log.
    "SERVFAIL": 400,
    "nobody listens": 400,
    # It applies an exception of the public suffix list only below a suffix that has a line itself.
    **dict.fromkeys(("www.ck", "a.www.ck"), 429),
    # To it that is none, and the key has no limit of its own.
    "malformed: ''": 429,
    # It counts before it looks whether the leaf is known.
    "sent again, the limit used up": 429,
    # It counts before it verifies: anybody who knows a public key can use up what its owner has.
    "new leaf after bad signatures": 429,
}


class BesideLogGo(LimitsCase):
    def test_the_same_answers(self):
        if not PUBLIC_SUFFIX_LIST.exists():
            self.skipTest(f"{PUBLIC_SUFFIX_LIST} is not there (Debian package publicsuffix)")
        upstream = self.enterContext(dns.Upstream(dns.Upstream.SERVFAIL))
        records = {}
        for domain, (v1, v0) in DOMAINS.items():
            records |= {f"_sigsum_v1.{domain}": v1, f"_sigsum_v0.{domain}": v0}
        names = self.names(records, upstream={"broken.example": upstream.address})
        self.keyed, self.burnt = ed25519.Signer(), ed25519.Signer()
        ours = self.log(
            "# the same file for both",
            f"key {self.keyed.key_hash.hex().upper()} 2 # a key",
            f"key {self.burnt.key_hash.hex()} 2",
            "domain example 1000", "domain two.example 2", "domain none.example 0",
            "domain again.example 1", "domain räksmörgås.example 5",
            f"public {PUBLIC_SUFFIX_LIST} 2", names=names)
        theirs = dns.LogGo(names, key=ours.signer, rate_limit_file=ours.limits_file)
        self.addCleanup(theirs.close)
        theirs.start()

        unseen = dict(DIFFERENCES)
        for name, leaf, token in self.requests(ours.public_key):
            with self.subTest(name):
                if name == "nobody listens":
                    names.stop()
                our, their = (self.kind(self.post(log, leaf, token)) for log in (ours, theirs))
                expected = unseen.pop(name, None)
                if expected is None:
                    self.assertEqual(our, their, name)
                else:
                    self.assertEqual(their, expected)
                    self.assertNotEqual(our, their, "no difference any more")
        self.assertEqual(unseen, {})

    @staticmethod
    def kind(answer: wire.Response) -> int:
        """Whether a leaf is logged at once is another matter."""
        return 200 if answer.status == 202 else answer.status

    def requests(self, log: bytes):
        """Names, leaves and tokens, in order."""
        def token(domain: str, signer: ed25519.Signer = OUR, for_log: bytes = log) -> str:
            return wire.submit_token(signer, for_log, domain)

        def fresh(name: str, domain: str):
            return name, new_leaf(OUR), token(domain)

        for domain in DOMAINS:
            if domain != "again.example":
                yield fresh(domain, domain)
        for number in range(3):
            yield f"key {number}", new_leaf(self.keyed), None
            yield f"key and token {number}", new_leaf(self.keyed), token("v1.example")
        yield "no key, no token", new_leaf(OUR), None
        for number in range(2):
            for domain in ("two.example", "a.two.example", "none.example", "a.co.uk", "b.a.co.uk",
                           "co.uk", "a.ck", "b.a.ck", "a.github.io", "b.github.io",
                           "xn--85x722f.xn--55qx5d.cn"):
                yield fresh(f"{domain} {number}", domain)
        yield fresh("other case", "V1.Example")
        yield fresh("other case, A-label", "XN--RKSMRGS-5wao1o.example")
        yield fresh("U-labels", "räksmörgås.example")
        yield fresh("final dot", "v1.example.")
        yield fresh("empty label", "v1..example")
        yield fresh("no domain name", "-/-.example")
        yield fresh("not a name's A-label", "xn--a.example")
        yield fresh("not exists", "a.neither.example")
        yield fresh("SERVFAIL", "a.broken.example")
        signature = token("v1.example").split()[1]
        for value in ("", "v1.example", f"v1.example  {signature}", f"v1.example {signature[1:]}",
                      f"v1.example {signature} x", f" {signature}", f"v1.example {'g' * 128}"):
            yield f"malformed: {value[:24]!r}", new_leaf(OUR), value
        yield "upper-case token", new_leaf(OUR), f"v1.example {signature.upper()}"
        yield "wrong domain", new_leaf(OUR), f"v0.example {signature}"
        yield "wrong log", new_leaf(OUR), token("v1.example", for_log=OUR.public_key)
        yield "wrong key", new_leaf(OUR), token("v1.example", ed25519.Signer())
        yield "wrong token, right key", new_leaf(self.burnt), token("v1.example", ed25519.Signer())
        leaf = new_leaf(OUR)
        yield "first of one", leaf, token("again.example")
        yield "sent again, the limit used up", leaf, token("again.example")
        for number in range(2):
            yield f"bad signature {number}", with_bad_signature(new_leaf(self.burnt)), None
        yield "new leaf after bad signatures", new_leaf(self.burnt), None
        yield "bad signature, token", with_bad_signature(new_leaf(OUR)), token("bad.example")
        yield fresh("nobody listens", "never-asked.example")


if __name__ == "__main__":
    unittest.main()
