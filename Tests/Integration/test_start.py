# SPDX-License-Identifier: BSD-2-Clause
#
# Starts that must succeed, starts that must be refused, and ends. A refused start says in one line
# what is wrong and where, exits with 1, and leaves every file as it was.

import contextlib
import hashlib
import itertools
import os
import re
import shutil
import signal
import subprocess
import time
import unittest

import ed25519
import harness
import merkle
import wire

LOG_LINE = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[(DEBU|INFO|WARN|ERRO|FATA)\] [^\n]+")

# Files that have no contents of their own: they are there to be locked.
LOCK_FILES = ("sth.lock", "store/lock", "store/lock.mdb")


def snapshot(folder) -> dict[str, object]:
    """Every file below the folder with its mode and contents, every folder with its mode."""
    state = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            state[name] = os.readlink(path)
        elif path.is_file():
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            state[name] = (oct(path.stat().st_mode), path.stat().st_size, digest)
        else:
            state[name] = oct(path.stat().st_mode)
    return state


class RefusalCase(unittest.TestCase):
    def refused(self, log: harness.Log, *patterns: str, locks: bool = False, unprivileged=False,
                environment: dict | None = None, words=()) -> str:
        """
        The log's start is refused, in a line that has each pattern in it. With `locks` the start
        gets as far as taking locks, whose files may be new.
        """
        before = snapshot(log.folder)
        options = unprivileged_options(log.folder) if unprivileged else {}
        done = harness.run(*log.command(), *words, cwd=log.folder, stdin=subprocess.DEVNULL,
                           env=os.environ | log.environment() | (environment or {}), **options)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr, r"\Asigsum primary: [^\n]+\n\Z")
        for pattern in patterns:
            self.assertRegex(done.stderr, pattern)
        after = snapshot(log.folder)
        if locks:
            for name in LOCK_FILES:
                before.pop(name, None), after.pop(name, None)
        self.assertEqual(after, before)
        return done.stderr

    def fresh(self, **options) -> harness.Log:
        """A log that has never run, with its order to begin."""
        log = harness.Log(**options)
        self.addCleanup(log.close)
        made = log.mktree()
        self.assertEqual(made.returncode, 0, made.stderr)
        return log

    def stopped(self, size: int, **options) -> harness.Log:
        """A log of that many leaves, stopped."""
        log = self.enterContext(harness.Log(min_interval="0s", interval="1h", **options))
        log.add_leaves([wire.Leaf.numbered(log.signer, number) for number in range(size)])
        log.tree_head(size_at_least=size)
        self.assertEqual(log.stop(), 0)
        return log


def unprivileged_options(folder) -> dict:
    """How to run a program that the permissions of files count for."""
    if os.geteuid() != 0:
        return {}
    folder.chmod(0o755)
    for path in (folder / "key", folder / "key.pub"):
        with contextlib.suppress(FileNotFoundError):
            os.chown(path, 65534, 65534)
    return {"user": 65534, "group": 65534, "extra_groups": []}


