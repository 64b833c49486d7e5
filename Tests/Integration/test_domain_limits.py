# SPDX-License-Identifier: BSD-2-Clause
#
# Limits to new leaves by domain: domains with lines of their own, public domains by the public
# suffix list, the precedence of all lines, and what is counted together. The records are a real
# name server's; what tokens have to be like stands in test_submit_tokens.py.

import pathlib
import re
import tempfile
import unittest

import dns
import ed25519
import harness
import wire
from limits_case import PUBLIC_SUFFIX_LIST, LimitsCase, new_leaf

# The format's kinds of rules, and two top-level domains.
SUFFIXES = """\
// ===BEGIN ICANN DOMAINS===
org
uk
co.uk

// Below ck each name is a suffix, but for one.
*.ck
!www.ck
рф
// ===BEGIN PRIVATE DOMAINS===
pages.org
"""

# Domains that are counted together, by the rules above; and those that no rule allows.
TOGETHER = (
    ("a.org", "b.a.org", "c.b.a.org", "A.ORG"),
    ("a.co.uk", "b.a.co.uk"),
    ("b.co.uk",),
    ("co.uk",),
    ("uk",),
    ("b.uk",),
    ("a.pages.org", "x.a.pages.org"),
    ("b.pages.org",),
    ("pages.org",),
    ("a.b.ck", "x.a.b.ck"),
    ("b.ck",),
    ("www.ck", "a.www.ck", "b.a.www.ck"),
    ("пример.рф", "xn--e1afmkfd.xn--p1ai", "а.пример.рф"),
)
UNLISTED = ("example", "a.example", "ck", "localhost")

# The same by the real list, as far as it will not change soon.
REALLY_TOGETHER = (
    ("sigsum.org", "a.sigsum.org"),
    ("a.co.uk", "b.a.co.uk"),
    ("a.ck.ck", "b.a.ck.ck"),
    ("www.ck", "a.www.ck"),
    ("a.github.io", "b.a.github.io"),
    ("b.github.io",),
    ("github.io",),
    ("a.kobe.jp",),
    ("b.a.kobe.jp", "c.b.a.kobe.jp"),
    ("city.kobe.jp", "a.city.kobe.jp"),
    ("食狮.公司.cn", "xn--85x722f.xn--55qx5d.cn", "a.食狮.公司.cn"),
)


class DomainCase(LimitsCase):
    """One key stands behind all domains."""

    def setUp(self):
        self.submitter = ed25519.Signer()

    def suffixes(self, text: str = SUFFIXES) -> pathlib.Path:
        """A public suffix list."""
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="sigsum-suffixes-"))
        file = pathlib.Path(folder) / "suffixes"
        file.write_text(text, encoding="utf-8")
        return file

    def serve(self, *domains: str) -> dns.Dnsmasq:
        records = {f"_sigsum_v1.{ascii_name(domain)}": [self.submitter.public_key.hex()]
                   for domain in domains}
        return self.names(records)

    def token(self, log: harness.Server, domain: str) -> str:
        return wire.submit_token(self.submitter, log.public_key, domain)

    def status(self, log: harness.Server, domain: str, signer: ed25519.Signer | None = None) -> int:
        """The answer to a new leaf that comes with a domain's token."""
        return self.post(log, signer or self.submitter, self.token(log, domain)).status

    def taken_of(self, log: harness.Server, domain: str) -> int:
        return self.taken(log, self.submitter, self.token(log, domain))

    def assert_together(self, log: harness.Server, groups, limit: int) -> None:
        """Each group's domains use up one limit, in turn, and then none of them has any left."""
        for group in groups:
            with self.subTest(group[0]):
                for number in range(limit):
                    self.assertEqual(self.status(log, group[number % len(group)]), 200)
                self.assertEqual([self.status(log, domain) for domain in group],
                                 [429] * len(group))


