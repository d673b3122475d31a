#!/bin/bash
# Install Debian's Slurm, if it is not there, without starting anything. Needs root.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
exec 9<"$0"
flock 9 # two may want it at once
packages=(slurmctld slurmd slurm-client munge)
! dpkg -s "${packages[@]}" >/dev/null 2>&1 || exit 0

export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d # keeps the packages' own scripts from starting daemons
if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
fi
options=(-q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=5)
compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null || apt-get "${options[@]}" update
apt-get "${options[@]}" install --no-install-recommends "${packages[@]}"
