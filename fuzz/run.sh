#!/usr/bin/env bash
# Runs each fuzz target for so many seconds (60 unless told), from the lines of testdata/. What it finds is an error, and
# stays in fuzz/artifacts/. Where the toolchain cannot fuzz, that is said, and is no error.
set -euo pipefail
cd "$(dirname "$0")"

seconds="${1:-60}"
export CARGO_TARGET_DIR="${LOOKBACK_FUZZ_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/lookback-fuzz}"
# cargo-fuzz needs flags that a stable compiler has only with this.
export RUSTC_BOOTSTRAP=1

cannot() { printf 'Not fuzzed: %s\n' "$1"; exit 0; }

command -v cc >/dev/null && command -v c++ >/dev/null || cannot "libFuzzer needs a C++ compiler"
[ "$(uname -s)" = Linux ] || cannot "only tried on Linux"
cargo fuzz --version >/dev/null 2>&1 \
    || CARGO_TARGET_DIR="$CARGO_TARGET_DIR/cargo-fuzz" cargo install --quiet --locked cargo-fuzz \
    || cannot "cargo-fuzz is not there and could not be installed"

# A target that does not build is an error; a compiler or linker that cannot fuzz anything is not.
probe="$(mktemp -d)"
trap 'rm -rf "$probe"' EXIT
echo 'fn main() {}' >"$probe/probe.rs"
rustc -Zsanitizer=address -Cpasses=sancov-module -o "$probe/probe" "$probe/probe.rs" >/dev/null 2>&1 \
    || cannot "this compiler has no address sanitizer"
cargo fuzz build

mkdir -p "$probe/line" "$probe/bind"
# One file a line; those that are longer than libFuzzer would take are left out.
find ../testdata -name '*.log' -o -name '*.json' | sort | while read -r log; do
    name="$(tr / _ <<<"${log#../testdata/}")"
    LC_ALL=C awk -v file="$probe/line/$name" \
        'length($0) > 0 && length($0) < 4096 { printf "%s", $0 > (file "." NR); close(file "." NR) }' "$log"
done
for query in ../queries/*.sql ../queries/tables/*.sql; do
    cp "$query" "$probe/bind/$(basename "$query")"
done

for target in line bind; do
    printf '%s: %s seeds, %s s\n' "$target" "$(find "$probe/$target" -type f | wc -l)" "$seconds"
    cargo fuzz run "$target" "$probe/$target" -- \
        -max_total_time="$seconds" -max_len=16384 -len_control=0 -timeout=10 -rss_limit_mb=2048 -print_funcs=0 -print_final_stats=1 2>"$probe/$target.out" \
        || { tail -n 60 "$probe/$target.out"; exit 1; }
    grep -E 'number_of_executed_units|new_units_added|peak_rss' "$probe/$target.out"
done
