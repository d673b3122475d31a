# For with-slurm.sh and with-condor.sh, which source this after naming the cluster's own directory,
# $CLUSTER. All that runs on the cluster is known by that directory: it stands in the environment or
# in the command line of every such process.

free_port() {  # the first of $1 ports in a row that nobody listens on, below the ephemeral ones
    local first port
    while first=$((20000 + RANDOM % 10000)); do
        for ((port = first; port < first + $1; port++)); do
            ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || continue 2
        done
        echo $first
        return
    done
}

started() {  # one after the other: what is a free port to one may be about to be another one's
    local status
    exec 9<"${BASH_SOURCE[0]}"
    flock 9
    start 9<&-
    status=$?
    exec 9<&-
    return $status
}

processes() {
    grep -lsF -- "$CLUSTER/" /proc/[0-9]*/{environ,cmdline} | cut -d / -f 3 | sort -u
}

left() {  # all but the cluster's daemons
    local pid
    for pid in $(processes); do
        case $(cat "/proc/$pid/comm" 2>/dev/null) in
            slurm* | munged | condor_* | '') ;;
            *) echo "$pid" ;;
        esac
    done
}

run() {  # the command, with the cluster's files for temporary ones; then see that nothing is left
    local status signal
    mkdir -m 1777 "$CLUSTER/tmp"
    TMPDIR=$CLUSTER/tmp "$@" <&0 &
    # bash acts on a signal only when no command runs in the foreground
    for signal in HUP INT TERM; do
        trap "kill -TERM $! 2>/dev/null; exit $((128 + $(kill -l $signal)))" $signal
    done
    wait $!
    status=$?
    none_left && return $status
    return $((status ? status : 1))
}

none_left() {
    local pid
    for _ in {1..50}; do
        [ -n "$(left)" ] || return 0
        sleep 0.2
    done
    echo "left on the machine:" >&2
    for pid in $(left); do
        echo "$pid $(tr '\0' ' ' <"/proc/$pid/cmdline")" >&2
    done
    return 1
}

clean_up() {  # whatever still runs, and the files; logs go to $CLUSTER_LOGS if that is set
    kill -KILL $(processes) 2>/dev/null
    if [ -n "${CLUSTER_LOGS:-}" ]; then
        mkdir -p "$CLUSTER_LOGS" && cp -r "$CLUSTER/log/." "$CLUSTER_LOGS/"
    fi
    rm -rf "$CLUSTER"
}
