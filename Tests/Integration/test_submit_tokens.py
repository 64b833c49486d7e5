# SPDX-License-Identifier: BSD-2-Clause
#
# Submit tokens against a real name server: which records make a domain's keys, what is answered to
# wrong tokens and to a DNS that is wrong or silent, what is remembered, and that nobody else waits.
# What a valid token is counted on stands in test_domain_limits.py, and other makers' programs in
# test_token_peers.py.

import contextlib
import itertools
import re
import resource
import signal
import time
import unittest
from collections import Counter, defaultdict

import dns
import ed25519
import harness
import wire
from limits_case import LimitsCase, new_leaf

# All domains of these tests are below this one, and may add what they like.
LINE = "domain example 1000000"

OUR = ed25519.Signer()
KEY = OUR.public_key.hex()
OTHERS = [ed25519.Signer().public_key.hex() for _ in range(12)]
LONG = "x" * 255

# Domain, the records of its v1 name and of its v0 name, and the answer to a token made with OUR.
RECORDS: tuple[tuple[str, list, list, int], ...] = (
    ("v1", [KEY], [], 200),
    ("v0", [], [KEY], 200),
    ("v1-before-v0", [KEY], [OTHERS[0]], 200),
    ("v1-alone-counts", [OTHERS[0]], [KEY], 400),
    ("v1-without-keys-counts", ["v=spf1 -all"], [KEY], 400),
    ("neither", [], [], 400),
    ("of-others", OTHERS[:3], [], 400),
    ("tenth", OTHERS[:9] + [KEY], [], 200),
    ("eleventh", OTHERS[:10] + [KEY], [], 400),
    ("tenth-of-v0", [], OTHERS[:9] + [KEY], 200),
    ("no-keys-are-skipped", ["", "v=spf1 -all", KEY[1:], KEY + "0", "g" + KEY[1:], KEY], [], 200),
    ("no-keys-are-records", ["no key"] * 10 + [KEY], [], 400),
    ("twice", [KEY, KEY], [], 200),
    ("upper-case", [KEY.upper()], [], 200),
    ("strings", [OTHERS[0], tuple(KEY[at:at + 16] for at in range(0, 64, 16))], [], 200),
    ("strings-too-long", [(KEY, "0")], [], 400),
    ("blank", [f"{KEY[:32]} {KEY[32:]}"], [], 400),
    ("large", [LONG] * 9 + [KEY] + [LONG] * 8, [], 200),
    ("very-large", [LONG] * 9 + [KEY] + [LONG] * 200, [], 200),
    ("too-large-to-be-ours", [LONG] * 10 + [KEY] + [LONG] * 200, [], 400),
    ("under_score", [KEY], [], 200),
    ("-".join(["long"] * 12) + "." + "a" * 63 + "." + "b" * 63 + "." + "c" * 40, [KEY], [], 200),
)


class TokenCase(LimitsCase):
    def log_for(self, names: dns.Dnsmasq, **options) -> harness.Log:
        return self.log(LINE, names=names, **options)

    def status(self, log: harness.Server, domain: str, signer: ed25519.Signer = OUR) -> int:
        """The answer to a new leaf that comes with a token."""
        return self.post(log, signer, wire.submit_token(signer, log.public_key, domain)).status

    def send(self, log: harness.Server, domain: str) -> wire.Connection:
        """Sends a new leaf with a token, and leaves its answer for later."""
        connection = log.connect()
        self.addCleanup(connection.close)
        token = wire.submit_token(OUR, log.public_key, domain)
        connection.send(connection.encode("POST", "/add-leaf", new_leaf(OUR).body,
                                          sigsum_token=token))
        return connection


def a_label(text: str) -> str:
    """The A-label that a text has, or would have if it were in normal form, below example."""
    return f"xn--{text.encode('punycode').decode('ascii')}.example"


