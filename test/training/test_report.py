"""Reports: every table and figure that runs can fill, with the paper's numbers beside."""

import csv
import json
import math
import re

from anytime_training import cli
from anytime_training.config import TrainConfig
from anytime_training.evaluate import Evaluation
from anytime_training.recipes import recipe, recipe_of_optimal
from anytime_training.report import paper, tables
from anytime_training.report.figures import _last_losses
from anytime_training.report.finished_runs import find_results
from anytime_training.report.optimal import optimal_errors, optimal_metrics
from anytime_training.report.recipe_figure import draw_recipes, parts
from anytime_training.report.results import SHARES
import pytest

UNITS = 27  # n = 9


def write_run(folder, error, before=0, units=UNITS, **values):
    """
    Write a finished run of the (9, 32) network, untrained, with `error` at every exit.

    A unit costs 10, and what there is `before` the first as much as so many of them. There are
    `units`, whatever the network.
    """
    config = TrainConfig.of({'dataset': 'cifar100', 'data': 'x', 'units_per_block': [9],
                             'channels': 32, **values})
    period = config.period[0]
    depths = tuple(range((units - 1) % period + 1, units + 1, period))
    errors = tuple(error(depth) if callable(error) else error for depth in depths)
    folder.mkdir(parents=True)
    (folder / 'config.json').write_text(json.dumps(config.to_dict()))
    cost = tuple((before + depth) * 10 for depth in depths)
    Evaluation(config.dataset, 10, depths, depths, cost, errors, errors).write(
        folder / 'evaluation.json')
    rows = [['epoch', *(f'{name}_{index + 1}' for name in ('loss', 'probability')
                        for index in range(len(depths)))]]
    for epoch in (1, 2):
        odds = [epoch if config.strategy == 'exp3' and not index else 1
                for index in range(len(depths))]  # learned ones change
        rows.append([epoch, *[0.5] * len(depths), *[odd / sum(odds) for odd in odds]])
    (folder / 'n9').mkdir()
    (folder / 'n9' / 'log.csv').write_text('\n'.join(','.join(map(str, row)) for row in rows))


def results_of(folder):
    return find_results([folder], print)


def test_errors_stand_beside_the_papers(tmp_path):
    write_run(tmp_path / 'a', lambda depth: 1 - depth / 30, strategy='aann', seed=0)
    write_run(tmp_path / 'b', lambda depth: 0.9 - depth / 30, strategy='aann', seed=1)
    table, = tables.methods(results_of(tmp_path))
    ours, paper = table.rows
    assert ours[:5] == ['CIFAR100', 'n=9, c=32', 'AANN', 'standard', 'ours (2 runs)']
    # A quarter of 27 units is 6.75: the exit of unit 6 answers, in the mean of two seeds.
    assert ours[5:9] == pytest.approx([100 * (0.95 - depth / 30) for depth in (6, 13, 20, 27)])
    assert paper[4:] == ['paper', 54.20, 33.86, 26.14, 23.48, 41.10]


def test_milestones_in_the_tables_are_counted_in_units_as_in_the_paper(tmp_path):
    write_run(tmp_path / 'a', lambda depth: 1 - depth / 30, before=27, strategy='aann')
    row = tables.methods(results_of(tmp_path))[0].rows[0]
    assert row[5:9] == pytest.approx([100 * (1 - depth / 30) for depth in (6, 13, 20, 27)])


