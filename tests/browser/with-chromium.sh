#!/bin/bash
# Run a command where there is a Chromium; as root, it is installed on a Debian.
#   tests/browser/with-chromium.sh .venv/bin/python -m pytest tests/browser
set -uo pipefail
found() { command -v chromium || command -v chromium-browser || command -v google-chrome; }
if ! found > /dev/null && [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    options=(-q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=5)
    compgen -G '/var/lib/apt/lists/*_Packages*' > /dev/null || apt-get "${options[@]}" update
    apt-get "${options[@]}" install --no-install-recommends chromium fonts-dejavu-core > /dev/null ||
        exit 99
fi
if ! found > /dev/null; then
    echo "NOT TRIED: needs chromium"
    exit 0
fi
DASK_ESPRESSO_BROWSER=$(found) "$@"
