# SPDX-License-Identifier: BSD-2-Clause
#
# Merkle trees as the integration tests need them: verification by RFC 9162, sections 2.1.3.2 and
# 2.1.4.2, and beside it the plain recursive definitions of RFC 6962, section 2.1, which are too slow
# for a server and too simple to be wrong.

import hashlib
from collections.abc import Iterable, Sequence


def hash_leaf(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\0" + leaf).digest()


def hash_node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def root(hashes: Sequence[bytes]) -> bytes:
    """The root of the tree over these leaf hashes."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = _split(len(hashes))
    return hash_node(root(hashes[:split]), root(hashes[split:]))


def roots(hashes: Sequence[bytes], sizes: Iterable[int]) -> dict[int, bytes]:
    """The roots of the trees over the first leaf hashes, of each of the sizes, in one walk."""
    wanted, found, peaks = sorted(set(sizes)), {}, []
    for size in range(len(hashes) + 1):
        while wanted and wanted[0] == size:
            value = peaks[-1][1] if peaks else root([])
            for _, peak in reversed(peaks[:-1]):
                value = hash_node(peak, value)
            found[wanted.pop(0)] = value
        if size < len(hashes):
            peaks.append((1, hashes[size]))
            while len(peaks) > 1 and peaks[-1][0] == peaks[-2][0]:
                (count, left), (_, right) = peaks[-2:]
                peaks[-2:] = [(2 * count, hash_node(left, right))]
    return found


def inclusion_path(hashes: Sequence[bytes], index: int) -> list[bytes]:
    if len(hashes) == 1:
        return []
    split = _split(len(hashes))
    if index < split:
        return inclusion_path(hashes[:split], index) + [root(hashes[split:])]
    return inclusion_path(hashes[split:], index - split) + [root(hashes[:split])]


def consistency_path(hashes: Sequence[bytes], old_size: int) -> list[bytes]:
    def path(part: Sequence[bytes], old: int, is_whole: bool) -> list[bytes]:
        if old == len(part):
            return [] if is_whole else [root(part)]
        split = _split(len(part))
        if old <= split:
            return path(part[:split], old, is_whole) + [root(part[split:])]
        return path(part[split:], old - split, False) + [root(part[:split])]

    return path(hashes, old_size, True)


def verify_inclusion(
    leaf_hash: bytes, index: int, size: int, root_hash: bytes, path: Sequence[bytes]
) -> bool:
    if not 0 <= index < size:
        return False
    last, value = size - 1, leaf_hash
    for sibling in path:
        if last == 0:
            return False
        if index & 1 or index == last:
            value = hash_node(sibling, value)
            while not (index & 1 or index == 0):
                index, last = index >> 1, last >> 1
        else:
            value = hash_node(value, sibling)
        index, last = index >> 1, last >> 1
    return last == 0 and value == root_hash


def verify_consistency(
    old_size: int, new_size: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]
) -> bool:
    if old_size == new_size:
        return old_root == new_root and not path
    if not 0 < old_size < new_size or not path:
        return False
    nodes = list(path)
    if old_size & (old_size - 1) == 0:
        nodes.insert(0, old_root)
    index, last = old_size - 1, new_size - 1
    while index & 1:
        index, last = index >> 1, last >> 1
    old_value = new_value = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            return False
        if index & 1 or index == last:
            old_value, new_value = hash_node(node, old_value), hash_node(node, new_value)
            while not (index & 1 or index == 0):
                index, last = index >> 1, last >> 1
        else:
            new_value = hash_node(new_value, node)
        index, last = index >> 1, last >> 1
    return last == 0 and old_value == old_root and new_value == new_root


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1
