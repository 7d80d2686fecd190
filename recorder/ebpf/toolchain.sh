#!/usr/bin/env bash
# Brings the compiler of the programs for the kernel: Debian's, and bpf-linker, which is kept in a folder; prints where it is.
set -euo pipefail
folder="$1"

# Debian's compiler has `core` for BPF; rustup's stable has none.
packages="rustc-web libstd-rust-web-dev-bpf llvm-22"
# shellcheck disable=SC2086 # each is a package
if ! dpkg -s $packages >/dev/null 2>&1; then
    { apt-get update -qq && apt-get install -qq -y --no-install-recommends $packages; } >/dev/null || exit 1
fi
if [ ! -x "$folder/bin/bpf-linker" ]; then
    mkdir -p "$folder/llvm/lib"
    ln -sfn /usr/lib/x86_64-linux-gnu/libLLVM.so.22.1 "$folder/llvm/lib/libLLVM.so"
    LLVM_PREFIX="$folder/llvm" CARGO_TARGET_DIR="$folder/target" cargo install --quiet --root "$folder" bpf-linker \
        --version =0.13.0 --locked --no-default-features --features llvm-22 >&2
fi
echo "$folder/bin"