def test_weight_schemes_stand_beside_the_papers(tmp_path):
    for scheme, error in (('sieve', 0.01), ('exponential', 0.02), ('optimal', 0.0)):
        for seed in (0, 1):
            write_run(tmp_path / f'{scheme}{seed}', lambda depth, error=error, seed=seed:
                      depth / 100 + error * seed, strategy='none', weights=scheme, seed=seed)
    write_run(tmp_path / 'no-grad', 0.5, mode='no_grad', strategy='none')
    write_run(tmp_path / 'aann', 0.9, strategy='aann')  # is none of them
    table, = tables.weight_schemes(results_of(tmp_path))
    assert table.name == 'table1_CIFAR100_n9_c32_s1'
    assert table.header == ['metric', 'source', 'expb2', 'no-grad', 'optimal', 'sieve']
    rows = {(row[0], row[1]): row[2:] for row in table.rows}
    assert [row[0] for row in table.rows[::2]] == ['AE', '1/4', '1/2', '3/4', '1']
    for metric, percent in (('AE', 14), ('1/4', 6), ('1/2', 13), ('3/4', 20), ('1', 27)):
        optimal = 27.0 if metric == '1' else math.nan  # it was trained for the last exit
        assert rows[metric, 'ours'] == pytest.approx(
            [percent + 1, 50, optimal, percent + 0.5], nan_ok=True)
    assert rows['1/2', 'paper (n=5, c=16)'] == pytest.approx(
        [74.92, math.nan, 41.78, 50.64], nan_ok=True)


def test_periods_stand_beside_the_papers(tmp_path):
    for period, error in ((1, 0.5), (5, 0.4), (4, 0.3)):
        for seed in (0, 1):
            write_run(tmp_path / f'{period}-{seed}', error + 0.1 * seed, period=[period],
                      seed=seed, strategy='none', channels=16)
    write_run(tmp_path / 'constant', 0.9, strategy='none', channels=16, weights='constant')
    table, = tables.periods(results_of(tmp_path))
    assert table.name == 'table4_ANN_CIFAR100_n9_c16'
    assert [row[:2] for row in table.rows] == [
        ['s1', 'ours'], ['s1', 'paper'], ['s4', 'ours'], ['s5', 'ours'], ['s5', 'paper']]
    assert table.rows[0][2:] == pytest.approx([55] * 5)
    assert table.rows[2][2:] == pytest.approx([35] * 5)
    assert table.rows[1][2:] == [74.03, 46.02, 35.79, 28.44, 49.53]
    assert table.rows[4][2:] == [79.06, 46.55, 39.37, 28.23, 51.24]


@pytest.mark.parametrize('values', [
    {'channels': 32}, {'dataset': 'cifar10', 'channels': 16}, {'units_per_block': [8]}])
def test_the_papers_periods_are_of_its_networks_only(tmp_path, values):
    for period in (1, 3):
        write_run(tmp_path / str(period), 0.5, period=[period], strategy='aann',
                  **{'channels': 16, **values})
    table, = tables.periods(results_of(tmp_path))
    assert [row[:2] for row in table.rows] == [['s1', 'ours'], ['s3', 'ours']]


def test_opt_is_put_together_from_its_runs(tmp_path):
    for share, error in ((0.25, 0.40), (0.5, 0.30), (0.75, 0.25), (1.0, 0.24)):
        write_run(tmp_path / str(share), lambda depth, share=share, error=error:
                  error if depth == round(UNITS * share) else 0.99,
                  weights='optimal', exit_share=share)
    write_run(tmp_path / 'ann', 0.48, strategy='none')
    results = results_of(tmp_path)
    opt = [result for result in results if result.method == 'OPT']
    assert optimal_errors(opt) == {7: 0.40, 14: 0.30, 20: 0.25, 27: 0.24}
    rows = {row[2]: row for row in tables.methods(results)[0].rows if row[4] != 'paper'}
    assert rows['OPT'][5:9] == pytest.approx([40, 30, 25, 24]) and math.isnan(rows['OPT'][9])
    increase = tables.increases(results)[0].rows[0]
    assert increase[3:] == pytest.approx([20, 60, 92, 100])


def test_opt_plus_stands_beside_a_sequence(tmp_path):
    for share, error in ((0.25, 0.30), (0.5, 0.20), (0.75, 0.25)):
        write_run(tmp_path / str(share), lambda depth, share=share, error=error:
                  error if depth == round(UNITS * share) else 0.99,
                  weights='optimal', exit_share=share)
    write_run(tmp_path / 'sequence', 0.3, units_per_block=[3, 9], strategy='aann')
    rows = [row for row in tables.methods(results_of(tmp_path))[0].rows if row[2] == 'OPT+']
    # OPT was trained at depths 7, 14 and 20; a quarter of 27 units is 6.75, a half 13.5.
    assert rows[0][5:9] == pytest.approx([math.nan, 30, 20, 20], nan_ok=True)


