# Source this in bash: it puts the Python environment and, once built, the package on this shell's paths.
# ROS 2 is the sourced one where there is one (with what it lacks in .venv-$ROS_DISTRO), else the wheels in .venv.

ANYTIME_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

# Set ANYTIME_ROS_PYTHON to a Python that can import the sourced ROS 2; empty: there is none.
# ROS 2 is built for the system's Python, so that one is tried where another (conda, pyenv) comes first.
_anytime_find_ros() {
    ANYTIME_ROS_PYTHON=''
    if [ -n "${ROS_DISTRO:-}" ] && [ -n "${AMENT_PREFIX_PATH:-}" ]; then
        local python
        for python in python3 /usr/bin/python3; do
            if "$python" -c 'import rclpy' 2>/dev/null; then
                ANYTIME_ROS_PYTHON="$(command -v "$python")"
                return
            fi
        done
    fi
}

_anytime_put_first() {  # VARIABLE FOLDER: once, and before everything else
    local paths=":${!1:-}:"
    paths="${paths//":$2:"/":"}"
    paths="${paths#:}"
    paths="$2:${paths%:}"
    export "$1=${paths%:}"
}

_anytime_use_python() {
    # Python from the wheels marks its environment as prepared; another Python must prepare its own.
    unset _ROS_WHEELS_BOOTSTRAP_COMPLETE
    _anytime_find_ros
    if [ -n "$ANYTIME_ROS_PYTHON" ]; then
        ANYTIME_VENV="$ANYTIME_ROOT/.venv-$ROS_DISTRO"
        [ "$ANYTIME_ROS_PYTHON" != /usr/bin/python3 ] || _anytime_put_first PATH /usr/bin
    else
        ANYTIME_VENV="$ANYTIME_ROOT/.venv"
        # What is left of a ROS 2 that this machine's Python cannot use would hide the wheels.
        [ -z "${ROS_DISTRO:-}" ] || unset ROS_DISTRO PYTHONPATH LD_LIBRARY_PATH AMENT_PREFIX_PATH CMAKE_PREFIX_PATH
        _anytime_put_first AMENT_PREFIX_PATH "$ANYTIME_VENV"
    fi
    if [ -x "$ANYTIME_VENV/bin/python3" ]; then
        export VIRTUAL_ENV="$ANYTIME_VENV"
        _anytime_put_first PATH "$ANYTIME_VENV/bin"
    fi
}

_anytime_use_package() {
    if [ ! -f "$ANYTIME_ROOT/install/local_setup.bash" ]; then
        echo "Nothing is set up in $ANYTIME_ROOT yet: run bash $ANYTIME_ROOT/scripts/setup.sh" >&2
        return 0
    fi
    local options=$-
    set +u  # colcon's script reads variables that may not be set
    # shellcheck disable=SC1091
    source "$ANYTIME_ROOT/install/local_setup.bash"
    case $options in *u*) set -u ;; esac
}

_anytime_use_python
# Set-up builds the package and so must not stand on an earlier build of it.
[ -n "${ANYTIME_PYTHON_ONLY:-}" ] || _anytime_use_package