class Records(TokenCase):
    def test_which_are_the_domains_keys(self):
        records = {}
        for domain, v1, v0, _ in RECORDS:
            records[f"_sigsum_v1.{domain}.example"] = v1
            records[f"_sigsum_v0.{domain}.example"] = v0
        names = self.names(records)
        log = self.log_for(names)
        for domain, v1, _, status in RECORDS:
            with self.subTest(domain):
                self.assertEqual(self.status(log, f"{domain}.example"), status)
                # Only where the one does not exist is the other asked for.
                asked = names.count(f"_sigsum_v0.{domain}.example")
                self.assertEqual(asked > 0, not v1)
        # Over UDP, and then over TCP.
        self.assertEqual(names.count("_sigsum_v1.v1.example"), 1)
        for domain in ("large", "very-large"):
            self.assertEqual(names.count(f"_sigsum_v1.{domain}.example"), 2)

    def test_without_a_rate_limit_file(self):
        """Nothing is limited, and a token must be valid all the same, as log-go has it."""
        names = self.names({"_sigsum_v1.a.example": [KEY], "_sigsum_v1.b.example": [OTHERS[0]]})
        for log in (dns.Log(names, **self.OPTIONS), dns.LogGo(names)):
            with self.subTest(type(log).__name__), log:
                self.assertIn(self.status(log, "a.example"), (200, 202))
                self.assertEqual(self.status(log, "b.example"), 400)
                self.assertEqual(self.status(log, "c.example"), 400)
                self.assertIn(self.post(log, OUR).status, (200, 202))

    def test_a_name_that_has_other_records(self):
        """No data is as good as no name."""
        names = self.names({"_sigsum_v0.a.example": [KEY]},
                           options=["--host-record=_sigsum_v1.a.example,127.0.0.1"])
        log = self.log_for(names)
        self.assertEqual(self.status(log, "a.example"), 200)
        self.assertIn("_sigsum_v1.a.example is NODATA", names.output)

    def test_a_name_for_another(self):
        names = self.names({"_sigsum_v1.a.example": [KEY]},
                           options=["--cname=_sigsum_v1.b.example,_sigsum_v1.a.example"])
        log = self.log_for(names)
        self.assertEqual(self.status(log, "b.example"), 200)

    def test_no_search_list(self):
        names = self.names({"_sigsum_v1.a.example.b.example": [KEY],
                            "_sigsum_v0.a.example.b.example": [KEY]})
        resolv_conf = names.folder / "resolv.conf"
        resolv_conf.write_text(f"{resolv_conf.read_text()}search b.example\n")
        log = self.log_for(names)
        self.assertEqual(self.status(log, "a.example"), 400)
        self.assertEqual(self.status(log, "a.example.b.example"), 200)

    def test_international_names(self):
        """They are asked for as A-labels, however they are written."""
        spellings = ("räksmörgås.example", "xn--rksmrgs-5wao1o.example",
                     "RA\u0308KSMO\u0308RGA\u030aS.example", "Xn--Rksmrgs-5wao1o.Example",
                     "räksmörgås\uff0eexample", "räksmörgås.example.")
        name = "_sigsum_v1.xn--rksmrgs-5wao1o.example"
        names = self.names({name: [KEY]})
        log = self.log_for(names)
        for spelling in spellings:
            with self.subTest(spelling):
                self.assertEqual(self.status(log, spelling), 200)
        self.assertEqual(names.count(name), 1)