@pytest.mark.parametrize('dataset', ['SVHN', 'CIFAR10', 'CIFAR100'])
def test_opt_of_table_6_gives_opt_plus_of_table_3(tmp_path, dataset):
    common = {'dataset': dataset.lower()}
    for row in paper.table(6):
        if (row['method'], row['c'], row['dataset']) == ('OPT', 32, dataset):
            for name, share in SHARES.items():
                write_run(tmp_path / f'{row["n"]} {share}', row[name] / 100, units=3 * row['n'],
                          units_per_block=[row['n']], weights='optimal', exit_share=share,
                          **common)
    write_run(tmp_path / 'sequence', 0.3, strategy='aann', **PAPERS_SEQUENCE, **common)
    found, printed = [row for row in tables.methods(results_of(tmp_path))[0].rows
                      if row[2] == 'OPT+']
    # At a quarter it is of (7, 32), whose rows did not reach us.
    assert found[6:9] == pytest.approx(printed[6:9])


def test_methods_are_named_after_the_settings_that_their_strategy_has(tmp_path):
    write_run(tmp_path / 'a', 0.5, strategy='aann', gamma=0.1)  # as runs of older versions may
    write_run(tmp_path / 'b', 0.5, strategy='exp3', gamma=0.1, avgl_momentum=0.5)
    write_run(tmp_path / 'c', 0.5, strategy='adaloss', delta=0.5)
    write_run(tmp_path / 'd', 0.5, strategy='none', tau=2.0)
    assert [run.method for run in results_of(tmp_path)] == [
        'AANN', 'EXP3 (gamma 0.1)', 'adaloss (delta 0.5)', 'ANN']


def test_sequences_of_other_strategies_are_other_methods(tmp_path):
    for name, values in {'aann': {'strategy': 'aann'}, 'ann': {'strategy': 'none'},
                         'tau': {'strategy': 'aann', 'tau': 2.0}}.items():
        write_run(tmp_path / name, {'aann': 0.3, 'ann': 0.5, 'tau': 0.7}[name],
                  units_per_block=[3, 9], **values)
    write_run(tmp_path / 'opt', 0.2, weights='optimal')
    results = results_of(tmp_path)
    rows = [row for row in tables.methods(results)[0].rows if row[1].startswith('n=3,9')]
    assert {row[2]: row[8] for row in rows} == pytest.approx({
        'EANN': 30, 'EANN of ANN': 50, 'EANN of AANN (tau 2)': 70, 'OPT+': 20})
    assert tables.wins(results) == []
    assert cli.main(['report', str(tmp_path), '--output', str(tmp_path / 'report')]) == 0
    figures = [path.name for path in (tmp_path / 'report' / 'figures').glob('figure2e_*')]
    assert len(figures) == 3


PAPERS_SEQUENCE = {'units_per_block': [1, 3, 7, 13, 25], 'period': [1, 1, 1, 1, 3]}


@pytest.mark.parametrize('values, rows', [
    ({}, 1), ({'period': [3]}, 0), ({'units_per_block': [25], 'period': [3]}, 1),
    ({'units_per_block': [25]}, 0), ({'units_per_block': [25], 'weights': 'optimal'}, 1),
    ({'weights': 'optimal', 'period': [3]}, 0), (PAPERS_SEQUENCE, 2),
    ({**PAPERS_SEQUENCE, 'period': [1]}, 0), ({'units_per_block': [1, 9]}, 0),
    ({'side_channels': [64, 96]}, 0)])
def test_the_papers_numbers_stand_beside_the_papers_networks_only(tmp_path, values, rows):
    write_run(tmp_path / 'run', 0.5, **{'strategy': 'aann', **values})
    found = tables.methods(results_of(tmp_path))[0].rows
    assert len([row for row in found if row[3] == "the paper's"]) == rows


