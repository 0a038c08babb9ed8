#!/bin/sh
# Builds statistics.wasm from statistics.rs. Needs a Rust compiler with the target
# wasm32-unknown-unknown: `rustup target add wasm32-unknown-unknown`, or the Debian
# packages rustc, libstd-rust-dev-wasm32 and lld. Options: RUSTC, RUSTFLAGS.
set -eu
cd "$(dirname "$0")"
# shellcheck disable=SC2086
"${RUSTC:-rustc}" --target wasm32-unknown-unknown --crate-type cdylib --edition 2021 \
    -C opt-level=z -C panic=abort -C lto=fat -C codegen-units=1 -C strip=symbols \
    --remap-path-prefix="$PWD"=. ${RUSTFLAGS:-} -o "${1:-statistics.wasm}" statistics.rs
