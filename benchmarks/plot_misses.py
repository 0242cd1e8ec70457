"""
Draw how many deadlines were missed by how much, from the results of engine_budgets.

    python benchmarks/plot_misses.py misses.png benchmarks/results/engine_budgets_*.json
"""

import argparse
import json
from pathlib import Path

from matplotlib import pyplot


def main() -> None:
    """Draw one curve per network and file."""
    parser = argparse.ArgumentParser(description=__doc__.strip().split('\n')[0])
    parser.add_argument('output', type=Path, help='picture to write')
    parser.add_argument('results', type=Path, nargs='+', help='JSON files of engine_budgets')
    arguments = parser.parse_args()
    figure, axes = pyplot.subplots(figsize=(6, 5), layout='constrained')
    for path in arguments.results:
        result = json.loads(path.read_text())
        where = 'every core busy' if result['stress'] else 'quiet machine'
        where += ', real-time priority' if result['priority'] else ''
        for row in result['rows']:
            share = {float(limit): 100 * count / row['images']
                     for limit, count in row['missed_by_more_than_ms'].items() if count}
            axes.plot(share.keys(), share.values(), '--' if result['stress'] else '-', marker='.',
                      label=f'{row["network"]}, {where}: {row["missed"]} of {row["images"]:,}')
    axes.set(xscale='log', yscale='log', xlabel='missed by more than (ms)',
             ylabel='images without an answer (%)')
    axes.grid(alpha=0.3)
    figure.legend(loc='outside lower center', fontsize='small')
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output, dpi=110)


if __name__ == '__main__':
    main()