def test_other_weight_schemes_have_rows_of_their_own(tmp_path):
    write_run(tmp_path / 'sieve', 0.3, strategy='aann')
    write_run(tmp_path / 'half', 0.4, strategy='aann', weights='half_end')
    write_run(tmp_path / 'opt', 0.2, weights='optimal')
    results = results_of(tmp_path)
    found = {row[2]: row[8] for row in tables.methods(results)[0].rows if row[3] == 'standard'}
    assert found == pytest.approx({'AANN': 30, 'AANN, half-end': 40, 'OPT': 20})
    found = {row[0]: row[6] for row in tables.increases(results)[0].rows if row[1] == 'standard'}
    assert found == pytest.approx({'AANN': 50, 'AANN, half-end': 100})


def test_opt_of_a_long_period_is_the_exit_that_was_trained(tmp_path):
    # Exits of period 5 are at 2, 7, 12, 17, 22 and 27; the quarters of 27 units at 7, 14, 20, 27.
    for share, depth, error in ((0.25, 7, 0.4), (0.5, 12, 0.3), (0.75, 17, 0.25), (1, 27, 0.2)):
        write_run(tmp_path / str(share), lambda at, depth=depth, error=error:
                  error if at == depth else 0.99, weights='optimal', exit_share=share, period=[5])
    write_run(tmp_path / 'late', 0.5, strategy='aann', period=[5])
    write_run(tmp_path / 'all', 0.6, strategy='none')
    results = results_of(tmp_path)
    opt, = [row for row in tables.methods(results)[0].rows if row[2] == 'OPT' and
            row[4].startswith('ours')]
    assert opt[5:9] == pytest.approx([40, 30, 25, 20])
    # It is the same for networks of any period.
    found = {row[0]: row[3:] for row in tables.increases(results)[0].rows if row[1] == 'standard'}
    assert found['AANN'] == pytest.approx([25, 200 / 3, 100, 150])
    assert found['ANN'] == pytest.approx([50, 100, 140, 200])


def test_increases_are_of_what_there_is(tmp_path):
    write_run(tmp_path / 'perfect', 0.0, weights='optimal', channels=8)
    write_run(tmp_path / 'other', 0.5, strategy='none', channels=8)
    write_run(tmp_path / 'opt', 0.25, weights='optimal')
    write_run(tmp_path / 'quarter', 0.4, weights='optimal', exit_share=0.25)
    write_run(tmp_path / 'all', 0.5, strategy='none')
    write_run(tmp_path / 'late', 0.3, strategy='none', period=[9])  # no answer at a quarter
    row = tables.increases(results_of(tmp_path))[0].rows[0]
    assert row[:3] == ['ANN', 'standard', 'ours (3 runs)']
    assert row[3:] == pytest.approx([25, math.nan, math.nan, (100 + 20) / 2], nan_ok=True)


def test_opt_of_every_exit_has_an_ae(tmp_path):
    exits = (9, 18, 27)
    for depth in exits:
        write_run(tmp_path / str(depth), lambda at: at / 100, weights='optimal', period=[9],
                  exit_share=depth / 27)
    found = optimal_metrics(results_of(tmp_path))
    assert math.isnan(found['1/4'])  # the first exit is at a third
    assert found['AE'] == pytest.approx(0.18)


def test_opt_plus_is_that_of_sequences_with_late_exits(tmp_path):
    for seed, error in enumerate((0.1, 0.3)):  # in the mean of two seeds, not the better one
        write_run(tmp_path / f'opt{seed}', error, weights='optimal', seed=seed)
    write_run(tmp_path / 'sequence', 0.3, units_per_block=[3, 9], strategy='aann',
              late_exits=True)
    row, = [row for row in tables.methods(results_of(tmp_path))[0].rows if row[2] == 'OPT+']
    assert row[8] == pytest.approx(20)


