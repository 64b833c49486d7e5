# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# What every script here shares: the folder of the sources, and three ways to speak. Sourced, never
# run. Progress goes to stderr, so that what a script prints on stdout is only its result.

# For the scripts that source this file.
# shellcheck disable=SC2034
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
self=$(basename "$0")

say() { printf '%s: %s\n' "$self" "$*" >&2; }

die() {
    say "$@"
    exit 1
}

# Bad usage: status 2, so that a caller can tell it from a failure of the work itself.
usage_error() {
    say "$* (see $self --help)"
    exit 2
}

# The comment at the head of the calling script is its help text: one place to keep right.
print_help() { awk 'NR > 1 && !/^#/ { exit } NR > 3 { sub(/^# ?/, ""); print }' "$0"; }

have() { command -v "$1" >/dev/null 2>&1; }

# The one way a release is built, and where it is then found.
release_options=(-c release --static-swift-stdlib)
release_binary() {
    printf '%s/sigsum\n' \
        "$(cd "$root" && swift build "${release_options[@]}" --show-bin-path)"
}