class CommandLine(RefusalCase):
    def test_options(self):
        log = self.fresh()
        for words, pattern in (
            (["--no-such-option"], "no-such-option"), (["--no-such-option=1"], "no-such-option"),
            (["-x"], "-x"), (["surplus"], "surplus"), (["--max-range"], "max-range"),
            (["--max-range=x"], "--max-range"), (["--max-range=0"], "--max-range"),
            (["--interval=10"], "--interval"), (["--interval=-1s"], "--interval"),
            (["--interval="], "--interval"), (["--min-interval=1h"], "min-interval"),
            (["--log-level=verbose"], "--log-level"), (["--threads=-1"], "--threads"),
            (["--external-endpoint=6965"], "--external-endpoint"),
            (["--external-endpoint=localhost:x-y"], "--external-endpoint"),
            (["--internal-endpoint=localhost:99999"], "--internal-endpoint"),
            (["--url-prefix=a//b"], "--url-prefix"), (["--url-prefix=a?b"], "--url-prefix"),
            (["--backend=sqlite"], "--backend"), (["--store-dir="], "store-dir"),
        ):
            with self.subTest(words=words):
                self.refused(log, pattern, words=words)

    def test_what_belongs_to_trillian_says_what_replaces_it(self):
        log = self.fresh()
        self.refused(log, "backend", "trillian", "lmdb", words=["--backend=trillian"])
        for option in ("trillian-rpc-server", "trillian-tree-id-file"):
            self.refused(log, option, "store-dir", words=[f"--{option}=x"])

    def test_secondaries(self):
        """One option without the other, and keys that are none."""
        log = self.fresh()
        url = "--secondary-url=http://localhost:1"
        self.refused(log, "secondary-url", words=[url])
        self.refused(log, "secondary-pubkey-file", words=["--secondary-pubkey-file=k"])
        key = log.folder / "node.pub"
        for text in (None, b"", b"ssh-rsa AAAA\n", b"hello\n"):
            if text is not None:
                key.write_bytes(text)
            self.refused(log, re.escape(str(key)), words=[url, f"--secondary-pubkey-file={key}"])

    def test_configuration_files(self):
        log = self.fresh()
        file = log.folder / "config.toml"
        variable = {"SIGSUM_LOGSERVER_CONFIG": str(file)}
        self.refused(log, "config.toml", "SIGSUM_LOGSERVER_CONFIG", environment=variable)
        for text, *patterns in (
            ("intervall = '10s'\n", "config.toml:1", "intervall"),
            ("\n[primary]\nmax-rnge = 5\n", "config.toml:3", "max-rnge"),
            ("interval = 10\n", "config.toml:1", "interval"),
            ("interval = '10s'\ninterval = '9s'\n", "config.toml:2"),
            ("interval = \n", "config.toml:1"), ("[primary\n", "config.toml:1"),
            ("\ntrillian-rpc-server = 'x'\n", "config.toml:2", "store-dir"),
            ("backend = 'trillian'\n", "config.toml:1", "lmdb"),
            ("[primary]\nrate-limit-file = 'p'\n", "rate-limit-file: p", "No such file"),
            ("[[primary.secondary]]\nurl = 'http://a'\n", "config.toml:1", "pubkey-file"),
            ("policy-file = 'p'\n", "config.toml:1", "primary"),
            ("\0", "config.toml"), ("interval = '\udcff'\n", "config.toml", "UTF-8"),
        ):
            file.write_bytes(text.encode("utf-8", "surrogateescape"))
            with self.subTest(text=text):
                self.refused(log, *patterns, environment=variable)

    def test_the_configuration_file_counts_and_options_override_it(self):
        log = self.fresh()
        file = log.folder / "config.toml"
        file.write_text("url-prefix = 'one'\n[primary]\nmax-range = 1\nmin-interval = '0s'\n")
        log.environment = lambda: harness.Log.environment(log) | {
            "SIGSUM_LOGSERVER_CONFIG": str(file)}
        log.start()
        self.assertEqual(log.get("/one/").status, 200)
        self.assertEqual(log.stop(), 0)
        log.options["url_prefix"] = "two"
        log.start()
        self.assertEqual(log.get("/one/").status, 404)
        self.assertEqual(log.get("/two/").status, 200)

    def test_extreme_values(self):
        longest = "2562047h47m16.854775807s"
        for options in (
            {"threads": 1}, {"threads": 200}, {"interval": longest}, {"timeout": longest},
            {"interval": "1ms"}, {"interval": longest, "add_leaf_wait": longest},
            {"max_range": 65536}, {"external_endpoint": f":{harness.free_port()}"},
            {"url_prefix": "a+b/c~d:e@f!$&'()*,;="},
        ):
            with self.subTest(options=options), harness.Log(
                    **({"min_interval": "0s"} | options)) as log:
                if port := str(options.get("external_endpoint", ""))[1:]:
                    log.external = ("127.0.0.1", int(port))
                if prefix := options.get("url_prefix"):
                    self.assertEqual(log.get(f"/{prefix}/get-tree-head").status, 200)
                else:
                    leaf = log.add_leaf(1)
                    self.assertEqual(log.post_leaf(leaf).status, 200)
                    self.assertEqual(log.tree_head(size_at_least=1).size, 1)
                self.assertEqual(log.stop(), 0)

    def test_versions(self):
        news = (harness.ROOT / "NEWS").read_text()
        number = re.search(r"\d+\.\d+\.\d+", news)[0]
        for words in (["--version"], ["primary", "--version"], ["mktree", "--version"]):
            done = harness.run(harness.BINARY, *words)
            self.assertEqual((done.returncode, done.stdout, done.stderr),
                             (0, f"sigsum {number}\n", ""))

    def test_help(self):
        for role, options in (
            ("primary", ["key-file", "store-dir", "sth-file", "interval", "min-interval",
                         "external-endpoint", "internal-endpoint", "url-prefix", "max-range",
                         "add-leaf-wait", "policy-file", "rate-limit-file", "secondary-url",
                         "log-file", "log-level", "backend", "threads", "timeout"]),
            ("secondary", ["key-file", "store-dir", "primary-url", "interval"]),
            ("mktree", ["mode", "sth-file", "store-dir", "key-file"]),
        ):
            for option in ("--help", "-h"):
                done = harness.run(harness.BINARY, role, option)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                for name in options:
                    self.assertIn(f"--{name}", done.stdout)
                self.assertNotIn("trillian", done.stdout)
        done = harness.run(harness.BINARY, "--help")
        for name in ("primary", "secondary", "mktree"):
            self.assertIn(name, done.stdout)

    def test_names_of_the_program(self):
        log = self.fresh()
        for name, role in (("sigsum-log-primary", "primary"), ("sigsum-mktree", "mktree"),
                           ("sigsum-log-secondary", "secondary")):
            link = log.folder / name
            link.symlink_to(harness.BINARY.resolve())
            for program in (link, harness.BINARY):
                words = [program] if program == link else [program, role]
                done = harness.run(*words, "--help")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn(name if program == link else f"sigsum {role}", done.stdout)
            done = harness.run(link, "--no-such-option")
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, rf"\A{name}: [^\n]*no-such-option[^\n]*\n\Z")
        log.command = lambda: [log.folder / "sigsum-log-primary", *harness.Log.command(log)[2:]]
        log.start()
        self.assertEqual(log.get("/").status, 200)

    def test_without_a_role(self):
        done = harness.run(harness.BINARY, "tertiary")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"\Asigsum: [^\n]*tertiary[^\n]*\n\Z")