def test_wins_compare_like_with_like(tmp_path):
    for channels, (plain, alternating) in enumerate(
            [(0.5, 0.4), (0.5, 0.4), (0.5, 0.5), (0.5, 0.6)], start=1):
        write_run(tmp_path / f'ann{channels}', plain, strategy='none', channels=channels)
        write_run(tmp_path / f'aann{channels}', alternating, strategy='aann', channels=channels)
    # Of two seeds the mean counts, and of a third, which ANN was not trained with, nothing.
    for seed, errors in enumerate([(0.5, 0.5), (0.4, 0.55), (None, 0.0)]):
        for strategy, error in zip(('none', 'aann'), errors):
            if error is not None:
                write_run(tmp_path / f'{strategy}-{seed}', error, strategy=strategy, seed=seed,
                          epochs=7)
    rows = tables.wins(results_of(tmp_path))[0].rows
    assert rows[0] == ['AANN', 'standard', 'ours (4 experiments)', *[62.5] * 5]
    assert rows[1][3:] == pytest.approx([100 * math.exp(-2 * 4 * 0.125 ** 2)] * 5)
    assert rows[2] == ['AANN', '7 epochs', 'ours (1 experiment)', *[0.0] * 5]
    assert rows[4] == ['AANN', "the paper's", 'paper (39)', 66.67, 67.95, 76.92, 55.13, 65.38]
    assert len(rows) == 5


def test_a_report_has_every_table_and_figure_that_runs_can_fill(tmp_path, capsys):
    runs = tmp_path / 'runs'
    for scheme in ('sieve', 'constant', 'exponential'):
        write_run(runs / scheme, 0.5, strategy='none', weights=scheme)
    write_run(runs / 'opt', 0.4, weights='optimal')
    write_run(runs / 'midfeat', 0.6, mode='midfeat', strategy='none')
    for strategy in ('aann', 'exp3'):
        write_run(runs / strategy, 0.45, strategy=strategy)
    write_run(runs / 'tau', 0.45, strategy='exp3', tau=2.0, period=[3])
    write_run(runs / 'linear', 0.45, strategy='exp3', weights='linear')
    write_run(runs / 'stack', 0.45, strategy='none', period=[3])
    unfinished = runs / 'unfinished'
    unfinished.mkdir()
    (unfinished / 'config.json').write_text('{}')
    assert cli.main(['report', str(runs), '--output', str(tmp_path / 'report')]) == 0
    assert 'unfinished' in capsys.readouterr().out
    text = (tmp_path / 'report' / 'report.md').read_text()
    for title in ('Table 1', 'Tables 2a and 5', 'Table 2b', 'Tables 3 and 6', 'Table 4',
                  'All runs'):
        assert title in text
    names = {path.name for path in (tmp_path / 'report' / 'figures').iterdir()}
    assert names == {
        'figure2_CIFAR100_n9_c32.png', 'figure2f.png', 'figure3_ANN_CIFAR100_n9_c32.png',
        'figure4_EXP3_CIFAR100_n9_c32.png', 'figure4_EXP3-linear_CIFAR100_n9_c32.png',
        'figure4_EXP3-tau-2_CIFAR100_n9_c32_s3.png'}
    linked = re.findall(r'^!\[[^]]*\]\(([^()\s]+)\)$', text, re.MULTILINE)
    assert {tmp_path / 'report' / link for link in linked} == set(
        (tmp_path / 'report' / 'figures').iterdir())
    assert (tmp_path / 'report' / 'tables' / 'table2b.csv').exists()


MODERN = {'epochs': 5, 'schedule': 'one_cycle', 'nesterov': True}
TWO_EXITS = {'last_share': 0.8, 'distillation': 0.3}


def test_recipes_of_as_many_epochs_are_drawn_together(tmp_path):
    write_run(tmp_path / 'runs' / 'standard', 0.5, strategy='aann', epochs=5)
    write_run(tmp_path / 'runs' / 'longer', 0.4, strategy='aann')
    write_run(tmp_path / 'runs' / 'ann', 0.5, strategy='none', **MODERN)
    results = results_of(tmp_path / 'runs')
    assert list(draw_recipes(results, tmp_path)) == []  # of AANN there is one recipe only
    write_run(tmp_path / 'runs' / 'half', 0.4, strategy='aann', epochs=5, weights='half_end')
    assert len(list(draw_recipes(results_of(tmp_path / 'runs'), tmp_path))) == 1
    write_run(tmp_path / 'runs' / 'modern', 0.3, strategy='aann', **MODERN, **TWO_EXITS)
    write_run(tmp_path / 'runs' / 'opt', 0.2, weights='optimal', strategy='none', **MODERN)
    path, = draw_recipes(results_of(tmp_path / 'runs'), tmp_path)
    assert path.name == 'recipes_CIFAR100_5_epochs.png' and path.stat().st_size > 10_000