class Domains(DomainCase):
    def test_a_domain_covers_what_is_below_it(self):
        names = self.serve("example.org", "a.example.org", "b.a.example.org", "anexample.org")
        log = self.log("domain Example.ORG 3 # and below", names=names)
        self.assert_together(log, [("example.org", "a.example.org", "b.a.example.org")], limit=3)
        self.assertEqual(self.status(log, "anexample.org"), 429)
        # Whose key the leaf is signed by is nobody's business here.
        self.assertEqual(self.status(log, "example.org", ed25519.Signer()), 429)
        self.assertEqual(self.counted(log, "rate_limit_total"),
                         {"accepted": 3, "over-limit": 4, "unknown-domain": 1})

    def test_the_longest_line_counts(self):
        names = self.serve("example.org", "a.example.org", "b.a.example.org", "zero.example.org",
                           "x.zero.example.org", "c.example.org")
        log = self.log("domain zero.example.org 0", "domain example.org 1",
                       "domain a.example.org 2", "domain org 100", names=names)
        self.assertEqual(self.status(log, "x.zero.example.org"), 429)
        self.assertEqual(self.status(log, "zero.example.org"), 429)
        self.assertEqual(self.taken_of(log, "b.a.example.org"), 2)
        self.assertEqual(self.status(log, "a.example.org"), 429)
        self.assertEqual(self.taken_of(log, "c.example.org"), 1)
        self.assertEqual(self.status(log, "example.org"), 429)

    def test_international_names(self):
        """In file and token, in Unicode and ASCII: one domain."""
        names = self.serve("räksmörgås.example", "a.räksmörgås.example", "bücher.example")
        log = self.log("domain RÄKSMÖRGÅS.example 5", "domain xn--bcher-kva.example 5",
                       names=names)
        self.assert_together(log, [
            ("räksmörgås.example", "xn--rksmrgs-5wao1o.example", "ra\u0308ksmörgås.example",
             "a.RÄKSMÖRGÅS.Example", "a.XN--RKSMRGS-5WAO1O.example"),
            ("bücher.example", "xn--bcher-kva.example")], limit=5)

    def test_precedence(self):
        keyed, barred = ed25519.Signer(), ed25519.Signer()
        names = self.serve("a.org", "b.org", "c.org", "none.org")
        suffixes = self.suffixes()
        log = self.log("domain a.org 2", "domain none.org 0", f"public {suffixes} 3",
                       f"key {keyed.key_hash.hex()} 1", f"key {barred.key_hash.hex()} 0",
                       names=names)
        # A key's line, whatever stands behind the leaf; but a token has to be right.
        self.assertEqual(self.status(log, "a.org", barred), 429)
        wrong = wire.submit_token(keyed, log.public_key, "a.org")
        self.assertEqual(self.post(log, keyed, wrong).status, 400)
        self.assertEqual(self.status(log, "a.org", keyed), 200)
        self.assertEqual(self.status(log, "a.org", keyed), 429)
        self.assertEqual(self.post(log, keyed).status, 429)
        # Then the domain's, though it is public; then that of all public domains.
        self.assertEqual(self.taken_of(log, "a.org"), 2)
        self.assertEqual(self.taken_of(log, "none.org"), 0)
        self.assertEqual(self.taken_of(log, "b.org"), 3)
        # Then nobody.
        self.assertEqual(self.post(log, self.submitter).status, 429)
        self.assertEqual(self.taken_of(log, "c.org"), 3)

    def test_counts_go_on(self):
        """After each end of the process, and those of domains that are away for a while."""
        names = self.serve("a.org", "b.org")
        suffixes = self.suffixes()
        log = self.log("domain a.org 4", f"public {suffixes} 3", "public-total 3", names=names)
        for end in (log.stop, log.kill):
            self.assertEqual((self.status(log, "a.org"), self.status(log, "b.org")), (200, 200))
            end()
            log.start()
        self.write(log, f"public {suffixes} 4")
        self.reload(log)
        self.assertEqual(self.taken_of(log, "b.org"), 2)
        self.write(log, "domain a.org 3")
        log.kill()
        log.start()
        self.assertEqual((self.taken_of(log, "a.org"), self.taken_of(log, "b.org")), (1, 0))
        self.assertEqual(self.in_tree(log, self.submitter), 7)

    def test_domain_of_tests(self):
        """Anybody has the key of test.sigsum.org, so its limit is 0, but for a log of tests."""
        everybody = ed25519.Signer((1).to_bytes(32, "big"))
        key = everybody.public_key.hex()
        self.assertEqual(key, "4cb5abf6ad79fbf5abbccafcc269d85cd2651ed4b885b5869f241aedf0a5ba29")
        names = self.names({"_sigsum_v1.test.sigsum.org": [key],
                            "_sigsum_v1.a.test.sigsum.org": [key]})
        self.submitter = everybody
        for lines in (["domain test.sigsum.org 2"], ["domain sigsum.org 2"],
                      [f"public {self.suffixes()} 2"]):
            with self.subTest(lines[0].split()[:2]):
                log = self.log(*lines, names=names)
                self.assertEqual(self.taken_of(log, "test.sigsum.org"), 0)
                self.assertEqual(self.taken_of(log, "a.test.sigsum.org"), 0)
                log.stop()
                log.options["allow_test_domain"] = True
                log.start()
                self.assertEqual(self.taken_of(log, "test.sigsum.org"), 2)
                self.assertEqual(self.taken_of(log, "a.test.sigsum.org"), 0)


