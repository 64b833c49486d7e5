# SPDX-License-Identifier: BSD-2-Clause
#
# How a witness is reached: over TLS, whose certificate must be right, and by the forms that a URL
# may have. The certificates are made by a CA of the test, which SSL_CERT_FILE makes the system's.

import pathlib
import re
import socket
import ssl
import subprocess
import tempfile

import answers
import harness
from watcher import has_cosigned
from witness_case import WitnessCase


class Authority:
    """A CA in a folder, and the certificates that it makes."""

    def __init__(self, folder: pathlib.Path):
        self.openssl = harness.tool("openssl", "openssl")
        self.folder = folder
        self.file = folder / "ca.pem"
        self._run("req", "-x509", *self._key("ca"), "-out", self.file, "-days", "30", "-subj",
                  "/CN=Authority of a test", "-addext", "basicConstraints=critical,CA:TRUE")
        # What openssl ca wants to have.
        (folder / "index").write_text("")
        (folder / "serial").write_text("1000\n")
        (folder / "ca.cnf").write_text(
            "[ca]\ndefault_ca = ours\n[ours]\ndatabase = index\nserial = serial\n"
            "new_certs_dir = .\ncertificate = ca.pem\nprivate_key = ca.key\ndefault_md = sha256\n"
            "policy = any\ncopy_extensions = copy\nunique_subject = no\n"
            "[any]\ncommonName = supplied\n")

    def context(self, name: str, subject_names: str, days: tuple[str, str] | None = None,
                is_self_signed: bool = False, **versions) -> ssl.SSLContext:
        """A server's context with a certificate for these names, valid in those days."""
        certificate, request = self.folder / f"{name}.pem", self.folder / f"{name}.csr"
        extension = ("-addext", f"subjectAltName={subject_names}", "-subj", f"/CN={name}")
        if is_self_signed:
            self._run("req", "-x509", *self._key(name), "-out", certificate, *extension)
        else:
            self._run("req", "-new", *self._key(name), "-out", request, *extension)
            begin, end = days or ("20200101000000Z", "20990101000000Z")
            self._run("ca", "-batch", "-notext", "-config", "ca.cnf", "-in", request,
                      "-out", certificate, "-startdate", begin, "-enddate", end)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        for option, version in versions.items():
            setattr(context, option, version)
        context.load_cert_chain(certificate, self.folder / f"{name}.key")
        return context

    def _key(self, name: str) -> tuple:
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", self.folder / f"{name}.key")

    def _run(self, *words) -> None:
        done = harness.run(self.openssl, *words, cwd=self.folder, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stderr


class TLS(WitnessCase):
    @classmethod
    def setUpClass(cls):
        folder = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="sigsum-tls-"))
        cls.authority = Authority(pathlib.Path(folder))

    def log(self, *arguments, **options) -> harness.Log:
        log = super().log(*arguments, **options)
        log.environment = lambda: harness.Log.environment(log) | {
            "SSL_CERT_FILE": str(self.authority.file), "SSL_CERT_DIR": "/nonexistent"}
        return log

    def test_right_certificates(self):
        """By name and by address, over each version of TLS there is."""
        oldest = ssl.TLSVersion.TLSv1_2
        only = {"minimum_version": oldest, "maximum_version": oldest}
        rows = [("localhost", "DNS:localhost", {}), ("localhost", "DNS:other,DNS:LOCALHOST", {}),
                (None, "IP:127.0.0.1", {}), ("localhost", "DNS:localhost", only)]
        witnesses = []
        for number, (name, names, versions) in enumerate(rows):
            context = self.authority.context(f"right-{number}", names, **versions)
            context.sni_callback = lambda connection, shown, _: asked.append(shown)
            witnesses.append(self.witness(tls=context, name_in_url=name))
        asked: list[str | None] = []
        log, watcher = self.started(witnesses, len(witnesses))
        for size in range(1, 6):
            log.add_leaf(size)
            watcher.wait_for_witnesses(*witnesses, size=size)
        for witness in witnesses:
            self.assertEqual(witness.connection_count, 1, "connections are kept alive")
            self.assertEqual(witness.tls_errors, [])
        # An address is no name to ask for.
        self.assertEqual(sorted(map(str, asked)), ["None", "localhost", "localhost", "localhost"])
        self.assertEqual(log.stop(), 0)
        self.assert_no_trouble(log)

    def test_wrong_certificates(self):
        """Refused, with the reason in the log; the plain witness makes the quorum."""
        make = self.authority.context
        rows = {
            "another name": (make("a", "DNS:example.com"), "localhost", "(?i)host ?name"),
            "a name for an address": (make("b", "DNS:localhost"), None, "(?i)address"),
            "another address": (make("c", "IP:127.0.0.2,DNS:127.0.0.1"), None, "(?i)address"),
            "a wildcard": (make("d", "DNS:*"), "localhost", "(?i)host ?name"),
            "expired": (make("e", "DNS:localhost", ("20200101000000Z", "20210101000000Z")),
                        "localhost", "(?i)expired"),
            "not yet valid": (make("f", "DNS:localhost", ("20980101000000Z", "20990101000000Z")),
                              "localhost", "(?i)not yet valid"),
            "self-signed": (make("g", "DNS:localhost", is_self_signed=True), "localhost",
                            "(?i)self[- ]signed"),
        }
        for kind, (context, name, reason) in rows.items():
            with self.subTest(kind):
                plain, secure = self.witness(), self.witness(tls=context, name_in_url=name)
                log, watcher = self.started([plain, secure], 1)
                line = log.wait_for_line(r"\[INFO\].*witness w1: ")
                self.assertRegex(line, reason)
                log.add_leaf(0)
                self.assertFalse(
                    has_cosigned(secure, watcher.wait_for_witnesses(plain, size=1)))
                self.until_value(log, 2, "witness_requests_total", witness="w1", status="none")
                self.assertEqual(secure.requests, [], "nothing is sent to a stranger")
                self.assertEqual(len(self.lines(log, r"witness w1: ")), 1)
                self.assert_no_trouble(log)
                self.assertEqual(log.stop(), 0)

    def test_an_unknown_authority(self):
        context = self.authority.context("unknown", "DNS:localhost")
        plain, secure = self.witness(), self.witness(tls=context, name_in_url="localhost")
        log = super().log([plain, secure], 1)
        log.environment = lambda: harness.Log.environment(log) | {
            "SSL_CERT_FILE": "/dev/null", "SSL_CERT_DIR": "/nonexistent"}
        log.start()
        self.assertRegex(log.wait_for_line(r"\[INFO\].*witness w1: "),
                         "(?i)unable to get local issuer|unable to verify")
        self.assertEqual(secure.requests, [])

    def test_what_is_no_tls(self):
        """Each end of the connection speaks its own language."""
        secure = self.witness(tls=self.authority.context("mixed", "DNS:localhost"),
                              name_in_url="localhost")
        plain = self.witness(name_in_url="localhost")
        right = self.witness()
        secure.url = secure.url.replace("https:", "http:")
        plain.url = plain.url.replace("http:", "https:")
        log, watcher = self.started([right, plain, secure], 1, timeout="1s")
        for name in ("w1", "w2"):
            log.wait_for_line(rf"\[INFO\].*witness {name}: ")
        log.add_leaf(0)
        self.assertEqual(len(watcher.wait_for_size(1).cosignatures), 1)
        self.assertEqual((plain.requests, secure.requests), ([], []))
        self.assertEqual(log.stop(), 0)
        plain.close()
        plain.complaints.clear()  # a TLS greeting may look like the end of a head

    def test_old_versions_are_refused(self):
        context = self.authority.context("old", "DNS:localhost")
        # The library here may not offer what is to be refused.
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        plain, secure = self.witness(), self.witness(tls=context, name_in_url="localhost")
        log, watcher = self.started([plain, secure], 1)
        line = log.wait_for_line(r"\[INFO\].*witness w1: ")
        self.assertRegex(line, "(?i)version|alert|protocol")
        self.assertEqual(secure.requests, [])

    def test_faults_inside(self):
        """What goes wrong within TLS is met as it is without."""
        context = self.authority.context("faults", "DNS:localhost")
        plain, secure = self.witness(), self.witness(tls=context, name_in_url="localhost")
        log, watcher = self.started([plain, secure], 1, interval="50ms", timeout="5s")
        size = 0
        for name, answer in {
            "right": answers.cosign, "until closed": answers.cosign_until_closed,
            "byte by byte": answers.cosign_byte_by_byte, "500": answers.status(500),
            "bad signature": answers.bad_signature, "closed at once": answers.close_at_once,
            "closed in the body": answers.close_in_body, "huge": answers.huge,
            "huge until closed": answers.huge_until_closed, "hangs": answers.hang,
            "drips": answers.drip_body,
        }.items():
            with self.subTest(name):
                first = secure.always(answer)
                log.add_leaf(size)
                size += 1
                watcher.wait_for_witnesses(plain, size=size)
                secure.wait_for_requests(first + 1)
        secure.behave()
        watcher.wait_for_witnesses(plain, secure, size=size)
        self.assertEqual(log.stop(), 0)
        self.assert_no_trouble(log)

    def test_a_body_that_somebody_cut(self):
        """Without TLS's own end, the connection's end is not the body's."""
        context = self.authority.context("cut", "DNS:localhost")
        plain, secure = self.witness(), self.witness(tls=context, name_in_url="localhost")
        secure.always(answers.cosign_until_cut)
        log, watcher = self.started([plain, secure], 1, interval="50ms")
        log.add_leaf(0)
        watcher.wait_for_witnesses(plain, size=1)
        # It does cosign, and says so by 409 when it is asked with the size before.
        secure.wait_for_cosigned(1)
        last = secure.wait_for_requests(len(secure.requests) + 2)
        secure.wait_for(lambda: last.ended is not None)
        self.assertEqual(last.status, 409)
        self.assertFalse(has_cosigned(secure, watcher.last))
        secure.always(answers.cosign_until_closed)
        watcher.wait_for_witnesses(plain, secure, size=1)

    def test_a_handshake_that_hangs(self):
        """Longer than the deadline of a request; it delays nobody, nor the end."""
        plain, mute = self.witness(), self.witness(name_in_url="localhost", is_mute=True)
        mute.url = mute.url.replace("http:", "https:")
        log, watcher = self.started([plain, mute], 1, timeout="300ms")
        line = log.wait_for_line(r"\[INFO\].*witness w1: ")
        self.assertRegex(line, "(?i)time|deadline")
        log.options["timeout"] = "1h"
        self.restart(log)
        for number in range(5):
            log.add_leaf(number)
            watcher.wait_for_witnesses(plain, size=number + 1)
        self.assertEqual(log.stop(), 0)


