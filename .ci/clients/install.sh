#!/usr/bin/env bash
# Installs the generators of clients, in the versions of their lockfiles, for `npm run test:clients`.
set -euo pipefail
cd "$(dirname "$0")"

npm ci --prefix typescript

if ! python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "Python 3.11 or newer with venv is missing. Install python3 and python3-venv." >&2
  exit 1
fi
python3 -m venv --clear python/.venv
python/.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement python/requirements.txt

if command -v go >/dev/null; then
  for module in go terraform; do go -C "$module" mod download; done
else
  echo "Go is missing: its generator is not installed. Install Go 1.26 or newer." >&2
fi