class WrongTokens(TokenCase):
    def test_malformed_fields(self):
        names = self.names({"_sigsum_v1.a.example": [KEY]})
        log = self.log_for(names)
        signature = wire.submit_token(OUR, log.public_key, "a").split()[1]
        for value in ("", "a.example", f" {signature}", signature, f"a.example  {signature}",
                      f"a.example\t{signature}", f"a.example {signature[1:]}",
                      f"a.example {signature}00", f"a.example {signature} x",
                      f"a.example {signature[:-1]}g", f"a.example {'0' * 126}"):
            with self.subTest(value[:40]):
                answer = self.post(log, OUR, value)
                self.assertEqual(answer.status, 400, answer.text)
        self.assertEqual(self.post(log, OUR, f"a.example {signature.upper()}").status, 200)
        self.assertEqual(self.counted(log, "submit_tokens_total"), {"valid": 1})

    def test_two_fields(self):
        names = self.names({"_sigsum_v1.a.example": [KEY]})
        log = self.log_for(names)
        token = wire.submit_token(OUR, log.public_key, "a.example")
        self.assertEqual(self.post(log, OUR, f"{token}\r\nsigsum-token: {token}").status, 400)

    def test_names_that_nobody_can_have(self):
        """They are refused without a question to anybody."""
        names = self.names({"_sigsum_v1.a.example": [KEY]})
        log = self.log_for(names)
        wrong = ("a..example", ".example", "-a.example", "a-.example", "a/b.example", "a,b.example",
                 "xn--a.example", "xn--RKSMRGS-5wao1o9.example", "a" * 64 + ".example",
                 ".".join(["abcdefg"] * 32), "x" * 1100, "\u0378.example", "\u200d.example",
                 # What these stand for is another letter, in normal form.
                 a_label("bÜcher"), a_label("\ufb01sh"), a_label("o\u0308l"))
        for domain in wrong:
            with self.subTest(domain[:40]):
                self.assertEqual(self.status(log, domain), 400)
        self.assertEqual(self.counted(log, "submit_tokens_total"), {"bad-domain": len(wrong)})
        self.assertNotIn("query[TXT]", names.output)

    def test_of_others(self):
        names = self.names({"_sigsum_v1.a.example": [KEY], "_sigsum_v1.b.example": [OTHERS[0]]})
        log = self.log_for(names)
        for what, token in {
            "wrong domain": wire.submit_token(OUR, log.public_key, "b.example"),
            "the domain above": wire.submit_token(OUR, log.public_key, "example"),
            "the domain below": wire.submit_token(OUR, log.public_key, "b.a.example"),
            "wrong log": wire.submit_token(OUR, OUR.public_key, "a.example"),
            "wrong key": wire.submit_token(ed25519.Signer(), log.public_key, "a.example"),
            "zeros": f"a.example {'0' * 128}",
        }.items():
            with self.subTest(what):
                self.assertEqual(self.post(log, OUR, token).status, 400)
        self.assertEqual(self.in_tree(log, OUR), 0)
        self.assertEqual(self.counted(log, "submit_tokens_total"),
                         {"bad-signature": 4, "no-key": 2})
        # A leaf that is known needs none, and none is looked into.
        leaf = new_leaf(OUR)
        token = wire.submit_token(OUR, log.public_key, "a.example")
        self.assertEqual(self.post(log, leaf, token).status, 200)
        for again in (None, token, f"b.example {'0' * 128}"):
            self.assertEqual(self.post(log, leaf, again).status, 200)
        self.assertEqual(self.post(log, leaf, "nonsense").status, 400)
        self.assertEqual(self.counted(log, "submit_tokens_total")["valid"], 1)


class InFlight(TokenCase):
    def test_a_leaf_that_comes_again_meanwhile_is_free(self):
        """
        It uses up its domain's limit while the token that comes with it again waits to be verified,
        behind others: so the second one finds no room, but the leaf is in the tree.
        """
        domains = [f"d{number}.example" for number in range(40)]
        names = self.names({f"_sigsum_v1.{domain}": [KEY] for domain in domains})
        log = self.log(*(f"domain {domain} 1" for domain in domains), names=names)
        for domain in domains:
            zeros = f"{domain} {'0' * 128}"
            self.assertEqual(self.post(log, OUR, zeros).status, 400)
            token, leaf = wire.submit_token(OUR, log.public_key, domain), new_leaf(OUR)
            requests = [(leaf, token), *[(new_leaf(OUR), zeros)] * 10, (leaf, token)]
            with contextlib.ExitStack() as stack:
                connections = [stack.enter_context(log.connect()) for _ in requests]
                for connection, (leaf, token) in zip(connections, requests):
                    connection.send(connection.encode("POST", "/add-leaf", leaf.body,
                                                      sigsum_token=token))
                statuses = [connection.read_response().status for connection in connections]
            self.assertEqual(statuses, [200, *[400] * 10, 200])
        self.assertEqual(self.in_tree(log, OUR), len(domains))


