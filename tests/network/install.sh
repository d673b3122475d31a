#!/bin/bash
# Install what makes hosts on a network, and their Slurm, on a Debian, if it is not there. Needs root.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
"$(dirname "$0")/../clusters/slurm/install.sh"
packages=(iproute2 iptables)
! dpkg -s "${packages[@]}" >/dev/null 2>&1 || exit 0

export DEBIAN_FRONTEND=noninteractive
options=(-q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=5)
compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null || apt-get "${options[@]}" update
apt-get "${options[@]}" install --no-install-recommends "${packages[@]}"