class Addresses(WitnessCase):
    def test_forms_of_urls(self):
        """IPv4, IPv6, a name that is both, a path with and without a slash at its end."""
        with socket.socket(socket.AF_INET6) as probe:
            try:
                probe.bind(("::1", 0))
            except OSError:
                self.skipTest("this machine has no ::1")
        witnesses = [
            self.witness(), self.witness(host="::1"), self.witness(prefix="/a/b"),
            self.witness(name_in_url="localhost"),
        ]
        names = socket.getaddrinfo("localhost", 1, type=socket.SOCK_STREAM)
        if "::1" in {address[0] for *_, address in names}:
            # The IPv4 address refuses.
            witnesses.append(self.witness(host="::1", name_in_url="localhost", prefix="/x"))
        slash = self.witness(prefix="/p")
        slash.url += "/"
        witnesses.append(slash)
        capital = self.witness(name_in_url="localhost")
        capital.url = capital.url.replace("localhost", "LocalHost")
        witnesses.append(capital)
        log, watcher = self.started(witnesses, len(witnesses))
        for size in range(1, 4):
            log.add_leaf(size)
            watcher.wait_for_witnesses(*witnesses, size=size)
        self.assertEqual(log.stop(), 0)
        self.assert_no_trouble(log)

    def test_places_where_nobody_is(self):
        """A name that is not, a port that nobody has: their lines say what is wrong."""
        right, gone, nameless = (self.witness() for _ in range(3))
        gone.close()
        nameless.url = "http://no-such-host.invalid:80"
        log, watcher = self.started([right, gone, nameless], 1)
        for number in range(3):
            log.add_leaf(number)
            watcher.wait_for_witnesses(right, size=number + 1)
        self.assertRegex(log.wait_for_line(r"\[INFO\].*witness w1: "), "(?i)refused")
        self.assertRegex(log.wait_for_line(r"\[INFO\].*witness w2: "),
                         # The second where the name servers cannot be reached.
                         re.escape("no-such-host.invalid") + "|the name is not resolved")
        for name in ("w1", "w2"):
            self.until_value(log, 1, "witness_requests_total", witness=name, status="none")
        self.assertEqual(len(self.lines(log, "witness w[12]: ")), 2)
        self.assertEqual(log.stop(), 0)
        self.assert_no_trouble(log)