class Faults(TokenCase):
    """A DNS that says nothing about a domain says nothing against it: 500, and no v0 instead."""

    def test_a_name_server_that_fails(self):
        upstream = self.enterContext(dns.Upstream(dns.Upstream.SERVFAIL))
        names = self.names({}, upstream={"broken.example": upstream.address})
        log = self.log_for(names)
        answer = self.post(log, OUR, wire.submit_token(OUR, log.public_key, "a.broken.example"))
        self.assertEqual(answer.status, 500, answer.text)
        self.assertIn("DNS", answer.text)
        self.assertEqual(names.count("_sigsum_v0.a.broken.example"), 0)
        self.assertEqual(self.counted(log, "submit_tokens_total"), {"unchecked": 1})
        self.assertEqual(self.counted(log, "dns_lookups_total"), {"failed": 1})

    def test_a_name_server_that_is_silent(self):
        """`timeout` is for names too, whatever resolv.conf has: that would be 150 seconds here."""
        upstream = self.enterContext(dns.Upstream(None))
        names = self.names({"_sigsum_v1.a.example": [KEY]},
                           resolver_options="timeout:30 attempts:5",
                           upstream={"silent.example": upstream.address})
        patient, brief = self.log_for(names), self.log_for(names, timeout="1s")
        waiting = self.send(patient, "a.silent.example")
        names.wait_for_queries(1)
        self.assertEqual(self.status(patient, "a.example"), 200)
        self.assertFalse(waiting.has_bytes)
        self.assertEqual(self.status(brief, "a.silent.example"), 500)

    def test_another_resolv_conf(self):
        """It is looked at for each question, and its servers are asked in turn."""
        names = self.names({f"_sigsum_v1.{letter}.example": [KEY] for letter in "abcd"},
                           resolver_options="timeout:1 attempts:5")
        silent = self.names({})
        silent.pause()
        resolv_conf = names.folder / "resolv.conf"
        right = resolv_conf.read_text()
        resolv_conf.write_text("nameserver 127.53.255.255\n# where nobody is\n")
        log = self.log_for(names)
        self.assertEqual(self.status(log, "a.example"), 500)
        # In place: the log has this very file.
        resolv_conf.write_text(right)
        self.assertEqual(self.status(log, "b.example"), 200)
        for first in ("127.53.255.255", silent.address):
            resolv_conf.write_text(f"nameserver {first}\n{right}")
            self.assertEqual(self.status(log, f"{'cd'[first == silent.address]}.example"), 200)

    def test_clients_that_do_not_wait(self):
        names = self.names({f"_sigsum_v1.d{number}.example": [KEY] for number in range(50)})
        log = self.log_for(names)
        names.pause()
        for number in range(50):
            self.send(log, f"d{number}.example").close()
        last = self.send(log, "d0.example")
        names.resume()
        self.assertEqual(last.read_response().status, 200)
        self.until(lambda: log.metrics()["http_connections"] <= 2)
        self.assertLessEqual(self.in_tree(log, OUR), 51)

    def test_others_do_not_wait(self):
        """
        With a DNS that does not answer at all: reads and leaves without a token are answered as
        quickly as those of a log that nobody asks about domains.
        """
        # At so many name servers at a time others have to wait, for 5 seconds at most.
        most, count = 32, 40
        names = self.names({f"_sigsum_v1.d{number}.example": [KEY] for number in range(count)})
        signer = ed25519.Signer()
        line = f"key {signer.key_hash.hex()} 1000"
        log, quiet = (self.log(LINE, line, names=names) for _ in range(2))
        for each in (log, quiet):
            self.assertEqual(self.post(each, signer).status, 200)
            each.tree_head(size_at_least=1)
        names.pause()
        waiting = [self.send(log, f"d{number}.example") for number in range(count)]
        with log.connect() as busy, quiet.connect() as idle:
            seconds: dict[tuple[wire.Connection, str], list[float]] = defaultdict(list)
            targets = ("/get-tree-head", "/get-leaves/0/1", "/add-leaf")
            for _ in range(50):
                for connection, target in itertools.product((busy, idle), targets):
                    words = (("POST", target, new_leaf(signer).body) if target == "/add-leaf"
                             else ("GET", target))
                    begun = time.monotonic()
                    answer = connection.request(*words)
                    seconds[connection, target].append(time.monotonic() - begun)
                    self.assertEqual(answer.status, 200, answer.text)
            # The quickest of each: what a busy machine adds is not the log's.
            for target in targets:
                ratio = min(seconds[busy, target]) / min(seconds[idle, target])
                self.assertLess(ratio, 3, target)
        # All of that while not one of them had its answer.
        self.assertFalse(any(connection.has_bytes for connection in waiting))
        self.assertEqual(self.counted(log, "dns_lookups_total"), {})
        names.resume()
        statuses = Counter(connection.read_response().status for connection in waiting)
        self.assertGreaterEqual(statuses[200], most)
        self.assertEqual(statuses, +Counter({200: statuses[200], 503: count - statuses[200]}))
        self.assertEqual(self.counted(log, "dns_lookups_total"),
                         +Counter(found=statuses[200], refused=statuses[503]))

    def test_too_many_wait(self):
        """1,024 wait for name servers; the next is told to come later, and reads go on."""
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        if most != resource.RLIM_INFINITY and most < 4500:
            self.skipTest(f"only {most} descriptors are allowed")
        old = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, old)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(old[0], 4500), most))
        names = self.names({f"_sigsum_v1.{letter}.example": [KEY] for letter in "abc"})
        log = self.log_for(names)
        self.assertEqual(self.status(log, "c.example"), 200)
        names.pause()
        waiting = [self.send(log, "ab"[number % 2] + ".example") for number in range(1024 + 8)]
        self.until(lambda: sum(connection.has_bytes for connection in waiting) >= 8)
        refused = [connection for connection in waiting if connection.has_bytes]
        for connection in refused:
            answer = connection.read_response()
            self.assertEqual(answer.status, 503, answer.text)
            self.assertIsNotNone(answer.field("Retry-After"))
            waiting.remove(connection)
        self.assertEqual(self.status(log, "c.example"), 200)
        self.assertEqual(log.get("/get-leaves/0/1").status, 200)
        names.resume()
        self.assertEqual({connection.read_response().status for connection in waiting}, {200})
        self.assertEqual(self.status(log, "a.example"), 200)

    def test_the_end_of_the_process(self):
        """Who waits for a name server then is answered, and not by waiting for it."""
        upstream = self.enterContext(dns.Upstream(None))
        names = self.names({}, resolver_options="timeout:30 attempts:5",
                           upstream={"silent.example": upstream.address})
        log = self.log_for(names, timeout="10m")
        waiting = self.send(log, "a.silent.example")
        names.wait_for_queries(1)
        log.process.send_signal(signal.SIGTERM)
        answer = waiting.read_response()
        self.assertIn(answer.status, (500, 503), answer.text)
        self.assertEqual(log.wait(), 0)