class Keys(RefusalCase):
    def test_key_files(self):
        log = self.fresh()
        good = log.key_file.read_bytes()
        log.key_file.unlink()
        self.refused(log, "key-file", re.escape(str(log.key_file)), "(?i)no such file")
        (log.folder / "folder").mkdir()
        log.options["key_file"] = log.folder / "folder"
        self.refused(log, "key-file", "folder")
        log.options["key_file"] = None
        self.refused(log, "key-file", "missing")

        log.options["key_file"] = log.key_file
        for kind, words in (("rsa", ["-t", "rsa", "-b", "2048"]), ("ecdsa", ["-t", "ecdsa"]),
                            ("encrypted", ["-t", "ed25519", "-N", "secret"])):
            path = log.folder / kind
            empty = [] if "-N" in words else ["-N", ""]
            made = harness.run("ssh-keygen", "-q", *words, *empty, "-f", path)
            self.assertEqual(made.returncode, 0, made.stderr)
        contents = {
            "encrypted": ((log.folder / "encrypted").read_bytes(), "encrypted"),
            "rsa": ((log.folder / "rsa").read_bytes(), "ssh-rsa"),
            "ecdsa": ((log.folder / "ecdsa").read_bytes(), "ecdsa"),
            "public rsa": ((log.folder / "rsa.pub").read_bytes(), "ssh-rsa"),
            "hex": (log.signer.seed.hex().encode() + b"\n", "hex"),
            "pem": (b"-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n", "PEM"),
            "empty": (b"", "empty"),
            "truncated": (good[:200], "truncated"),
            "half": (good[:len(good) // 2] + good[-40:], "key"),
            "damaged": (good.replace(good[150:154], b"AAAA"), "key"),
            "garbage": (b"\0\xff" * 50, "key"),
            "several": (log.signer.openssh_public() * 2, "several"),
            "public": (log.signer.openssh_public(), "agent"),
        }
        for name, (text, pattern) in contents.items():
            log.key_file.write_bytes(text)
            with self.subTest(name):
                self.refused(log, "key-file", re.escape(str(log.key_file)), pattern,
                             environment={"SSH_AUTH_SOCK": ""})

    def test_another_key(self):
        log = self.stopped(3)
        ed25519.Signer().write_openssh(log.key_file)
        self.refused(log, "not signed by this log's key", "sth", locks=True)
        log.sth_file.unlink()
        log.startup_file.write_text("startup=local-tree\n")
        self.refused(log, "belongs to the log with key hash", log.key_hash.hex(), locks=True)

    def test_an_unreadable_key(self):
        log = self.fresh()
        options = unprivileged_options(log.folder)
        if options:
            os.chown(log.key_file, 0, 0)
        log.key_file.chmod(0o600 if options else 0)
        before = snapshot(log.folder)
        done = harness.run(*log.command(), env=os.environ | log.environment(), **options)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(
            done.stderr, r"\Asigsum primary: key-file: [^\n]*ermission denied[^\n]*\n\Z")
        self.assertEqual(snapshot(log.folder), before)


class Places(RefusalCase):
    def test_ports_in_use(self):
        running = self.enterContext(harness.Log())
        for name in ("external_endpoint", "internal_endpoint"):
            log = self.fresh()
            log.options[name] = running.options[name]
            self.refused(log, re.escape(running.options[name]), "(?i)address already in use")
            # Also where several reactors share the port.
            self.refused(log, "(?i)address already in use", words=["--threads=4"])
        self.assertEqual(running.get("/").status, 200)

    def test_one_port_for_both(self):
        log = self.fresh()
        log.options["internal_endpoint"] = log.options["external_endpoint"]
        self.refused(log, "(?i)address already in use")

    def test_hosts(self):
        log = self.fresh()
        log.options["external_endpoint"] = "no-such-host.invalid:1"
        self.refused(log, "no-such-host.invalid")
        log.options["external_endpoint"] = "192.0.2.1:6965"
        self.refused(log, "192.0.2.1:6965", "(?i)cannot assign")

    def test_unwritable_folders(self):
        log = self.fresh()
        # Nothing may be made in the folder of the sth file.
        self.refused(log, "sth", "ermission denied", unprivileged=True)
        # Nor in that of the store.
        (log.folder / "state").mkdir()
        shutil.move(log.startup_file, log.folder / "state/sth.startup")
        log.options["sth_file"] = log.folder / "state/sth"
        for path in (log.folder / "state", log.folder / "state/sth.startup"):
            if os.geteuid() == 0:
                os.chown(path, 65534, 65534)
        if (log.folder / "sth.lock").exists():
            (log.folder / "sth.lock").unlink()
        log.folder.chmod(0o555)
        self.addCleanup(log.folder.chmod, 0o755)
        before = snapshot(log.folder)
        done = harness.run(*log.command(), env=os.environ | log.environment(),
                           **unprivileged_options(log.folder))
        log.folder.chmod(0o755)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, r"\Asigsum primary: [^\n]*store[^\n]*ermission denied\n\Z")
        after = snapshot(log.folder)
        after.pop("state/sth.lock", None)
        self.assertEqual(after, before)

    def test_folders_that_are_not_there(self):
        log = self.fresh()
        log.options["sth_file"] = log.folder / "nowhere/sth"
        self.refused(log, "nowhere/sth")
        log.options["sth_file"] = log.sth_file
        log.options["store_dir"] = log.folder / "nowhere/store"
        self.refused(log, "nowhere/store", locks=True)
        log.options["store_dir"] = log.key_file
        self.refused(log, "key", locks=True)

    def test_log_files(self):
        log = self.fresh()
        log.options["log_file"] = log.folder / "nowhere/log"
        self.refused(log, "log-file", "nowhere/log")


class SecondInstances(RefusalCase):
    def test_of_the_same_store_or_sth_file(self):
        running = self.enterContext(harness.Log(min_interval="0s"))
        running.add_leaf(1)
        running.tree_head(size_at_least=1)
        second = harness.Log(running.folder)
        self.addCleanup(second.close)
        self.refused(second, "in use by another process", "sth", locks=True)
        second.options["store_dir"] = second.folder / "other-store"
        self.refused(second, "in use by another process", "sth", locks=True)
        shutil.copy(running.sth_file, running.folder / "other-sth")
        second.options["store_dir"] = running.store
        second.options["sth_file"] = second.folder / "other-sth"
        before = snapshot(second.folder)
        done = harness.run(*second.command(), env=os.environ | second.environment())
        self.assertEqual(done.returncode, 1)
        self.assertRegex(
            done.stderr, r"\Asigsum primary: the store \S* is in use by another process[^\n]*\n\Z")
        after = snapshot(second.folder)
        after.pop("other-sth.lock", None)
        self.assertEqual(after, before)
        for mode in ("empty", "local-tree"):
            made = running.mktree(f"--mode={mode}")
            self.assertEqual(made.returncode, 1, made.stdout)
        running.assert_audit()
        running.add_leaf(2)
        running.tree_head(size_at_least=2)

    def test_that_follows_on_a_crash(self):
        log = self.enterContext(harness.Log())
        for _ in range(3):
            log.kill()
            log.start()
            self.assertEqual(log.get("/").status, 200)


class States(RefusalCase):
    """What sth file, startup file and store may be found to be: the table in PrimaryStart.swift."""

    def head(self, log, size: int) -> wire.TreeHead:
        """The log's own head of its first `size` leaves, signed as it would."""
        hashes = [merkle.hash_leaf(leaf) for leaf in self.stored[log]]
        return wire.TreeHead.make(log.signer, size, merkle.root(hashes[:size]))

    def stopped(self, size: int, **options) -> harness.Log:
        log = super().stopped(size, **options)
        log.start()
        self.stored = {log: log.leaves()}
        self.assertEqual(log.stop(), 0)
        return log

    def assert_starts(self, log, size: int) -> None:
        """The start succeeds, with the tree of that size; files and store then agree."""
        log.start()
        head = log.tree_head(size_at_least=size)
        self.assertEqual(head.size, size)
        self.assertFalse(log.startup_file.exists())
        self.assertEqual(wire.parse_tree_head(log.sth_file.read_bytes()), head)
        leaf = log.add_leaf(1_000_000)
        head = log.tree_head(size_at_least=size + 1)
        self.assertEqual(head.root_hash, merkle.root(
            [merkle.hash_leaf(stored) for stored in log.leaves()]))
        self.assertEqual(log.leaves()[size], leaf.encoded)
        self.assertEqual(log.stop(), 0)
        log.assert_audit()

    def test_nothing(self):
        log = self.fresh()
        log.startup_file.unlink()
        self.refused(log, "run sigsum mktree", "sth")

    def test_a_store_without_either_file(self):
        log = self.stopped(3)
        log.sth_file.unlink()
        self.refused(log, "run sigsum mktree, |restore", "sth", locks=True)

    def test_a_head_without_a_store(self):
        for size in (0, 3):
            log = self.stopped(size)
            shutil.rmtree(log.store)
            self.refused(log, "no store in", "store-dir", locks=True)

    def test_a_head_ahead_of_the_store(self):
        log = self.stopped(3)
        log.sth_file.write_bytes(wire.TreeHead.make(log.signer, 4, bytes(32)).encoded)
        self.refused(log, "4 leaves", "behind", locks=True)

    def test_a_head_that_contradicts_the_store(self):
        log = self.stopped(300)
        for size in (300, 256, 255, 1, 0):
            log.sth_file.write_bytes(wire.TreeHead.make(log.signer, size, bytes(32)).encoded)
            self.refused(log, f"{size} leaves", "root hash", locks=True)

    def test_heads_of_other_signers_and_of_nobody(self):
        log = self.stopped(3)
        head = self.head(log, 3)
        log.sth_file.write_bytes(
            wire.TreeHead.make(ed25519.Signer(), 3, head.root_hash).encoded)
        self.refused(log, "not signed by this log's key", locks=True)
        log.sth_file.write_bytes(wire.TreeHead(3, head.root_hash, bytes(64)).encoded)
        self.refused(log, "not signed by this log's key", locks=True)
        # A head of two sizes: signed for one, written with another.
        log.sth_file.write_bytes(wire.TreeHead(2, head.root_hash, head.signature).encoded)
        self.refused(log, "not signed by this log's key", locks=True)

    def test_damaged_sth_files(self):
        log = self.stopped(3)
        good = log.sth_file.read_bytes()
        for text in (b"", b"\n", good[:-1], good[:100], good + b"\n", good + good, b"\0" * 200,
                     good.replace(b"size=3", b"size=03"), good.replace(b"\n", b"\r\n"),
                     b"x" * 100_000, good[good.index(b"\n") + 1:]):
            log.sth_file.write_bytes(text)
            with self.subTest(text=text[:50]):
                self.refused(log, re.escape(str(log.sth_file)), locks=True)

    def test_damaged_startup_files(self):
        log = self.fresh()
        for text in (b"", b"\n", b"startup=", b"startup=saved\n", b"empty\n", b"startup=Empty\n",
                     b"startup=empty\nstartup=empty\n", b"\0", b"startup = empty\n"):
            log.startup_file.write_bytes(text)
            with self.subTest(text=text):
                self.refused(log, re.escape(str(log.startup_file)), locks=True)

    def test_an_older_head_than_the_store_has(self):
        """The crash between the sth file and the record the other way round, or a restored file."""
        log = self.stopped(5)
        for size in (4, 1, 0):
            log.sth_file.write_bytes(self.head(log, size).encoded)
            # With nothing new to sign the head that was signed last is put back, to the byte.
            log.start()
            self.assertEqual(log.tree_head().size, 5)
            self.assertEqual(log.sth_file.read_bytes(), self.head(log, 5).encoded)
            self.assertEqual(log.stop(), 0)
        log.sth_file.write_bytes(self.head(log, 2).encoded)
        self.assert_starts(log, 5)

    def test_orders_with_white_space(self):
        for text in (b"startup=empty", b" startup=empty \n", b"\r\n startup=empty\t\r\n\n"):
            log = self.fresh()
            log.startup_file.write_bytes(text)
            self.assert_starts(log, 0)

    def test_an_order_to_begin_with_leaves_in_the_store(self):
        log = self.stopped(3)
        log.sth_file.unlink()
        log.startup_file.write_text("startup=empty\n")
        self.refused(log, "3 leaves", "--mode=local-tree", locks=True)

    def test_an_order_to_begin_beside_a_head_with_leaves(self):
        log = self.stopped(3)
        log.startup_file.write_text("startup=empty\n")
        self.refused(log, "sth.startup", "3 leaves", locks=True)
        shutil.rmtree(log.store)
        self.refused(log, "sth.startup", "3 leaves", locks=True)

    def test_a_beginning_that_was_cut_off(self):
        # Store made, head not written.
        log = self.stopped(0)
        log.sth_file.unlink()
        log.startup_file.write_text("startup=empty\n")
        self.assert_starts(log, 0)
        # Head written, order not removed; and the same before the store was made.
        for remove_store in (False, True):
            log = self.stopped(0)
            log.startup_file.write_text("startup=empty\n")
            if remove_store:
                shutil.rmtree(log.store)
            self.assert_starts(log, 0)

    def test_remains_of_a_cut_off_write(self):
        log = self.stopped(3)
        (log.folder / "sth.new").write_bytes(b"half a tree he")
        (log.store / "building").mkdir()
        (log.store / "building/data.mdb").write_bytes(b"half")
        self.assert_starts(log, 3)
        log = self.fresh()
        (log.store / "building").mkdir(parents=True)
        (log.store / "building/data.mdb").write_bytes(b"half")
        (log.folder / "sth.new").write_bytes(b"")
        self.assert_starts(log, 0)

    def test_local_tree(self):
        log = self.stopped(300)
        log.sth_file.unlink()
        made = log.mktree("--mode=local-tree")
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assert_starts(log, 300)

    def test_local_tree_that_was_cut_off(self):
        log = self.stopped(3)
        log.startup_file.write_text("startup=local-tree\n")
        self.assert_starts(log, 3)

    def test_local_tree_beside_another_head(self):
        log = self.stopped(5)
        log.sth_file.write_bytes(self.head(log, 3).encoded)
        log.startup_file.write_text("startup=local-tree\n")
        self.refused(log, "3 leaves", "local-tree", locks=True)

    def test_local_tree_without_a_store(self):
        log = self.fresh()
        log.startup_file.write_text("startup=local-tree\n")
        self.refused(log, "no store in", locks=True)
        self.refused(log, "ephemeral", locks=True, words=["--backend=ephemeral"])

    def test_ephemeral_with_a_head_that_has_leaves(self):
        log = self.stopped(3)
        self.refused(log, "ephemeral", "sth", "mktree", locks=True, words=["--backend=ephemeral"])
        log = self.fresh()
        log.sth_file.write_bytes(
            wire.TreeHead.make(log.signer, 0, merkle.root([])).encoded)
        log.startup_file.unlink()
        log.options["backend"] = "ephemeral"
        log.start()
        self.assertEqual(log.tree_head().size, 0)

    def test_damaged_stores(self):
        log = self.stopped(300)
        data = log.store / "data.mdb"
        good = data.read_bytes()
        for text, pattern in (
            (b"", "empty"), (good[:4096 * 20], "truncated"), (good[:-4096], "truncated"),
            (good[:-1], "truncated"), (good[:100], "."), (b"\0" * len(good), "."),
            (os.urandom(len(good)), "."), (good[:4096], "."),
        ):
            data.write_bytes(text)
            with self.subTest(count=len(text), pattern=pattern):
                self.refused(log, re.escape(str(log.store)), pattern, locks=True)
        data.write_bytes(good)
        self.assert_starts(log, 300)


class Mktree(unittest.TestCase):
    def setUp(self):
        self.log = harness.Log(min_interval="0s")
        self.addCleanup(self.log.close)

    def refused(self, *words, pattern: str) -> None:
        before = snapshot(self.log.folder)
        done = self.log.mktree(*words)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, r"\Asigsum mktree: [^\n]+\n\Z")
        self.assertRegex(done.stderr, pattern)
        after = snapshot(self.log.folder)
        for name in LOCK_FILES:
            before.pop(name, None), after.pop(name, None)
        self.assertEqual(after, before)

    def test_a_life(self):
        log = self.log
        self.refused("--mode=saved", pattern="sth")
        self.refused("--mode=local-tree", pattern="no store")
        self.refused("--mode=audit", pattern="no store")
        self.refused("--mode=nothing", pattern="--mode")
        self.refused("surplus", pattern="surplus")
        self.assertEqual(log.mktree("--mode=empty").returncode, 0)
        self.assertEqual(log.startup_file.read_text(), "startup=empty\n")
        for mode in ("empty", "local-tree"):
            self.refused(f"--mode={mode}", pattern="sth.startup exists")
        self.refused("--mode=saved", pattern="sth")
        log.start()
        log.add_leaf(1)
        log.tree_head(size_at_least=1)
        for mode in ("empty", "local-tree"):
            self.refused(f"--mode={mode}", pattern="sth exists")
        log.assert_audit()
        self.assertEqual(log.stop(), 0)
        for mode in ("empty", "local-tree"):
            self.refused(f"--mode={mode}", pattern="sth exists")
        self.assertEqual(log.mktree("--mode=saved").returncode, 0)
        log.startup_file.write_text("startup=empty\n")
        self.refused("--mode=saved", pattern="sth.startup")
        log.startup_file.unlink()
        log.sth_file.unlink()
        self.refused("--mode=empty", pattern="1 leaves|1 leaf")
        self.assertEqual(log.mktree("--mode=local-tree").returncode, 0)
        self.assertEqual(log.startup_file.read_text(), "startup=local-tree\n")
        log.start()
        self.assertEqual(log.tree_head(size_at_least=1).size, 1)

    def test_log_gos_mktree_makes_what_we_start_from(self):
        program = harness.peer("sigsum-mktree")
        made = harness.run(program, f"--sth-file={self.log.sth_file}",
                           env=os.environ | self.log.environment())
        self.assertEqual(made.returncode, 0, made.stderr)
        self.log.start()
        self.log.add_leaf(1)
        self.log.tree_head(size_at_least=1)

    def test_log_go_takes_what_we_make(self):
        harness.peer("sigsum-log-primary")
        peer = harness.LogGo(folder=None)
        self.addCleanup(peer.close)
        os.unlink(peer.folder / "sth.startup")
        self.log.sth_file = peer.sth_file
        self.assertEqual(self.log.mktree().returncode, 0)
        peer.start()
        self.assertEqual(peer.tree_head().size, 0)

    def test_folders_that_are_not_there(self):
        self.log.sth_file = self.log.folder / "nowhere/sth"
        self.refused("--mode=empty", pattern="nowhere/sth")


