#!/usr/bin/env bash
# Everything that needs a GPU, in at most ten minutes: bash benchmarks/gpu.sh
# Writes gpu.log and a JSON file for each benchmark into $OUT (default: build/gpu). DEVICE names the
# GPU (cuda:0), PYTHON the interpreter (that of .venv where there is one, else python3).
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
out=$(realpath -m "${OUT:-build/gpu}")
device=${DEVICE:-cuda:0}
python=${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)}
export PYTHONPATH="$PWD:$PWD/training${PYTHONPATH:+:$PYTHONPATH}"
mkdir -p "$out" && exec > >(tee "$out/gpu.log") 2>&1
scratch=$(mktemp -d) && trap 'rm -rf "$scratch"' EXIT
failed=()

part() {  # NAME SECONDS COMMAND…: a part that fails or takes too long keeps no other from its turn
    echo "== $1"
    local begun=$SECONDS
    timeout --kill-after=10 "$2" "${@:3}" || failed+=("$1 (status $?)")
    echo "== $1: $((SECONDS - begun)) s"
}

"$python" -c "import sys, torch; print(torch.__version__, torch.version.cuda)
device = torch.device('$device')
if device.type == 'cuda' and torch.cuda.device_count() <= (device.index or 0):
    sys.exit('PyTorch sees no GPU $device; DEVICE names another')
print(torch.cuda.get_device_name(device) if device.type == 'cuda' else device)" || exit 2

part 'tests' 100 "$python" -m pytest -q -rs -p no:cacheprovider \
    test/training/test_graphed.py test/engine/test_cuda_runner.py test/engine/test_runner.py
part 'training step' 120 "$python" benchmarks/training.py --device "$device" --workers 8 \
    --output "$out/training_gpu.json"
train=("$python" -m anytime_training train --device "$device" --quiet --output "$scratch/run")
part 'training' 60 "${train[@]}" --config recipe --epochs 5 --set average=0.99 \
    --set mixup=0.2
part 'training, nothing left to do' 30 "${train[@]}" --resume
part 'cost of a pass' 90 "$python" benchmarks/engine_cost.py --device "$device" --threads 1 \
    --output "$out/engine_cost_gpu.json"
part 'latency' 90 "$python" benchmarks/engine_latency.py --device "$device" --threads 1 \
    --instants 3000 --output "$out/engine_latency_gpu.json"
part 'budgets' 90 "$python" benchmarks/engine_budgets.py --device "$device" --threads 1 \
    --images 3000 --output "$out/engine_budgets_gpu.json"

echo "written to $out: $(cd "$out" && echo *)"
[ ${#failed[@]} -eq 0 ] || { printf 'failed: %s\n' "${failed[@]}"; exit 1; }
