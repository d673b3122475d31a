#!/bin/bash
# Run a command with a Slurm of its own: four virtual nodes on this machine, on loopback, without
# systemd. As root it installs Debian's Slurm if that is missing.
#   tests/clusters/slurm/with-slurm.sh .venv/bin/python -m pytest tests/clusters
# Exit status: the command's; 99 if Slurm did not start; 1 if a process was left.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
nodes=4

start() {
    local port i me
    me=$(id -un)
    port=$(free_port $((nodes + 1)))
    mkdir -p "$CLUSTER"/{log,run,state,spool}
    head -c 128 /dev/urandom >"$CLUSTER/munge.key"
    chmod 600 "$CLUSTER/munge.key"
    {
        cat <<CONF
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=$port
# so that no job of another Slurm on this machine is taken for one of ours
FirstJobId=$((port * 1000))
SlurmUser=$me
SlurmdUser=$me
# cred_expire is also how long a requeued job waits before it may start again
AuthInfo=socket=$CLUSTER/run/munge.sock,cred_expire=10
StateSaveLocation=$CLUSTER/state
SlurmdSpoolDir=$CLUSTER/spool/%n
SlurmctldPidFile=$CLUSTER/run/slurmctld.pid
SlurmdPidFile=$CLUSTER/run/slurmd.%n.pid
SlurmctldLogFile=$CLUSTER/log/slurmctld.log
SlurmdLogFile=$CLUSTER/log/slurmd.%n.log
JobCompType=jobcomp/filetxt
JobCompLoc=$CLUSTER/log/jobcomp.txt
CONF
        cat "$here/slurm.conf"
        for ((i = 1; i <= nodes; i++)); do
            echo "NodeName=n$i NodeHostname=n$i NodeAddr=127.0.0.1 Port=$((port + i))"
        done
    } >"$SLURM_CONF"
    munged --key-file="$CLUSTER/munge.key" --seed-file="$CLUSTER/munge.seed" \
        --socket="$CLUSTER/run/munge.sock" --pid-file="$CLUSTER/run/munged.pid" \
        --log-file="$CLUSTER/log/munged.log" --num-threads=2 || return
    slurmctld -f "$SLURM_CONF" || return
    for ((i = 1; i <= nodes; i++)); do
        slurmd -f "$SLURM_CONF" -N "n$i" || return
    done
    for _ in {1..150}; do
        [ "$(sinfo -h -N -p debug -t idle 2>/dev/null | wc -l)" != $nodes ] || return 0
        sleep 0.2
    done
    sinfo -N -l
    return 1
}

stop() {
    local jobs
    jobs=$(timeout 10 squeue -h -o %A 2>/dev/null)
    if [ -n "$jobs" ]; then
        timeout 20 scancel $jobs
        for _ in {1..100}; do
            [ -n "$(timeout 10 squeue -h -o %A)" ] || break
            sleep 0.2
        done
    fi
    end "$CLUSTER"/run/slurm*.pid
    end "$CLUSTER"/run/munged.pid
}

end() {  # the daemons of these pid files
    local pids
    pids=$(cat "$@" 2>/dev/null) || return
    kill -TERM $pids 2>/dev/null
    for _ in {1..75}; do
        kill -0 $pids 2>/dev/null || break
        sleep 0.2
    done
}

PATH=$PATH:/usr/sbin:/sbin
[ "$(id -u)" != 0 ] || "$here/install.sh" || exit 99
unset "${!SLURM_@}" "${!SBATCH_@}" # of a job that this may run in
CLUSTER=$(mktemp -d /tmp/slurm.XXXXXX)
chmod 755 "$CLUSTER" # munge asks for that
. "$here/../common.sh"
export SLURM_CONF=$CLUSTER/slurm.conf DASK_ESPRESSO_CLUSTER=slurm
trap 'stop; clean_up' EXIT
started || {
    tail -n 5 "$CLUSTER"/log/* >&2
    exit 99
}
run "$@"
