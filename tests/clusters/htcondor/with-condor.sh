#!/bin/bash
# Run a command with an HTCondor pool of its own: one machine with four cores, on loopback. Unpacks
# HTCondor into $CONDOR_TREE, by default in the user's cache, if it is not there.
#   tests/clusters/htcondor/with-condor.sh .venv/bin/python -m pytest tests/clusters
# HTCondor runs no jobs as root. Started by root, everything runs in namespaces of its own, in which
# what is root's belongs to an ordinary user, and the kernel ends what is left.
# Exit status: the command's; 99 if the pool did not start; 1 if a process was left.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export CONDOR_TREE=${CONDOR_TREE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/dask-espresso/condor}

as_ordinary_user() {
    HERE=$here setpriv --pdeathsig KILL -- \
        unshare --mount --pid --fork --kill-child -- /bin/bash -euc '
        mount --make-rprivate /
        mount -t proc proc /proc
        mount -t tmpfs -o mode=1777 tmpfs /dev/shm
        # all of /etc: a package that is installed meanwhile puts new files in place of these two
        cp -a /etc /dev/shm/.etc
        sed -i "/^dask:/d" /dev/shm/.etc/passwd /dev/shm/.etc/group
        echo "dask:x:2000:2000::${HOME:-/}:/bin/bash" >>/dev/shm/.etc/passwd
        echo "dask:x:2000:" >>/dev/shm/.etc/group
        mount --bind /dev/shm/.etc /etc
        export USER=dask LOGNAME=dask
        exec unshare --user --map-user=2000 --map-group=2000 -- "$HERE/with-condor.sh" "$@"
        ' with-condor "$@" <&0 &
    local signal
    for signal in HUP INT TERM; do # which unshare itself ignores
        trap "kill -KILL $!; wait $! 2>/dev/null; exit $((128 + $(kill -l $signal)))" $signal
    done
    wait $!
}

start() {
    local port
    port=$(free_port 1)
    mkdir -p "$CLUSTER"/{log,spool,execute,run,lock,etc}
    {
        cat <<CONF
ME = $(id -un)
RELEASE_DIR = $CONDOR_TREE/usr
LOCAL_DIR = $CLUSTER
COLLECTOR_HOST = 127.0.0.1:$port
# so that no job of another pool on this machine is taken for one of ours
SCHEDD_CLUSTER_INITIAL_VALUE = ${port}000
CONF
        cat "$here/condor_config"
    } >"$CONDOR_CONFIG"
    setsid condor_master -f >"$CLUSTER/log/master" 2>&1 </dev/null &
    master=$!
    for _ in {1..300}; do
        kill -0 $master 2>/dev/null || return
        [ -z "$(condor_status -af Name 2>/dev/null)" ] || ! condor_q >/dev/null 2>&1 || return 0
        sleep 0.2
    done
    return 1
}

stop() {
    [ -n "$master" ] && kill -0 $master 2>/dev/null || return
    condor_rm -all >/dev/null 2>&1
    kill -QUIT $master
    for _ in {1..100}; do
        kill -0 $master 2>/dev/null || break
        sleep 0.2
    done
}

if [ "$(id -u)" = 0 ]; then
    CLUSTER=$(mktemp -d /tmp/condor.XXXXXX)
    trap 'rm -rf "$CLUSTER"' EXIT
    as_ordinary_user --directory "$CLUSTER" "$@"
    exit
fi
if [ "${1:-}" = --directory ]; then
    CLUSTER=$2
    shift 2
else
    CLUSTER=$(mktemp -d /tmp/condor.XXXXXX)
fi
. "$here/../common.sh"
master=
export CONDOR_CONFIG=$CLUSTER/condor_config DASK_ESPRESSO_CLUSTER=htcondor
export PATH=$CONDOR_TREE/usr/bin:$CONDOR_TREE/usr/sbin:$PATH
trap 'stop; clean_up' EXIT
"$here/install.sh" && started || {
    tail -n 15 "$CLUSTER"/log/* >&2
    exit 99
}
run "$@"