class Audit(unittest.TestCase):
    """Damage in each kind of stored value is found, and said in one line."""

    @classmethod
    def setUpClass(cls):
        cls.log = cls.enterClassContext(harness.Log(min_interval="0s", interval="1h"))
        cls.log.add_leaves([wire.Leaf.numbered(cls.log.signer, number) for number in range(600)])
        cls.head = cls.log.tree_head(size_at_least=600)
        cls.stored = cls.log.leaves()
        cls.hashes = [merkle.hash_leaf(leaf) for leaf in cls.stored]
        assert cls.log.stop() == 0
        cls.data = (cls.log.store / "data.mdb").read_bytes()

    def tearDown(self):
        (self.log.store / "data.mdb").write_bytes(self.data)

    def audit_with(self, data: bytes):
        (self.log.store / "data.mdb").write_bytes(data)
        return self.log.mktree("--mode=audit")

    def damaged(self, value: bytes, offset: int) -> bytes:
        """The file with a bit changed at that offset of the value, wherever the value stands."""
        self.assertIn(value, self.data)
        changed = bytearray(value)
        changed[offset] ^= 1
        return self.data.replace(value, bytes(changed))

    def assert_found(self, value: bytes, offset: int, pattern: str = "damaged") -> None:
        done = self.audit_with(self.damaged(value, offset))
        self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
        self.assertRegex(done.stderr, r"\Asigsum mktree: [^\n]*damaged[^\n]*\n\Z")
        self.assertRegex(done.stderr, pattern)

    def test_sound(self):
        done = self.audit_with(self.data)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("600 leaves", done.stdout)
        self.assertIn(self.head.root_hash.hex(), done.stdout)

    def test_leaves(self):
        for index in (0, 1, 255, 256, 300, 511, 512, 599):
            for offset in (0, 31, 32, 95, 96, 127):
                self.assert_found(self.stored[index], offset)

    def test_nodes(self):
        nodes = [self.hashes[0], self.hashes[511]]
        nodes += [merkle.root(self.hashes[start:end]) for start, end in
                  ((0, 2), (254, 256), (0, 128), (128, 256), (0, 256), (256, 512), (300, 304))]
        for node in nodes:
            self.assert_found(node, 0)
            self.assert_found(node, 31)

    def test_index(self):
        for index in (0, 255, 256, 599):
            # Key and value of the entry: the first eight bytes of the leaf hash, the leaf index.
            key, value = self.hashes[index][7::-1], index.to_bytes(6, "little")
            self.assert_found(key + value, 0)
            self.assert_found(key + value, 8)

    def test_heads(self):
        size = (600).to_bytes(8, "little")
        self.assert_found(size + self.head.root_hash, 0)
        self.assert_found(size + self.head.root_hash, 8)
        text = f"size=600\nroot_hash={self.head.root_hash.hex()}\n".encode()
        self.assert_found(text, 20)

    def test_sth_files(self):
        good = self.log.sth_file.read_bytes()
        self.addCleanup(self.log.sth_file.write_bytes, good)
        for head, pattern in (
            (wire.TreeHead.make(self.log.signer, 600, bytes(32)), "root hash"),
            (wire.TreeHead.make(self.log.signer, 601, bytes(32)), "601 leaves"),
            (wire.TreeHead.make(self.log.signer, 3, self.head.root_hash), "root hash"),
            (wire.TreeHead.make(ed25519.Signer(), 600, self.head.root_hash), "not signed"),
        ):
            self.log.sth_file.write_bytes(head.encoded)
            done = self.audit_with(self.data)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertRegex(done.stderr, r"\Asigsum mktree: [^\n]+\n\Z")
            self.assertRegex(done.stderr, pattern)

    def test_truncated(self):
        for count in (0, 100, 4096, 8192, len(self.data) // 2, len(self.data) - 1):
            done = self.audit_with(self.data[:count])
            self.assertEqual(done.returncode, 1, f"{count}: {done.stdout}{done.stderr}")
            self.assertRegex(done.stderr, r"\Asigsum mktree: [^\n]+\n\Z")

    def test_any_byte(self):
        """
        LMDB's own pages have no checksums: the walk may meet anything in them. Whatever it is, the
        audit does not pass a tree that is not the one that was stored.
        """
        outcomes = {"sound": 0, "damaged": 0, "crashed": 0}
        step = max(1, len(self.data) // 150)
        for offset in range(7, len(self.data), step):
            data = bytearray(self.data)
            data[offset] ^= 0x55
            done = self.audit_with(bytes(data))
            if done.returncode == 0:
                outcomes["sound"] += 1
                self.assertIn(f"600 leaves, 2 tiles, root hash {self.head.root_hash.hex()}",
                              done.stdout)
            else:
                outcomes["damaged" if done.returncode == 1 else "crashed"] += 1
        print(f"     a byte changed anywhere: {outcomes}")


class Ends(unittest.TestCase):
    def test_signals(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with harness.Log() as log:
                self.assertEqual(log.stop(number), 0)
                self.assertRegex(log.lines[-1], "stopped")
                for line in log.lines:
                    self.assertRegex(line, LOG_LINE)

    def test_signals_in_a_row(self):
        with harness.Log() as log:
            for _ in range(5):
                log.process.send_signal(signal.SIGTERM)
            self.assertEqual(log.wait(), 0)

    def test_idle_connections_are_closed(self):
        with harness.Log() as log, log.connect() as used, log.connect() as unused:
            used.request("GET", "/")
            self.assertEqual(log.stop(), 0)
            self.assertEqual(used.read_until_closed(), b"")
            self.assertEqual(unused.read_until_closed(), b"")

    def test_held_requests_are_answered(self):
        with harness.Log(min_interval="1h", interval="1h", add_leaf_wait="25s") as log:
            log.publish_first_leaf()
            leaf = wire.Leaf.numbered(log.signer, 1)
            self.assertEqual(log.post_leaf(leaf).status, 200)
            with log.connect() as connection:
                connection.send(connection.encode("POST", "/add-leaf", leaf.body))
                deadline = time.monotonic() + wire.DEADLINE_SECONDS
                while log.metrics()["held_requests"] < 1:
                    self.assertLess(time.monotonic(), deadline, "not held")
                began = time.monotonic()
                self.assertEqual(log.stop(), 0)
                self.assertLess(time.monotonic() - began, 20)
                answer = connection.read_response()
                self.assertEqual((answer.status, answer.field("Connection")), (200, "close"))
            log.start()
            self.assertEqual(log.tree_head(size_at_least=2).size, 2)

    def test_a_request_that_has_begun_is_answered(self):
        with harness.Log() as log:
            leaf = wire.Leaf.numbered(log.signer, 1)
            with log.connect() as connection:
                request = connection.encode("POST", "/add-leaf", leaf.body)
                connection.send(request[:100])
                log.process.send_signal(signal.SIGTERM)
                log.wait_for_line("stopping")
                connection.send(request[100:])
                answer = connection.read_response()
                self.assertEqual((answer.status, answer.field("Connection")), (200, "close"))
            self.assertEqual(log.wait(), 0)
            with self.assertRaises(ConnectionRefusedError):
                log.connect()
            log.start()
            self.assertEqual(log.tree_head(size_at_least=1).root_hash, leaf.hash)

    def test_under_load(self):
        """Every request that was begun is answered or not at all; what was answered stays."""
        with harness.Log(min_interval="10ms") as log:
            log.tree_head()
            answered: list[wire.Leaf] = []
            cut: list[bytes] = []
            counts = itertools.count(1)

            def send(thread: int) -> None:
                number = 1_000_000 * thread
                with contextlib.suppress(ConnectionError), log.connect() as connection:
                    while True:
                        leaf = wire.Leaf.numbered(log.signer, number)
                        number += 1
                        try:
                            answer = connection.request("POST", "/add-leaf", leaf.body)
                        except wire.ConnectionClosed as closed:
                            cut.append(closed.received)
                            return
                        self.assertEqual(answer.status, 200)
                        answered.append(leaf)
                        if next(counts) == 400:
                            log.process.send_signal(signal.SIGTERM)
                        if answer.field("Connection") == "close":
                            return

            harness.in_parallel(send, range(8))
            self.assertEqual(log.wait(), 0)
            self.assertEqual([part for part in cut if part], [])
            log.start()
            self.assertLessEqual({leaf.encoded for leaf in answered}, set(log.leaves()))
            log.assert_audit()

    def test_log_lines_in_a_file_that_is_rotated(self):
        log = harness.Log(log_file="log.txt", log_level="debug", min_interval="0s")
        with log:
            file, old = log.folder / "log.txt", log.folder / "log.txt.1"
            log.add_leaf(1)
            log.tree_head(size_at_least=1)
            os.rename(file, old)
            log.process.send_signal(signal.SIGHUP)
            deadline = time.monotonic() + wire.DEADLINE_SECONDS
            while not file.exists() or "reopened" not in file.read_text():
                self.assertLess(time.monotonic(), deadline)
            log.add_leaf(2)
            log.tree_head(size_at_least=2)
            self.assertEqual(log.stop(), 0)
            self.assertEqual(log.lines, [])
            for path in (old, file):
                lines = path.read_text().splitlines()
                self.assertTrue(lines)
                for line in lines:
                    self.assertRegex(line, LOG_LINE)
            self.assertIn("stopped", file.read_text())

    def test_a_log_that_nobody_takes(self):
        log = harness.Log(min_interval="0s", log_level="debug")
        self.addCleanup(log.close)
        log.mktree()
        log.launch(prefix=["sh", "-c", 'exec "$@" 2>/dev/full', "sh"])
        log.wait_until_ready()
        log.add_leaf(1)
        log.tree_head(size_at_least=1)
        self.assertEqual(log.stop(), 0)

    def test_hang_up_without_a_log_file(self):
        with harness.Log() as log:
            for _ in range(3):
                log.process.send_signal(signal.SIGHUP)
            self.assertEqual(log.get("/").status, 200)
            self.assertEqual(log.stop(), 0)

    def test_log_levels(self):
        with harness.Log(log_level="error") as log:
            self.assertEqual(log.stop(), 0)
            self.assertEqual(log.lines, [])