def test_the_parts_that_all_recipes_have_are_said_once():
    recipes = ['5 epochs, average 0.9', '5 epochs', '5 epochs, average 0.9, calibrate']
    shared, own = parts(recipes)
    assert own == ['average 0.9', 'nothing else', 'average 0.9, calibrate']
    assert shared == '5 epochs'
    assert parts(['', '5 epochs']) == ('', ['nothing else', '5 epochs'])


def test_runs_of_other_recipes_are_neither_averaged_nor_compared(tmp_path):
    write_run(tmp_path / 'standard', 0.5, strategy='aann')
    write_run(tmp_path / 'modern', 0.3, strategy='aann', **MODERN)
    write_run(tmp_path / 'tau', 0.1, strategy='aann', tau=2.0)
    write_run(tmp_path / 'opt', 0.25, weights='optimal', **MODERN)
    write_run(tmp_path / 'distilled', 0.275, strategy='aann', **MODERN, **TWO_EXITS)
    results = results_of(tmp_path)
    rows = [row for row in tables.methods(results)[0].rows if row[4] == 'ours (1 run)']
    modern = '5 epochs, one_cycle schedule, nesterov'
    both = 'last share 0.8, 5 epochs, one_cycle schedule, nesterov, distillation 0.3'
    assert {tuple(row[2:4]): row[8] for row in rows} == pytest.approx({
        ('AANN', 'standard'): 50, ('AANN', modern): 30, ('AANN (tau 2)', 'standard'): 10,
        ('OPT', modern): 25, ('AANN', both): 27.5})
    # One that held images back to calibrate with has learned from fewer than this OPT.
    write_run(tmp_path / 'calibrated', 0.2, strategy='aann', **MODERN, calibrate=True)
    results = results_of(tmp_path)
    # OPT has one exit: what has several learn from each other is no part of its recipe.
    found = {row[1]: row[6] for row in tables.increases(results)[0].rows if row[0] == 'AANN'
             and not row[2].startswith('paper')}
    assert found == pytest.approx({modern: 20, both: 10})


def runs_in(report):
    with open(report / 'tables' / 'runs.csv', newline='') as file:
        return {row['run']: row for row in csv.DictReader(file)}


def test_the_table_of_all_runs_has_what_the_papers_leave_out(tmp_path):
    def error(depth):
        return 0.8 if depth <= 9 else 0.4
    write_run(tmp_path / 'runs' / 'aann', error, period=[9], seed=3, strategy='aann')
    write_run(tmp_path / 'runs' / 'opt', error, period=[9], weights='optimal')
    path = tmp_path / 'runs' / 'aann' / 'evaluation.json'
    path.write_text(json.dumps({**json.loads(path.read_text()), 'lost': 0.125,
                                'calibration_error': [0.05, 0.25, 0.125]}))
    assert cli.main(['report', str(tmp_path / 'runs'), '--output', str(tmp_path / 'report')]) == 0
    runs = runs_in(tmp_path / 'report')
    row = runs['aann']
    assert list(row.values())[1:7] == [
        'CIFAR100', 'n=9, c=32, s=9', 'AANN', 'sieve', 'standard', '3']
    assert row['1/4'] == ''  # nothing has been answered yet
    found = {name: float(row[name]) for name in (
        '1/2', '3/4', '1', 'AE', 'timeliness', 'worst calibration', 'lost')}
    assert found == pytest.approx({'1/2': 80, '3/4': 40, '1': 40, 'AE': 160 / 3, 'lost': 12.5,
                                   'timeliness': 140 / 3, 'worst calibration': 25})
    # The other exits of an OPT run were not trained.
    assert float(runs['opt']['1']) == pytest.approx(40)
    assert not any(runs['opt'][name] for name in (
        '1/2', '3/4', 'AE', 'timeliness', 'worst calibration', 'lost'))


