#!/usr/bin/env bash
# The main job from end to end: train, write the model file, then a camera, the perception node and a planner as
# three processes over DDS. `bash scripts/demo.sh --help` lists the options.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
case " $* " in *' -h '*|*' --help '*) exec python3 "$here/demo.py" "$@" ;; esac
python3 "$here/demo.py" --check "$@" || [ $? -ne 2 ] || exit 2  # 2: options that cannot be
bash "$here/setup.sh"
# shellcheck source=scripts/env.sh
source "$here/env.sh"
exec python3 "$here/demo.py" "$@"
