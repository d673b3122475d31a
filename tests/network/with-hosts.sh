#!/bin/bash
# Run a command where tests may make hosts on a network of their own, as root only.
#   tests/network/with-hosts.sh .venv/bin/python -m pytest tests/network
set -uo pipefail
if [ "$(id -u)" != 0 ] || ! unshare --net true 2>/dev/null; then
    echo "NOT TRIED: needs root, and network namespaces, for hosts on a network"
    exit 0
fi
"$(dirname "$0")/install.sh" || exit 99
PATH=$PATH:/usr/sbin:/sbin DASK_ESPRESSO_HOSTS=1 "$@"
