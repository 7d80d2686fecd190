#!/usr/bin/env bash
# Makes the pictures of this folder again: docs/report/pictures.sh LOOKBACK
# Needs chromium and pdftoppm (Debian: chromium, poppler-utils).
set -euo pipefail
lookback="$(realpath "$1")"
cd "$(dirname "$0")/../.."
work="$(mktemp -d)"
trap 'rm -r "$work"' EXIT

"$lookback" report testdata/incident --since 2026-03-01T12:15:00Z --before 30m..15m -q -o "$work/report"
page="file://$work/report/report.html"
shoot() { chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$work/profile" "$@" "$page" 2>/dev/null; }

shoot --window-size=1100,1500 --screenshot=docs/report/desktop.png
shoot --window-size=500,1100 --screenshot=docs/report/phone.png
shoot --no-pdf-header-footer --print-to-pdf="$work/page.pdf"
pdftoppm -r 60 -f 1 -l 1 -singlefile -png "$work/page.pdf" docs/report/print
