#!/usr/bin/env bash
# The paper's experiments on one data set, and our recipe beside them, one sweep after the other:
#   bash scripts/reproduce.sh --data pictures/cifar10 --output results/cifar10
# The same command again goes on where it was stopped; finished runs are skipped.
set -euo pipefail
root=$(dirname "$(dirname "$(realpath "$0")")")

usage() {
    cat <<'TEXT'
usage: bash scripts/reproduce.sh --data DIR --output DIR [options]

  --dataset NAME     folder (default), cifar10, cifar100 or svhn
  --models LIST      default: n9-c16,n9-c32; the names of our configurations
  --parts LIST       default: all of opt,strategies,schemes,eann,recipe
                     opt         OPT at 1/4, 1/2, 3/4 and 1 of each model (tables 3 and 6)
                     strategies  ANN, AANN, Milestone, EXP3, RWM, AVGL (tables 2, 5 and 6)
                     schemes     weight schemes, modes and OPT of every exit at n=5, c=16 (table 1)
                     eann        the sequence, and OPT of its deepest network (table 3)
                     recipe      our recipe for each model, and OPT by the same recipe
  --seeds LIST       default: 0,1,2
  --epochs N         default: 300, as the paper's authors have
  --devices LIST     default: auto; name one twice to run two at a time
  --set KEY=VALUE    of every run; may be given again
TEXT
}

dataset=folder models=n9-c16,n9-c32 parts=opt,strategies,schemes,eann,recipe seeds=0,1,2 devices=auto
data='' output='' settings=()
while [ $# -gt 0 ]; do
    case $1 in
        --help) usage; exit ;;
        --data | --output | --dataset | --models | --parts | --seeds | --devices)
            [ $# -ge 2 ] || { usage >&2; exit 2; }
            printf -v "${1#--}" '%s' "$2"; shift 2 ;;
        --epochs) settings+=(--set "epochs=${2:?}"); shift 2 ;;
        --set) settings+=(--set "${2:?}"); shift 2 ;;
        *) echo "unknown option $1" >&2; usage >&2; exit 2 ;;
    esac
done
[ -n "$data" ] && [ -n "$output" ] || { usage >&2; exit 2; }

anytime=(anytime)
if ! command -v anytime > /dev/null; then
    python=$([ -x "$root/.venv/bin/python" ] && echo "$root/.venv/bin/python" || echo python3)
    export PYTHONPATH="$root:$root/training${PYTHONPATH:+:$PYTHONPATH}"
    anytime=("$python" -m anytime_training)
fi
sweep() {  # FOLDER CONFIGS OPTIONS…
    local configs=${2//,/ }
    # shellcheck disable=SC2086
    "${anytime[@]}" sweep --output "$output/$1" --config $configs --dataset "$dataset" \
        --data "$data" --seeds "$seeds" --devices ${devices//,/ } ${settings[@]+"${settings[@]}"} "${@:3}"
}
optimal=(--set weights=optimal --set strategy=none)
opt=("${optimal[@]}" --vary exit_share=0.25,0.5,0.75,1.0)
small=(--set validation=false)  # its configuration has the paper's n=5, c=16

for part in ${parts//,/ }; do
    case $part in
        opt) sweep opt "$models" "${opt[@]}" ;;
        strategies) sweep strategies "$models" \
            --vary strategy=none,aann,milestone,exp3,rwm,avgl ;;
        schemes)
            sweep schemes validation "${small[@]}" --set strategy=none \
                --vary weights=constant,half_end,linear,exponential,sieve
            sweep schemes validation "${small[@]}" --set strategy=none \
                --set weights=exponential --vary weights_base=0.5
            sweep schemes validation "${small[@]}" --set strategy=none --vary mode=midfeat,no_grad
            # Of each of the 15 exits: table 1 has the AE of OPT, figure 2 a point for every unit.
            sweep schemes validation "${small[@]}" "${optimal[@]}" --vary \
                exit_share=0.067,0.133,0.2,0.267,0.333,0.4,0.467,0.533,0.6,0.667,0.733,0.8,0.867,0.933,1.0 ;;
        eann)
            sweep eann eann-c32
            sweep eann n25-c32 "${opt[@]}" --set period=1 ;;
        recipe)
            for model in ${models//,/ }; do
                [[ $model =~ ^n([0-9]+)-c([0-9]+)$ ]] ||
                    { echo "part recipe needs models such as n9-c16, not $model" >&2; exit 2; }
                # As wide as is no dearer than the model; without carry, which OPT cannot have.
                read -r channels side < <(awk -v n="${BASH_REMATCH[1]}" -v c="${BASH_REMATCH[2]}" '
                    function w(x) { return 8 * int(x * c * sqrt(n) * 0.0373 / 8 + 0.5) }
                    BEGIN { printf "%d,%d,%d %d,%d\n", w(32), w(128), w(192), w(64), w(96) }')
                ours=(--set "channels=[$channels]" --set "side_channels=[$side]"
                      --set epochs=300 --set carry=0.0 ${settings[@]+"${settings[@]}"})
                sweep "recipe/$model" recipe "${ours[@]}"
                sweep "recipe-opt/$model" recipe "${ours[@]}" "${opt[@]}"
            done ;;
        *) echo "unknown part $part" >&2; usage >&2; exit 2 ;;
    esac
done
"${anytime[@]}" report "$output" --output "$output/report"