def test_an_opt_run_costs_what_its_exit_costs(tmp_path):
    write_run(tmp_path / 'runs' / 'half', 0.2, weights='optimal', exit_share=0.5)
    write_run(tmp_path / 'runs' / 'aann', 0.2, strategy='aann')
    assert cli.main(['report', str(tmp_path / 'runs'), '--output', str(tmp_path / 'report')]) == 0
    runs = runs_in(tmp_path / 'report')
    costs = {name: float(row['MACs (M)']) for name, row in runs.items()}
    assert costs == {'half': 14e-5, 'aann': 27e-5}


def test_the_loss_of_an_exit_is_that_of_the_epoch_that_trained_it_last(tmp_path):
    write_run(tmp_path / 'no_grad', 0.6, mode='no_grad', strategy='none')
    log = tmp_path / 'no_grad' / 'n9' / 'log.csv'
    header, *_ = log.read_text().splitlines()
    rows = [['1', '0.75', *[''] * 26], ['2', '0.5', *[''] * 26], ['3', '', '0.25', *[''] * 25]]
    log.write_text('\n'.join([header, *(','.join(row) for row in rows)]))
    losses = _last_losses(results_of(tmp_path)[0])
    assert losses[:2] == [0.5, 0.25] and all(map(math.isnan, losses[2:]))


def test_what_data_network_and_method_are_is_no_part_of_the_recipe():
    named = {'dataset': 'cifar10', 'data': 'x', 'units_per_block': [1, 2], 'channels': 8,
             'side_channels': [4, 4], 'period': [3], 'weights': 'exponential', 'weights_base': 3.0,
             'strategy': 'exp3', 'tau': 2.0, 'gamma': 0.1, 'eta': 0.4, 'avgl_momentum': 0.5,
             'delta': 0.5, 'exit_share': 0.5, 'seed': 7, 'validation': True,
             'precision': 'float32', 'compiled': True}
    config = TrainConfig.of(named)
    assert recipe(config) == recipe_of_optimal(config) == ''
    assert recipe(TrainConfig.of({'backbone': 'resnet18', 'pretrained': 'x'})) == 'pretrained'


def test_modes_that_train_exits_one_by_one_are_methods_and_mixed_is_a_recipe(tmp_path):
    write_run(tmp_path / 'midfeat', 0.6, mode='midfeat', weights='optimal', strategy='aann')
    write_run(tmp_path / 'mixed', 0.3, mode='mixed', strategy='aann')
    write_run(tmp_path / 'opt', 0.2, weights='optimal')
    write_run(tmp_path / 'mixed opt', 0.1, mode='mixed', weights='optimal')
    log = tmp_path / 'mixed' / 'n9' / 'log.csv'  # in its first phase one exit is trained
    header, first, *rest = log.read_text().splitlines()
    log.write_text('\n'.join([header, '1' + ',' * first.count(','), *rest]))
    results = {result.folder.name: result for result in results_of(tmp_path)}
    assert {name: (result.method, result.setting.recipe) for name, result in results.items()} == {
        'midfeat': ('midfeat', ''), 'mixed': ('AANN', 'mixed mode'), 'opt': ('OPT', ''),
        'mixed opt': ('OPT', 'mixed mode')}
    found = {row[0]: row[6] for row in tables.increases(list(results.values()))[0].rows
             if row[1] == 'mixed mode'}
    assert found['AANN'] == pytest.approx(50)
    assert cli.main(['report', str(tmp_path), '--output', str(tmp_path / 'report')]) == 0


@pytest.mark.parametrize('values, source', [
    ({'dataset': 'folder', 'data': 'pictures/cifar-100 jpeg'}, 'paper: the original CIFAR100'),
    ({'validation': True}, 'paper: its test images'),
    ({'epochs': 30}, 'paper: its own recipe'),
    ({'dataset': 'folder', 'data': 'cifar10', 'epochs': 30},
     'paper: the original CIFAR10, its own recipe'),
    ({'dataset': 'folder', 'data': 'pets'}, None),
    ({'dataset': 'digits', 'units_per_block': [9]}, None)])