class Public(DomainCase):
    def test_registered_domains(self):
        names = self.serve(*{name for group in TOGETHER for name in group}, *UNLISTED)
        log = self.log(f"public {self.suffixes()} 2", names=names)
        self.assert_together(log, TOGETHER, limit=2)
        for domain in UNLISTED:
            with self.subTest(domain):
                self.assertEqual(self.status(log, domain), 429)
        counted = self.counted(log, "rate_limit_total")
        self.assertEqual(counted, {
            "accepted": 2 * len(TOGETHER), "over-limit": sum(map(len, TOGETHER)),
            "unknown-domain": len(UNLISTED)})

    def test_the_real_list(self):
        if not PUBLIC_SUFFIX_LIST.exists():
            self.skipTest(f"{PUBLIC_SUFFIX_LIST} is not there (Debian package publicsuffix)")
        names = self.serve(*{name for group in REALLY_TOGETHER for name in group}, *UNLISTED)
        log = self.log(f"public {PUBLIC_SUFFIX_LIST} 2", names=names)
        self.assert_together(log, REALLY_TOGETHER, limit=2)
        for domain in ("example", "a.example", "localhost"):
            self.assertEqual(self.status(log, domain), 429)

    def test_none_are_allowed(self):
        """With a limit of 0 the list is not even read."""
        log = self.log("public no-such-file 0", names=self.serve("a.org"))
        self.assertEqual(self.status(log, "a.org"), 429)

    def test_the_total(self):
        """A cap over all public domains; domains and keys with lines are not public."""
        domains = [f"{letter}.org" for letter in "abcd"]
        names = self.serve(*domains, "own.org")
        signer = ed25519.Signer()
        lines = [f"public {self.suffixes()} 3", "domain own.org 2",
                 f"key {signer.key_hash.hex()} 2"]
        log = self.log(*lines, "public-total 5", names=names)
        self.assertEqual([self.taken_of(log, domain) for domain in domains], [3, 2, 0, 0])
        self.assertEqual((self.taken_of(log, "own.org"), self.taken(log, signer)), (2, 2))
        self.assertEqual(self.counted(log, "rate_limit_total"),
                         {"accepted": 9, "over-limit": 3, "over-public-total": 3})
        self.write(log, *lines, "public-total 7")
        self.reload(log)
        self.assertEqual([self.taken_of(log, domain) for domain in domains], [0, 1, 1, 0])
        self.write(log, *lines)
        self.reload(log)
        self.assertEqual([self.taken_of(log, domain) for domain in domains], [0, 0, 2, 3])

    def test_the_total_in_parallel(self):
        domains = [f"d{number}.org" for number in range(20)]
        names = self.serve(*domains)
        log = self.log(f"public {self.suffixes()} 5", "public-total 50", names=names)
        requests = [(new_leaf(self.submitter), self.token(log, domains[number % 20]))
                    for number in range(200)]
        statuses = self.statuses(log, requests)
        self.assertEqual((statuses.count(200), statuses.count(429)), (50, 150))
        self.assertEqual(self.in_tree(log, self.submitter), 50)

    def test_another_list(self):
        """SIGHUP reads the list again too; a wrong one changes nothing."""
        names = self.serve("a.x.org", "b.x.org", "c.x.org", "d.x.org")
        suffixes = self.suffixes("org\n")
        log = self.log(f"public {suffixes} 2", names=names)
        self.assert_together(log, [("a.x.org", "b.x.org", "c.x.org")], limit=2)
        suffixes.write_text("org\nx.org\n")
        self.reload(log)
        self.assert_together(log, [("a.x.org",), ("b.x.org",)], limit=2)
        name, stay = re.escape(str(suffixes)), "; the rate limits stay as they were$"
        for text in ("com\nx..org\n", "com\n!only.example\n"):
            suffixes.write_text(text)
            self.reload(log, rf"\[ERRO\] rate-limit-file: {name}: line 2: .*{stay}")
            self.assertEqual(self.status(log, "c.x.org"), 200)
        suffixes.unlink()
        self.reload(log, rf"\[ERRO\] rate-limit-file: {name}: .*No such file.*{stay}")
        self.assertEqual(self.taken_of(log, "d.x.org"), 2)


def ascii_name(domain: str) -> str:
    """With A-labels: the names of this file are no hard ones."""
    return domain.encode("idna").decode("ascii").lower()


if __name__ == "__main__":
    unittest.main()
