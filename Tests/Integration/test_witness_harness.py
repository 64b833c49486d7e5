# SPDX-License-Identifier: BSD-2-Clause
#
# The witnesses and the watcher of these tests, themselves tested: against the golden exchanges,
# against witnesses of other makers, and with log-go as the log. A scripted witness that cosigned
# everything, or a watcher that saw nothing, would let every other test here pass.

import dataclasses
import hashlib
import json
import pathlib
import tempfile
import threading
import time
import unittest

import answers
import checkpoint
import ed25519
import harness
import wire
from checkpoint import AddCheckpoint, CosignatureLine
from real_witnesses import LiteWitness, SigsumWitness
from scripted import encode
from test_witness_tls import Authority
from watcher import Policy, Watcher
from witness import ScriptedWitness

VECTORS = harness.ROOT / "Tests/Vectors"


class Vectors(unittest.TestCase):
    def test_exchanges(self):
        vectors = json.loads((VECTORS / "add-checkpoint.json").read_text())
        log_key = bytes.fromhex(vectors["log_public_key"])
        witness_key = bytes.fromhex(vectors["witness_public_key"])
        self.assertTrue(vectors["exchanges"])
        for exchange in vectors["exchanges"]:
            request = AddCheckpoint.parse(exchange["request"].encode())
            self.assertTrue(request.is_signed_by(log_key))
            self.assertFalse(request.is_signed_by(witness_key))
            line = CosignatureLine.parse(exchange["response"].encode())
            self.assertEqual(line.encoded, exchange["response"].encode())
            self.assertTrue(line.is_valid(witness_key, log_key, request.head))
            for changed in ({"time": line.time + 1}, {"name": "x"}, {"key_id": bytes(4)},
                            {"signature": bytes(64)}):
                self.assertFalse(dataclasses.replace(line, **changed).is_valid(
                    witness_key, log_key, request.head))

    def test_bodies_that_are_not_quite_right(self):
        good = AddCheckpoint.make(ed25519.Signer(), [bytes(32)] * 9, 5).encoded
        AddCheckpoint.parse(good)
        for bad in (good[:-1], good + b"\n", good.replace(b"old 5", b"old 05"),
                    good.replace(b"old 5", b"old  5"), good.replace(b"\n\n", b"\n", 1),
                    good.replace(b"\n", b"\r\n"), good.replace(b"\n9\n", b"\n09\n"),
                    good.replace("\u2014".encode(), b"-")):
            with self.assertRaises(ValueError, msg=bad):
                AddCheckpoint.parse(bad)


class Scripted:
    """A scripted witness behind the interface of the real ones."""

    name = "scripted"

    def __init__(self, log: ed25519.Signer):
        self._witness = ScriptedWitness(log.public_key)
        self.public_key = self._witness.public_key

    def __enter__(self):
        self._witness.start()
        return self

    def __exit__(self, *_):
        self._witness.close()

    def post(self, body: bytes) -> wire.Response:
        with wire.Connection(self._witness.address) as connection:
            return connection.request("POST", "/add-checkpoint", body)


class Witnesses(unittest.TestCase):
    """What every witness answers, whoever made it: a table of the protocol, in order."""

    def test_conformance(self):
        log, stranger = ed25519.Signer(), ed25519.Signer()
        ours = [hashlib.sha256(b"%d" % number).digest() for number in range(20)]
        other = [hashlib.sha256(b"other %d" % number).digest() for number in range(20)]

        def make(hashes, old=0, proof=None, signer=log):
            return AddCheckpoint.make(signer, hashes, old, proof)

        right = make(ours[:8], 5)
        unsigned = dataclasses.replace(
            right, head=dataclasses.replace(right.head, signature=bytes(64)))
        rows = [
            ("the empty tree", make([]), 200), ("again", make([]), 200),
            ("from more than the empty tree", make([], 5), 400),
            ("the first leaves", make(ours[:5]), 200),
            ("from 0 again", make(ours[:5]), 409), ("the same again", make(ours[:5], 5), 200),
            ("another root", make(other[:5], 5), 422),
            ("from too small a size", make(ours[:8], 3), 409),
            ("from too large a size", make(ours[:8], 7), 409),
            ("from a size above its own", make(ours[:6], 7), 400),
            ("a smaller tree", make(ours[:4], 4), 409),
            ("a smaller tree from the right size", make(ours[:4], 5), 400),
            ("a wrong proof", make(ours[:8], 5, [bytes(32)] * 4), 422),
            ("a proof of another tree", make(other[:8], 5), 422),
            ("another log", make(ours[:5], signer=stranger), 404),
            ("a wrong signature", unsigned, 403),
            ("a right proof", right, 200), ("the same again", make(ours[:8], 8), 200),
        ]
        for maker in (Scripted, SigsumWitness, LiteWitness):
            with self.subTest(maker.name):
                self.converse(maker(log), log, rows)

    def converse(self, witness, log, rows) -> None:
        with witness:
            size = 0
            for what, request, status in rows:
                answer = witness.post(request.encoded)
                self.assertEqual(answer.status, status, what)
                if status == 200:
                    size = request.head.size
                    line = CosignatureLine.parse(answer.body)
                    self.assertTrue(line.is_valid(witness.public_key, log.public_key, request.head))
                    self.assertLess(abs(line.time - time.time()), 60)
                elif status == 409:
                    self.assertEqual(answer.field("Content-Type"), "text/x.tlog.size")
                    self.assertEqual(answer.body, b"%d\n" % size)