def test_the_papers_numbers_say_what_they_are_of(tmp_path, values, source):
    write_run(tmp_path / 'run', 0.5, strategy='aann', **values)
    found = [row[4] for row in tables.methods(results_of(tmp_path))[0].rows
             if row[3] == "the paper's"]
    assert found == ([] if source is None else [source])


def test_results_need_no_models_nor_the_place_of_the_data(tmp_path):
    write_run(tmp_path / 'results' / 'a', 0.5, strategy='aann', dataset='folder', data='')
    path = tmp_path / 'results' / 'a' / 'evaluation.json'
    values = json.loads(path.read_text())
    assert values.pop('lost') is None  # what is not a number is none in JSON
    path.write_text(json.dumps(values))
    assert cli.main(['report', str(tmp_path / 'results'), '--output', str(tmp_path / 'out')]) == 0
    assert '| a | folder | n=9, c=32 | AANN |' in (tmp_path / 'out' / 'report.md').read_text()


@pytest.mark.parametrize('validation', [False, True])
def test_class_folders_are_called_as_they_were_measured(tmp_path, validation):
    for data in ('.', ''):  # the first was trained where it lay
        write_run(tmp_path / f'run{data}', 0.5, dataset='folder', data=data,
                  validation=validation)
        path = tmp_path / f'run{data}' / 'evaluation.json'
        path.write_text(json.dumps({**json.loads(path.read_text()), 'dataset':
                                    'pets' + ' (validation)' * validation}))
    assert {run.name_of_data for run in results_of(tmp_path)} == {'pets'}


def test_other_images_under_the_same_name_are_another_data_set(tmp_path):
    for name, folder, images in (('a', 'x/pets', '1234567890'), ('b', 'y/pets', 'abcdef0123'),
                                 ('c', 'z/pets', '1234567890'), ('d', 'cars', '9999999999'),
                                 ('e', 'pets', None)):
        write_run(tmp_path / name, 0.5, dataset='folder', data=folder, input_size=32)
        if images:
            (tmp_path / name / 'data.json').write_text(json.dumps({'sha256': images}))
    write_run(tmp_path / 'f', 0.5, dataset='folder', data='x/cars', validation=True)
    assert [run.dataset for run in results_of(tmp_path)] == [
        'pets (sha256 12345678)', 'pets (sha256 abcdef01)', 'pets (sha256 12345678)', 'cars',
        'pets', 'cars (validation)']
    assert cli.main(['report', str(tmp_path), '--output', str(tmp_path / 'report')]) == 0


def test_a_run_that_is_named_twice_counts_once(tmp_path):
    write_run(tmp_path / 'sweep' / 'run', 0.5)
    (tmp_path / 'link').symlink_to(tmp_path / 'sweep')
    found = find_results([tmp_path, tmp_path / 'sweep', tmp_path / 'link' / 'run'], print)
    assert len(found) == 1


@pytest.mark.parametrize('name', ['config.json', 'evaluation.json', 'data.json'])
@pytest.mark.parametrize('content', ['', '{}', '[]', '{"error": 3}'])
def test_damaged_runs_are_named(tmp_path, capsys, content, name):
    if (name, content) == ('config.json', '{}'):
        pytest.skip('all that it leaves out is standard')
    write_run(tmp_path / 'run', 0.5)
    (tmp_path / 'run' / name).write_text(content)
    assert cli.main(['report', str(tmp_path), '--output', str(tmp_path / 'out')]) == 2
    assert f'{name} is damaged' in capsys.readouterr().err
    assert cli.main(['report', str(tmp_path / 'nowhere')]) == 2
    assert 'nowhere' in capsys.readouterr().err


def test_names_do_not_break_tables():
    table = tables.Table('runs', 'Runs', ['run', 'error'], [['a|b', 0.5]])
    assert table.markdown().splitlines()[-1] == '| a\\|b | 0.50 |'