class Metrics(TokenCase):
    def test_promtool_finds_nothing_wrong(self):
        promtool = harness.tool("promtool", "prometheus")
        names = self.names({"_sigsum_v1.a.example": [KEY]})
        log = self.log_for(names)
        self.assertEqual((self.status(log, "a.example"), self.status(log, "b.example")), (200, 400))
        page = log.get("/metrics", internal=True).text
        judged = harness.run(promtool, "check", "metrics", input=page)
        self.assertEqual((judged.returncode, judged.stdout + judged.stderr), (0, ""))
        families = set(re.findall(r"^# TYPE sigsum_log_(\w+) \w+$", page, re.MULTILINE))
        self.assertLessEqual(
            {"rate_limit_total", "submit_tokens_total", "dns_lookups_total",
             "dns_lookup_duration_seconds", "dns_cache_hits_total"}, families)


class Memory(TokenCase):
    def test_answers_are_kept(self):
        names = self.names({"_sigsum_v1.a.example": [KEY]})
        log = self.log_for(names)
        for _ in range(20):
            self.assertEqual(self.status(log, "a.example"), 200)
        self.assertEqual(names.count("_sigsum_v1.a.example"), 1)
        self.assertEqual(log.metrics()["dns_cache_hits_total"], 19)

        # That there is no key is as good to know, for some seconds: nobody says for how long.
        asked = 0

        def is_known() -> bool:
            nonlocal asked
            hits = log.metrics()["dns_cache_hits_total"]
            self.assertEqual(self.status(log, "b.example"), 400)
            asked += 1
            return log.metrics()["dns_cache_hits_total"] == hits + 2

        self.until(is_known)
        queries = [names.count(f"_sigsum_{version}.b.example") for version in ("v1", "v0")]
        self.assertTrue(all(queries), queries)
        self.assertEqual(self.counted(log, "dns_lookups_total"),
                         {"found": 1, "nonexistent": sum(queries)})
        metrics = log.metrics()
        self.assertEqual(metrics["dns_cache_hits_total"], 19 + 2 * asked - sum(queries))
        self.assertEqual(metrics["dns_lookup_duration_seconds_count"], 1 + sum(queries))
        self.assertEqual(self.counted(log, "submit_tokens_total"), {"valid": 20, "no-key": asked})
        names.stop()
        self.assertEqual(self.status(log, "a.example"), 200)

    def test_equal_questions_at_a_time_are_one(self):
        names = self.names({"_sigsum_v1.a.example": [KEY]})
        log = self.log_for(names)
        names.pause()
        waiting = [self.send(log, "a.example") for _ in range(50)]
        names.resume()
        self.assertEqual({connection.read_response().status for connection in waiting}, {200})
        self.assertEqual(names.count("_sigsum_v1.a.example"), 1)

    def test_how_long_answers_are_kept(self):
        """
        As the TTL says, but some seconds at least: a key that is replaced is known then. So is a
        name server that is there again.
        """
        old, new = OUR, ed25519.Signer()
        name = "_sigsum_v1.a.example"
        brief, long = (self.names({name: [old.public_key.hex()]}, ttl=ttl) for ttl in (0, 3600))
        brief_log, long_log = (self.log_for(names) for names in (brief, long))
        least = 5
        first = time.monotonic()
        for log, names, ttl in ((brief_log, brief, least), (long_log, long, 3600)):
            begun = time.monotonic()
            self.assertEqual(self.status(log, "a.example", old), 200)
            names.stop()
            failed = time.monotonic()
            self.assertEqual(self.status(log, "b.example", new), 500)
            names.serve({name: [new.public_key.hex()],
                         "_sigsum_v1.b.example": [new.public_key.hex()]})
            # Not asked for anew at once, though the one name server says that it may be.
            for since, kept, domain, signer, status in (
                    (begun, ttl, "a.example", new, 400), (failed, least, "b.example", new, 500),
                    (begun, ttl, "a.example", old, 200)):
                answer = self.status(log, domain, signer)
                if time.monotonic() < since + kept:
                    self.assertEqual(answer, status, domain)
        self.until(lambda: self.status(brief_log, "a.example", new) == 200)
        self.assertEqual(self.status(brief_log, "a.example", old), 400)
        for log in (brief_log, long_log):
            self.until(lambda: self.status(log, "b.example", new) == 200)
        self.assertEqual(self.status(long_log, "a.example", old), 200)
        self.assertEqual(long.count(name), 1)
        self.assertLessEqual(brief.count(name), 1 + (time.monotonic() - first) // least)


if __name__ == "__main__":
    unittest.main()
