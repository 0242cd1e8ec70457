#!/usr/bin/env bash
# Build and run every test through colcon. Arguments go to pytest: bash scripts/test.sh -k budget -x
# Ends with pytest's summary line and its exit status.
set -euo pipefail
here="$PWD"
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$root"
bash scripts/setup.sh
source scripts/env.sh

# pytest runs in another folder under ctest: files and folders are passed on by their full paths.
arguments=()
for argument in "$@"; do
    [ ! -e "$here/${argument%%::*}" ] || [ "${argument:0:1}" = / ] || argument="$here/$argument"
    arguments+=("$argument")
done
if [ ${#arguments[@]} -gt 0 ]; then
    quoted="$(python3 -c 'import shlex, sys; print(shlex.join(sys.argv[1:]))' "${arguments[@]}")"
    export PYTEST_ADDOPTS="${PYTEST_ADDOPTS:-} $quoted"
fi

# Each run is alone: neither other runs on this machine nor the network's robots are heard.
export ROS_DOMAIN_ID="${ROS_DOMAIN_ID:-$((RANDOM % 101 + 1))}"
export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
[ "${ROS_DISTRO:-}" != humble ] || export ROS_LOCALHOST_ONLY=1  # what Humble has for it
export ROS_LOG_DIR="${ROS_LOG_DIR:-$root/log/ros}"
export PYTHONUNBUFFERED=1

output=build/anytime_perception/ament_cmake_pytest/pytest.txt
rm -f "$output"
status=0
colcon --log-base log test --packages-select anytime_perception --base-paths . --build-base build \
    --install-base install --event-handlers console_direct+ --return-code-on-test-failure </dev/null || status=$?

# ctest puts its own lines after pytest's; the plain summary line is said once more, at the very end.
summary="$(grep -aE '(passed|failed|error|errors|skipped|deselected|warnings?|no tests ran).* in [0-9.]+s' "$output" \
    2>/dev/null | tail -n 1)" || summary="pytest did not finish; its output is in $root/$output"
echo "$summary"
exit "$status"
