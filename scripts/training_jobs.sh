# For the scripts that train several networks, one checkpoint each, $jobs at a time; sourced by them.
gliofield=${GLIOFIELD:-gliofield}
failed=0
# Jobs of a script do not hear Ctrl-C themselves. What they have saved is gone on with.
trap 'kill $(jobs -pr) 2>/dev/null; wait; exit 130' INT TERM

# train OUT KIND [OPTION ...]: begins as soon as there is room, unless OUT is there already. $group: the group of the
# command, if it has one.
train() {
    local out=$1
    shift
    if [[ -e $out ]]; then
        echo "$out: trained already" >&2
        return
    fi
    while [[ $(jobs -rp | wc -l) -ge $jobs ]]; do
        wait -n || failed=1
    done
    "$gliofield" ${group:-} train "$@" --out "$out" &
}

# Waits for all of them and ends the script.
finish() {
    while [[ -n $(jobs -rp) ]]; do
        wait -n || failed=1
    done
    exit "$failed"
}
