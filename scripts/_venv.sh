# shellcheck shell=sh
# Sourced by run, test, lint and bench: makes .venv once, and keeps it right.
#
#   . "$(dirname "$0")/_venv.sh"
#   need test        # or run, lint, bench: an extra of setup.cfg
#   "$venv/bin/python" -m pytest
#
# What it knows of .venv lies in there:
#   .netsvc-base     the checkout and the Python that it was made for
#   .netsvc-EXTRA    what was installed for EXTRA: a checksum of the metadata
#   .netsvc-busy     an installation is under way, or was interrupted

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P) || exit 1
venv=$root/.venv
me=scripts/${0##*/}

die() {
    printf '%s: %s\n' "$me" "$*" >&2
    exit 1
}

# need EXTRA: return once .venv has netsvc with EXTRA in it, or end the script.
need() {
    extra=$1
    fresh && return
    find_python
    lock
    fresh || install
    unlock
}

# fresh: is .venv complete for $extra? Quick: this is all that most runs do.
fresh() {
    [ ! -e "$venv/.netsvc-busy" ] && right_base &&
        [ "$(cat "$venv/.netsvc-$extra" 2>/dev/null)" = "$(metadata)" ]
}

# right_base: was .venv made here, by the Python in it, and by $PYTHON if given?
right_base() {
    made_by=$(identity "$venv/bin/python") &&
        [ "$(cat "$venv/.netsvc-base" 2>/dev/null)" = "$made_by" ] &&
        { [ -z "${PYTHON-}" ] || [ "$(identity "$PYTHON")" = "$made_by" ]; }
}

identity() {
    "$1" -c 'import sys; print(*sys.version_info[:2], sys.base_prefix, sys.argv[1])' \
        "$root" 2>/dev/null
}

metadata() {
    cat "$root/setup.cfg" "$root/pyproject.toml" "$root/netsvc/_version.py" | cksum
}

# find_python: set $python and $version, to $PYTHON or to the first that is new enough.
find_python() {
    seen=
    set -- python3 python3.14 python3.13 python3.12 python3.11 python
    [ -z "${PYTHON-}" ] || set -- "$PYTHON"
    for python; do
        version=$("$python" -c 'import sys
print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || continue
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            "$python" -c 'import ensurepip, fcntl, venv' 2>/dev/null || die "Python" \
                "$version ($python) has no venv; on Debian: apt install python3-venv"
            return
        fi
        seen=${seen:-, found $version ($python)}
    done
    [ -n "$seen" ] || [ -z "${PYTHON-}" ] || seen=", and PYTHON=$PYTHON does not run"
    die "netsvc needs Python 3.11 or newer$seen; name one with PYTHON=/path/to/python3"
}

# lock, unlock: one installation at a time. The lock is on this very file and belongs
# to the open descriptor, so it ends with the processes that hold it, however they end.
lock() {
    exec 9<"$root/scripts/_venv.sh"
    "$python" -c '
import fcntl, sys
try:
    fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print(sys.argv[1] + ": waiting for another installation", file=sys.stderr)
    fcntl.flock(9, fcntl.LOCK_EX)' "$me"
}

unlock() {
    exec 9<&-
}

install() {
    trap 'exit 130' INT
    [ ! -e "$venv/pyvenv.cfg" ] || [ -e "$venv/.netsvc-base" ] ||
        die "$venv is not of these scripts' making; remove it, or move it away"
    if [ -e "$venv/.netsvc-busy" ] || ! right_base; then
        printf '%s: making .venv with Python %s (once)\n' "$me" "$version" >&2
        rm -rf "$venv" && mkdir "$venv" && : >"$venv/.netsvc-busy" &&
            identity "$python" >"$venv/.netsvc-base" || exit 1
        quietly "making .venv" "$python" -m venv "$venv"
    fi
    printf '%s: installing netsvc into .venv\n' "$me" >&2
    : >"$venv/.netsvc-busy"
    case $extra in
        run) what=$root also= ;;
        lint) what="${root}[lint]" also=test ;;
        *) what="${root}[$extra]" also= ;;
    esac
    # Editable: what runs is what lies here, and nothing to reinstall after an edit.
    quietly "installing netsvc" "$venv/bin/python" -m pip --disable-pip-version-check \
        install --no-input --editable "$what"
    for each in run $also "$extra"; do
        metadata >"$venv/.netsvc-$each"
    done
    rm "$venv/.netsvc-busy"
    trap - INT
}

# quietly WHAT COMMAND...: its output is shown only when it fails.
quietly() {
    doing=$1
    shift
    "$@" >"$venv/.netsvc-log" 2>&1 </dev/null && return
    cat "$venv/.netsvc-log" >&2
    die "$doing failed; the reason stands above"
}
