# SPDX-License-Identifier: BSD-2-Clause
#
# Ed25519 for the integration tests: keys, signatures, and OpenSSH's key files. Python's standard
# library has no Ed25519, so this calls EVP of the libcrypto that the machine has: thousands of
# signatures per second and thread, which the load tests need. Nothing here is fit for secrets.

import base64
import ctypes
import ctypes.util
import hashlib
import os
import struct
import threading

_ED25519 = 1087  # NID_ED25519


def _load_libcrypto():
    for name in ("libcrypto.so.3", ctypes.util.find_library("crypto"), "libcrypto.so.1.1"):
        try:
            library = ctypes.CDLL(name) if name else None
        except OSError:
            continue
        if library is not None:
            break
    else:
        raise RuntimeError("no libcrypto found (Debian package libssl3)")
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    prototypes = {
        "EVP_PKEY_new_raw_private_key": (pointer, [ctypes.c_int, pointer, pointer, size]),
        "EVP_PKEY_new_raw_public_key": (pointer, [ctypes.c_int, pointer, pointer, size]),
        "EVP_PKEY_get_raw_public_key": (ctypes.c_int, [pointer, pointer, ctypes.POINTER(size)]),
        "EVP_PKEY_free": (None, [pointer]),
        "EVP_MD_CTX_new": (pointer, []),
        "EVP_MD_CTX_reset": (ctypes.c_int, [pointer]),
        "EVP_DigestSignInit": (ctypes.c_int, [pointer] * 5),
        "EVP_DigestSign": (ctypes.c_int, [pointer, pointer, ctypes.POINTER(size), pointer, size]),
        "EVP_DigestVerifyInit": (ctypes.c_int, [pointer] * 5),
        "EVP_DigestVerify": (ctypes.c_int, [pointer, pointer, size, pointer, size]),
    }
    for name, (result, arguments) in prototypes.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


_crypto = _load_libcrypto()
_local = threading.local()


def _context():
    """
    The thread's one digest context, empty. Without the reset an Init call would keep the key of the
    one before.
    """
    if not hasattr(_local, "context"):
        _local.context = _crypto.EVP_MD_CTX_new()
    _crypto.EVP_MD_CTX_reset(_local.context)
    return _local.context


class Signer:
    """A private key. Immutable, so that threads may share it."""

    def __init__(self, seed: bytes | None = None):
        self.seed = os.urandom(32) if seed is None else seed
        if len(self.seed) != 32:
            raise ValueError(f"an Ed25519 seed has 32 bytes, not {len(self.seed)}")
        self._key = _crypto.EVP_PKEY_new_raw_private_key(_ED25519, None, self.seed, 32)
        if not self._key:
            raise RuntimeError("libcrypto refused the seed")
        public, length = ctypes.create_string_buffer(32), ctypes.c_size_t(32)
        _crypto.EVP_PKEY_get_raw_public_key(self._key, public, ctypes.byref(length))
        self.public_key = public.raw
        self.key_hash = hashlib.sha256(self.public_key).digest()

    def __del__(self):
        if getattr(self, "_key", None):
            _crypto.EVP_PKEY_free(self._key)

    def sign(self, message: bytes) -> bytes:
        signature, length = ctypes.create_string_buffer(64), ctypes.c_size_t(64)
        context = _context()
        done = _crypto.EVP_DigestSignInit(
            context, None, None, None, self._key
        ) == 1 and _crypto.EVP_DigestSign(
            context, signature, ctypes.byref(length), message, len(message)
        ) == 1
        if not done:
            raise RuntimeError("libcrypto could not sign")
        return signature.raw

    @classmethod
    def from_openssh(cls, path) -> "Signer":
        """Reads an unencrypted private key as `ssh-keygen -t ed25519 -N ''` writes it."""
        with open(path, encoding="ascii") as file:
            body = "".join(line for line in file if not line.startswith("-----"))
        blob = base64.b64decode(body)
        magic = b"openssh-key-v1\0"
        if not blob.startswith(magic):
            raise ValueError(f"{path}: not an OpenSSH private key")
        fields, rest = [], blob[len(magic):]
        for _ in range(3):
            field, rest = _take_string(rest)
            fields.append(field)
        if fields[0] != b"none":
            raise ValueError(f"{path}: encrypted")
        _, rest = _take_string(rest[4:])  # after the count of keys, the public half
        private, _ = _take_string(rest)
        kind, private = _take_string(private[8:])  # after the two check words
        if kind != b"ssh-ed25519":
            raise ValueError(f"{path}: type {kind.decode()}")
        _, private = _take_string(private)
        pair, _ = _take_string(private)
        return cls(pair[:32])

    def openssh_private(self, comment: bytes = b"") -> bytes:
        public = _string(b"ssh-ed25519") + _string(self.public_key)
        private = b"\0\1\2\3" * 2 + public + _string(self.seed + self.public_key) + _string(comment)
        private += bytes(range(1, 1 + -len(private) % 8))
        blob = b"openssh-key-v1\0" + _string(b"none") * 2 + _string(b"") + struct.pack(">I", 1)
        text = base64.b64encode(blob + _string(public) + _string(private))
        lines = [text[at:at + 70] for at in range(0, len(text), 70)]
        return b"\n".join(
            [b"-----BEGIN OPENSSH PRIVATE KEY-----", *lines, b"-----END OPENSSH PRIVATE KEY-----", b""]
        )

    def openssh_public(self) -> bytes:
        blob = _string(b"ssh-ed25519") + _string(self.public_key)
        return b"ssh-ed25519 " + base64.b64encode(blob) + b"\n"

    def write_openssh(self, path) -> None:
        """Writes the pair that ssh-keygen would: `path`, and `path`.pub."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(self.openssh_private())
        with open(f"{path}.pub", "wb") as file:
            file.write(self.openssh_public())


def verify(public_key: bytes, signature: bytes, message: bytes) -> bool:
    key = _crypto.EVP_PKEY_new_raw_public_key(_ED25519, None, public_key, len(public_key))
    if not key:
        return False
    try:
        context = _context()
        return _crypto.EVP_DigestVerifyInit(
            context, None, None, None, key
        ) == 1 and _crypto.EVP_DigestVerify(
            context, signature, len(signature), message, len(message)
        ) == 1
    finally:
        _crypto.EVP_PKEY_free(key)


def _string(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def _take_string(data: bytes) -> tuple[bytes, bytes]:
    (length,) = struct.unpack_from(">I", data)
    if len(data) < 4 + length:
        raise ValueError("truncated key file")
    return data[4:4 + length], data[4 + length:]
