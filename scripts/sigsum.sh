# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# The little of Sigsum that scripts/submit and scripts/verify need, in bash, openssl and coreutils:
# keys, hashes, signatures, the ASCII format, a policy without witnesses, and the RFC 6962 inclusion
# check. Bytes travel as lower-case hex, since a shell variable holds no NUL. Sourced, never run;
# scripts/common.sh comes first. Key files are written only below $work, which the caller makes
# readable by itself alone.

# The caller's temporary folder.
: "${work:=}"

to_hex() { od -An -v -tx1 | tr -d ' \n'; }

# Builtins only: a private key goes through here, and must be on no command line and in no file.
from_hex() {
    local position escaped=
    for ((position = 0; position < ${#1}; position += 2)); do
        escaped+="\\x${1:position:2}"
    done
    printf '%b' "$escaped"
}

sha256() { from_hex "$1" | openssl dgst -sha256 -r | cut -d ' ' -f 1; }

sha256_file() { openssl dgst -sha256 -r <"$1" | cut -d ' ' -f 1; }

# ---- Keys

# DER up to the 32 bytes of the key: PKCS #8 and SubjectPublicKeyInfo of RFC 8410.
readonly pkcs8_prefix=302e020100300506032b657004220420
readonly spki_prefix=302a300506032b6570032100

# An unencrypted OpenSSH private key with one Ed25519 key, in hex, from its first byte to the seed:
# magic, cipher and kdf `none`, one key, its public half; then the private part's length and two
# equal check words, the type and the public half again, and 64 bytes that begin with the seed.
readonly openssh_type=0000000b7373682d65643235353139
readonly openssh_start=6f70656e7373682d6b65792d763100000000046e6f6e65000000046e6f6e650000000000000001
readonly openssh_private_key="^${openssh_start}00000033${openssh_type}00000020([0-9a-f]{64})[0-9a-f]{8}([0-9a-f]{8})([0-9a-f]{8})${openssh_type}00000020([0-9a-f]{64})00000040([0-9a-f]{64})([0-9a-f]{64})"

# private_key <OpenSSH or PEM file> <PEM file to write>
private_key() {
    local hex
    [ -r "$1" ] || die "$1: cannot be read"
    if ! grep -q 'BEGIN OPENSSH PRIVATE KEY' "$1"; then
        openssl pkey -in "$1" -out "$2" 2>/dev/null ||
            die "$1: neither an OpenSSH nor a PEM private key"
        openssl pkey -in "$2" -noout -text | grep -q ED25519 || die "$1: not an Ed25519 key"
        return
    fi
    hex=$(sed '/^-----/d' "$1" | tr -d ' \r\n' | openssl base64 -d -A | to_hex)
    [[ $hex =~ $openssh_private_key ]] ||
        die "$1: not an unencrypted OpenSSH private key of type Ed25519"
    [ "${BASH_REMATCH[2]}" = "${BASH_REMATCH[3]}" ] || die "$1: damaged, its check words differ"
    from_hex "$pkcs8_prefix${BASH_REMATCH[5]}" |
        openssl pkey -inform DER -out "$2" || die "$1: openssl refuses the key in it"
}

# The raw 32 bytes, in hex, that belong to the private key in a PEM file.
public_key_of() { openssl pkey -in "$1" -pubout -outform DER | tail -c 32 | to_hex; }

# The raw keys in a file of OpenSSH public key lines, in hex, one a line.
public_keys() {
    local line hex found=false
    [ -r "$1" ] || die "$1: cannot be read"
    while read -r line || [ -n "$line" ]; do
        [[ $line =~ (^|[[:space:]])ssh-ed25519[[:space:]]+([A-Za-z0-9+/=]+) ]] || continue
        hex=$(openssl base64 -d -A <<<"${BASH_REMATCH[2]}" | to_hex)
        [[ $hex =~ ^${openssh_type}00000020([0-9a-f]{64})$ ]] || die "$1: damaged public key"
        printf '%s\n' "${BASH_REMATCH[1]}"
        found=true
    done <"$1"
    $found || die "$1: no ssh-ed25519 public key in it"
}

# ---- Signatures

# signed_leaf <checksum>, signed_tree_head <log key hash> <size> <root>: the bytes that are signed.
signed_leaf() {
    printf 'sigsum.org/v1/tree-leaf\0'
    from_hex "$1"
}
signed_tree_head() {
    printf 'sigsum.org/v1/tree/%s\n%s\n%s\n' "$1" "$2" "$(from_hex "$3" | openssl base64 -A)"
}

# sign <PEM file> <message file>: the signature, in hex.
sign() { openssl pkeyutl -sign -rawin -inkey "$1" -in "$2" | to_hex; }

# signature_holds <public key> <signature> <message file>
signature_holds() {
    from_hex "$spki_prefix$1" >"$work/verify.der"
    from_hex "$2" >"$work/verify.signature"
    openssl pkeyutl -verify -rawin -pubin -keyform DER -inkey "$work/verify.der" \
        -sigfile "$work/verify.signature" -in "$3" >/dev/null 2>&1
}

# ---- Tree

# leaf_hash <checksum> <signature> <key hash>
leaf_hash() { sha256 "00$1$2$3"; }

# root_from_path <leaf hash> <leaf index> <tree size> <node hash>...: the root that the path leads
# to, by RFC 9162, section 2.1.3.2. Fails where the path has not the length that the place needs.
root_from_path() {
    local hash=$1 index=$2 last=$(($3 - 1)) sibling
    shift 3
    ((index >= 0 && index <= last)) || return 1
    for sibling in "$@"; do
        ((last > 0)) || return 1
        if ((index & 1 || index == last)); then
            hash=$(sha256 "01$sibling$hash")
            while ! ((index & 1 || index == 0)); do
                ((index >>= 1, last >>= 1)) || true
            done
        else
            hash=$(sha256 "01$hash$sibling")
        fi
        ((index >>= 1, last >>= 1)) || true
    done
    ((last == 0)) || return 1
    printf '%s\n' "$hash"
}

# ---- Policy

# policy_logs <policy file>: `<public key> <url>` of each log, one a line. A policy that asks for
# witnesses is refused: these scripts check no cosignature, and must not seem to.
policy_logs() {
    local keyword first second rest quorum=
    [ -r "$1" ] || die "$1: cannot be read"
    while read -r keyword first second rest || [ -n "$keyword" ]; do
        case $keyword in
        log)
            [[ $first =~ ^[0-9a-fA-F]{64}$ ]] || die "$1: not a public key in hex: $first"
            printf '%s %s\n' "${first,,}" "${second%/}"
            ;;
        quorum) quorum=$first ;;
        esac
    done <"$1"
    [ "$quorum" = none ] || die "$1: quorum is not none; use sigsum-submit and sigsum-verify"
}

# ---- Proof

# Reads a proof file of format version 2 into proof_* variables: what sigsum-submit writes, a leaf
# line without the checksum, then a tree head, then for more than one leaf the inclusion proof.
readonly proof_head='^version=2
log=([0-9a-f]{64})
leaf=([0-9a-f]{64}) ([0-9a-f]{128})

size=([1-9][0-9]{0,17})
root_hash=([0-9a-f]{64})
signature=([0-9a-f]{128})
((cosignature=[0-9a-f]{64} [0-9]+ [0-9a-f]{128}
)*)(
leaf_index=(0|[1-9][0-9]{0,17})
((node_hash=[0-9a-f]{64}
)+))?$'
# shellcheck disable=SC2034
read_proof() {
    local text
    [ -r "$1" ] || die "$1: cannot be read"
    # The x keeps the final line feeds, which $() would drop.
    text=$(tr 'A-F' 'a-f' <"$1" && printf x)
    [[ ${text%x} =~ $proof_head ]] || die "$1: not a Sigsum proof of version 2"
    proof_log=${BASH_REMATCH[1]}
    proof_key_hash=${BASH_REMATCH[2]}
    proof_leaf_signature=${BASH_REMATCH[3]}
    proof_size=${BASH_REMATCH[4]}
    proof_root=${BASH_REMATCH[5]}
    proof_signature=${BASH_REMATCH[6]}
    proof_index=${BASH_REMATCH[10]:-0}
    mapfile -t proof_path < <(sed -n 's/^node_hash=//p' <<<"${BASH_REMATCH[11]}")
}

# check_proof <message> <log public key> <submitter public key>...: dies, saying what does not
# hold, unless the proof that read_proof took in proves that the message's checksum is logged.
check_proof() {
    local checksum submitter log=$2 key hash root
    checksum=$(sha256 "$1")
    shift 2
    for key in "$@"; do
        if [ "$(sha256 "$key")" = "$proof_key_hash" ]; then submitter=$key; fi
    done
    [ -n "${submitter:-}" ] || die "the leaf is signed by another key"
    signed_leaf "$checksum" >"$work/leaf"
    signature_holds "$submitter" "$proof_leaf_signature" "$work/leaf" ||
        die "the leaf's signature does not hold for this file"

    [ "$(sha256 "$log")" = "$proof_log" ] || die "the proof is from another log"
    signed_tree_head "$proof_log" "$proof_size" "$proof_root" >"$work/tree-head"
    signature_holds "$log" "$proof_signature" "$work/tree-head" ||
        die "the tree head's signature does not hold"

    hash=$(leaf_hash "$checksum" "$proof_leaf_signature" "$proof_key_hash")
    root=$(root_from_path "$hash" "$proof_index" "$proof_size" \
        ${proof_path[@]+"${proof_path[@]}"}) || die "the inclusion proof has the wrong length"
    [ "$root" = "$proof_root" ] || die "the inclusion proof leads to another root"
}