class Script(unittest.TestCase):
    """The scripted witness does what it is told, and sees what it should see."""

    def setUp(self):
        self.log = ed25519.Signer()
        self.witness = ScriptedWitness(self.log.public_key).start()
        self.addCleanup(self.witness.close)
        self.body = AddCheckpoint.make(self.log, [bytes(32)]).encoded

    def post(self, connection, body: bytes | None = None) -> None:
        connection.send(connection.encode("POST", "/add-checkpoint", body or self.body))

    def test_every_answer_can_be_given(self):
        """Each sends something, or ends the connection, and the next request is answered well."""
        kinds = {**answers.REFUSALS, **answers.CONFLICTS, **answers.WRONG_BODIES,
                 **answers.WRONG_HTTP, **{f"huge {kind}": answer
                                          for kind, answer in answers.HUGE.items()}}
        for kind, answer in kinds.items():
            with self.subTest(kind):
                self.witness.size, self.witness.root_hash = 0, checkpoint.EMPTY_ROOT
                self.witness.next(answer)
                count = len(self.witness.requests)
                with wire.Connection(self.witness.address) as connection:
                    self.post(connection)
                    request = self.witness.wait_for_requests(count + 1)
                    if kind in answers.REFUSALS or kind in answers.CONFLICTS:
                        self.assertRegex(connection._receive_until(b"\r\n"), rb"HTTP/1.1 [2345]")
                    elif kind in answers.WRONG_BODIES:
                        response = connection.read_response()
                        self.assertEqual(response.status, 200)
                        self.assertIsNone(self.cosigner_of(response.body))
                    else:
                        received = connection.read_until_closed()
                        if kind.startswith("huge"):
                            self.assertGreater(len(received), 9_900_000)
                    self.witness.wait_for(lambda: request.ended is not None)
        self.assertEqual(self.witness.complaints, [])

    def cosigner_of(self, body: bytes) -> CosignatureLine | None:
        """The line of a body that a log may take."""
        head = AddCheckpoint.parse(self.body).head
        try:
            body.decode("utf-8")
            lines = [CosignatureLine.parse(line) for line in body.splitlines(keepends=True)]
        except ValueError:
            return None
        return next((line for line in lines if 0 < line.time < 1 << 63 and line.is_valid(
            self.witness.public_key, self.log.public_key, head)), None)

    def test_right_answers_in_unusual_ways(self):
        for answer in (answers.cosign, answers.cosign_and_close, answers.cosign_byte_by_byte,
                       answers.cosign_twice, answers.after(0.01)):
            self.witness.size, self.witness.root_hash = 0, checkpoint.EMPTY_ROOT
            self.witness.next(answer)
            with wire.Connection(self.witness.address) as connection:
                self.post(connection)
                response = connection.read_response()
                self.assertEqual(response.status, 200)
                self.assertIsNotNone(self.cosigner_of(response.body.splitlines(True)[0]))

    def test_answers_without_end_end_with_the_connection(self):
        for kind, answer in answers.ENDLESS.items():
            with self.subTest(kind):
                self.witness.next(answer)
                count = len(self.witness.requests)
                with wire.Connection(self.witness.address) as connection:
                    self.post(connection)
                    request = self.witness.wait_for_requests(count + 1)
                    self.assertIsNone(request.ended)
                self.witness.wait_for(lambda: request.ended is not None)
        self.assertEqual(self.witness.complaints, [])

    def test_two_requests_in_flight(self):
        held = threading.Event()
        self.witness.next(answers.when(held), answers.status(500))
        with wire.Connection(self.witness.address) as one:
            self.post(one)
            self.witness.wait_for_requests(1)
            with wire.Connection(self.witness.address) as two:
                self.post(two)
                two.read_response()
            self.assertRegex(self.witness.complaints.pop(), "in the middle of request 0")
            held.set()
            self.assertEqual(one.read_response().status, 200)
        # One that was given up is none.
        self.witness.next(answers.hang)
        with wire.Connection(self.witness.address) as one:
            self.post(one)
            self.witness.wait_for_requests(3)
        with wire.Connection(self.witness.address) as two:
            self.post(two)
            two.read_response()
        self.assertEqual(self.witness.complaints, [])

    def test_requests_that_are_not_well_formed(self):
        head = b"Host: %s\r\n" % self.witness.authority.encode()
        length = b"Content-Length: %d\r\n" % len(self.body)
        for bad in (
            b"GET /add-checkpoint HTTP/1.1\r\n" + head + b"\r\n",
            b"POST /other HTTP/1.1\r\n" + head + length + b"\r\n" + self.body,
            b"POST /add-checkpoint HTTP/1.1\r\n" + length + b"\r\n" + self.body,
            b"POST /add-checkpoint HTTP/1.1\r\nHost: other\r\n" + length + b"\r\n" + self.body,
            b"POST /add-checkpoint HTTP/1.1\r\n" + head + b"\r\n" + self.body,
            b"POST /add-checkpoint HTTP/1.1\r\n" + head + length + b"\r\n" + self.body + b"x",
            b"POST /add-checkpoint HTTP/1.1\r\n" + head + b"Content-Length: 5\r\n\r\nold 0",
            b"\x16\x03\x01\r\n\r\n",
        ):
            with wire.Connection(self.witness.address) as connection:
                connection.send(bad)
                connection.finish_sending()
                connection.read_until_closed()
            self.witness.wait_for(lambda: self.witness.complaints, "for a complaint")
            self.witness.complaints.clear()
        self.assertEqual(self.witness.requests, [])

    def test_bytes_of_responses(self):
        self.assertEqual(
            encode(200, b"ab", chunked=True, close=True),
            b"HTTP/1.1 200 Scripted\r\nContent-Type: text/plain; charset=utf-8\r\n"
            b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n")


class Judgement(unittest.TestCase):
    """The judge refuses what is not right."""

    def test_heads(self):
        log = ed25519.Signer()
        witnesses = [ScriptedWitness(log.public_key) for _ in range(3)]
        stranger = ScriptedWitness(log.public_key)
        policy = Policy(witnesses, 2)
        head = wire.TreeHead.make(log, 7, bytes(32))

        def lines(*some, time=None, of=head):
            cosigned = [(witness, witness.cosign(of, time)) for witness in some]
            return dataclasses.replace(head, cosignatures=[
                (witness.key_hash, line.time, line.signature) for witness, line in cosigned])

        one, two, three = witnesses
        for right in (lines(one, two), lines(one, three), lines(one, two, three),
                      lines(one, two, time=1)):
            self.assertIsNone(policy.fault_of(right, log.public_key))
        other = wire.TreeHead.make(log, 7, bytes(31) + b"1")
        for wrong in (
            head, lines(one), lines(one, one), lines(one, stranger), lines(one, two, stranger),
            lines(one, two, time=0), lines(one, two, time=1 << 63), lines(one, two, of=other),
            dataclasses.replace(lines(one, two), size=8),
            dataclasses.replace(lines(one, two), signature=bytes(64)),
        ):
            self.assertIsNotNone(policy.fault_of(wrong, log.public_key), wrong)
        self.assertIsNotNone(policy.fault_of(lines(one, two), one.public_key))

    def test_policies_as_others_read_them(self):
        """sigsum-verify takes a proof by the quorum that the judge goes by: see AgainstLogGo."""
        log = ed25519.Signer()
        witnesses = [ScriptedWitness(log.public_key) for _ in range(2)]
        text = Policy(witnesses, 1).text("log " + log.public_key.hex())
        self.assertEqual(text.splitlines()[-2:],
                         ["group all-of-them 1 w0 w1", "quorum all-of-them"])
        self.assertEqual(Policy(witnesses, 0).text().splitlines()[-1], "quorum none")


class AgainstLogGo(unittest.TestCase):
    """
    A log that is not ours, with all our witnesses. It shows heads without their quorum until the
    first time that it is reached, so it is watched from then on.
    """

    def test_a_life_with_witnesses(self):
        key = ed25519.Signer()
        with tempfile.TemporaryDirectory(prefix="sigsum-tls-") as folder:
            authority = Authority(pathlib.Path(folder))
            secure = self.enterContext(ScriptedWitness(
                key.public_key, tls=authority.context("right", "DNS:localhost"),
                name_in_url="localhost"))
            scripted = self.enterContext(ScriptedWitness(key.public_key, prefix="/a/b"))
            witnesses = [scripted, secure, self.enterContext(SigsumWitness(key)),
                         self.enterContext(LiteWitness(key))]
            # It waits that long for a witness, and then does without.
            log = harness.LogGo(key=key, policy_file="log-policy", interval="3s")
            policy = Policy(witnesses, 4)
            (log.folder / "log-policy").write_text(policy.text())
            plain = log.environment()
            log.environment = lambda: plain | {"SSL_CERT_FILE": str(authority.file)}
            with log:
                self.live(log, policy, scripted)
            for witness in (scripted, secure):
                self.assertEqual(witness.connection_count, 1)
                # The log may have ended in the middle of one.
                self.assertEqual({request.status for request in witness.requests
                                  if request.ended is not None}, {200})

    def live(self, log, policy, scripted) -> None:
        deadline = time.monotonic() + wire.DEADLINE_SECONDS
        while policy.fault_of(log.tree_head(), log.public_key) is not None:
            self.assertLess(time.monotonic(), deadline)
        with Watcher(log, policy) as watcher:
            for size in range(1, 4):
                log.add_leaf(size)
                watcher.wait_for_witnesses(*policy.witnesses, size=size)
            self.assertEqual(watcher.refusal_count, 0)
            scripted.wait_for_cosigned(3)
            # Its tools agree with the judge about the quorum.
            path, key = log.folder / "policy", log.folder / "submitter"
            path.write_text(policy.text("log {} http://{}:{}".format(
                log.public_key.hex(), *log.external)))
            ed25519.Signer().write_openssh(key)
            file = log.folder / "file"
            file.write_text("contents\n")
            done = harness.run(harness.peer("sigsum-submit"), "-k", key, "-p", path, file)
            self.assertEqual(done.returncode, 0, done.stderr)
            for quorum in (4, 5):
                if quorum == 5:
                    stranger = ScriptedWitness(log.public_key)
                    path.write_text(Policy([*policy.witnesses, stranger], 5).text(
                        "log " + log.public_key.hex()))
                with open(file) as message:
                    judged = harness.run(harness.peer("sigsum-verify"), "-k", f"{key}.pub",
                                         "-p", path, f"{file}.proof", stdin=message)
                self.assertEqual(judged.returncode == 0, quorum == 4, judged.stderr)

    def test_conflicts_are_met_with_proofs(self):
        key = ed25519.Signer()
        witness = self.enterContext(ScriptedWitness(key.public_key))
        log = harness.LogGo(key=key, policy_file="log-policy")
        (log.folder / "log-policy").write_text(Policy([witness], 1).text())
        with log:
            log.add_leaf(0)
            witness.wait_for_cosigned(1)
            first = next(request for request in witness.requests if request.size == 1)
            log.add_leaf(1)
            # Until the log has heard that this is where the witness is.
            witness.wait_for(lambda: any(request.body.old_size == 2
                                         for request in witness.requests))
            before = len(witness.requests)
            witness.size, witness.root_hash = 1, first.body.head.root_hash
            witness.wait_for(lambda: any(request.status == 200 and request.body.old_size == 1
                                         for request in witness.requests[before:]))
            # The one before may have been read and not judged yet.
            self.assertIn(409, [request.status for request in witness.requests[before - 1:]])

    def test_the_watcher_sees_what_is_wrong(self):
        """log-go shows its first head before the quorum."""
        key = ed25519.Signer()
        witness = self.enterContext(ScriptedWitness(key.public_key))
        witness.always(answers.status(500))
        log = harness.LogGo(key=key, policy_file="log-policy")
        policy = Policy([witness], 1)
        (log.folder / "log-policy").write_text(policy.text())
        with log:
            watcher = Watcher(log, policy)
            with self.assertRaises(AssertionError), watcher:
                watcher.wait_for_size(1)
            self.assertRegex(watcher.faults[0], "0 cosignatures, 1 are the quorum")
            # Not so without a policy.
            with Watcher(log, Policy([witness], 0)) as watcher:
                watcher.wait_for_size(0)
