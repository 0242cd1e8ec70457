"""What a budget buys at present: the last exit to count on, and why it is none after that."""

from anytime_perception import engine
from anytime_perception.ros.node.reasons import budget_warning


def last_exit(running: engine.AnytimeEngine, budget_ms: float, spent: float,
              period: float) -> tuple[int | None, str]:
    """
    Return the last exit that `budget_ms` reaches (p99), None for none, and what limits it.

    Images have `spent` that many seconds of it before they arrive. The next one comes after
    `period` seconds and ends refinement, though not before the first answer; without `supersede`
    it waits instead, for at most as long.
    """
    profile, said = running.profile, []
    left = budget_ms / 1e3 - spent
    reached = profile.exit_within(left)
    if reached != profile.exit_within(budget_ms / 1e3):
        said.append(f'images have spent {spent * 1e3:.1f} ms of the budget when they arrive '
                    '(p99; budget_from is stamp)')
    if reached is None:
        said.append(budget_warning(running, max(0.0, left * 1e3)))
    else:
        alone, reached = reached, min(reached, profile.exit_within(period) or 0)
        how = 'so refinement ends about then'
        if not running.supersede:
            reached = max(reached, min(alone, profile.exit_within(left - period) or 0))
            how = 'and wait for those in flight (supersede is false)'
        if reached < alone:
            said.append(f'images come every {period * 1e3:.0f} ms, {how}')
    return reached, '; '.join(filter(None, said))
