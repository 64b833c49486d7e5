# SPDX-License-Identifier: BSD-2-Clause
#
# The log of a million leaves: built once by store-bench into bench-data/, then kept from run to run.

import os
import pathlib
import shutil

import ed25519
import harness

LEAVES = 1_000_000
# store-bench builds the store for the log key with this seed.
KEY = ed25519.Signer((1).to_bytes(32, "big"))

STORE_BENCH = pathlib.Path(os.environ.get("STORE_BENCH", ""))


class MillionLeaves:
    """A folder that holds the log; `bytes_per_leaf` is what data.mdb takes when it was just built."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self._store = folder / "store"
        # Written last: without it the folder is what an interrupted run left.
        self._size = folder / "built"

    def build(self) -> None:
        if self._size.exists():
            return
        print(f"building a store of {LEAVES:,} leaves in {self.folder}", flush=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        harness.subprocess.run(
            [STORE_BENCH, "build", "--leaves", str(LEAVES), "--folder", self._store], check=True
        )
        self._size.write_text(str((self._store / "data.mdb").stat().st_size))

    @property
    def bytes_per_leaf(self) -> float:
        return int(self._size.read_text()) / LEAVES

    def warm_up(self) -> None:
        """Has the whole store in the system's cache."""
        with open(self._store / "data.mdb", "rb", buffering=0) as file:
            while file.read(1 << 20):
                pass

    def log(self, **options) -> harness.Log:
        """The primary that serves it; not yet started."""
        return self._log(self.folder, **options)

    def copy(self, folder: pathlib.Path) -> harness.Log:
        """A primary for a copy that may grow."""
        shutil.copytree(self._store, folder / "store")
        return self._log(folder)

    def _log(self, folder: pathlib.Path, **options) -> harness.Log:
        log = harness.Log(folder, KEY, **options)
        if not log.sth_file.exists():
            log.startup_file.unlink(missing_ok=True)
            made = log.mktree("--mode=local-tree")
            assert made.returncode == 0, made.stderr
        return log

    def leaf_hashes(self, count: int) -> list[str]:
        """Those of random leaves, in hex."""
        done = harness.run(STORE_BENCH, "hashes", "--leaves", LEAVES, "--count", count)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()
