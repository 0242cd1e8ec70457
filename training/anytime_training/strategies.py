"""From the names in a configuration to weights and alternating strategies."""

from typing import TYPE_CHECKING

from anytime_training import weights as schemes
from anytime_training.adaloss import AdaLoss
from anytime_training.metrics import exit_at, milestone_exits
from anytime_training.sampling import Alternating, Avgl, Exp3, Fixed, Milestone, Rwm
from torch import Tensor

if TYPE_CHECKING:
    from anytime_training.config import TrainConfig

# The strategies, and which settings each of them has.
STRATEGIES = {'none': (), 'aann': ('tau',), 'milestone': ('tau',), 'exp3': ('tau', 'gamma', 'eta'),
              'rwm': ('tau', 'gamma', 'eta'), 'avgl': ('tau', 'eta', 'avgl_momentum'),
              'adaloss': ('delta',)}
STRATEGY_SETTINGS = frozenset(name for names in STRATEGIES.values() for name in names)


def make_weights(config: 'TrainConfig', depths: list[int]) -> Tensor:
    """
    Return the loss weights (exits,) that `config` names, for exits at `depths` in units.

    The optimal ones train the exit that `metrics.exit_at` gives for the `exit_share`.
    """
    exits = len(depths)
    if config.weights == 'optimal':
        return schemes.optimal(exits, exit_at(config.exit_share, depths))
    weights = (schemes.exponential(exits, config.weights_base) if config.weights == 'exponential'
               else schemes.SCHEMES[config.weights](exits))
    return schemes.with_last(weights, config.last_share) if config.last_share else weights


def make_sampler(config: 'TrainConfig', weights: Tensor, depths: list[int],
                 steps_per_epoch: int, seed: int) -> Fixed:
    """
    Return the strategy that `config` names.

    `weights` are the B_i, (exits,), `depths` those of the exits in units; learned strategies
    choose uniformly in the first epoch.
    """
    tau = config.tau
    if config.strategy == 'none':
        return Fixed(weights)
    if config.strategy == 'adaloss':
        return AdaLoss(weights, delta=config.delta)
    if config.strategy == 'aann':
        return Alternating(weights, tau, seed)
    if config.strategy == 'milestone':
        found = [index for index in milestone_exits(depths) if index is not None]
        return Milestone(weights, tau, seed, found)
    if config.strategy == 'avgl':
        return Avgl(weights, tau, seed, config.avgl_momentum, config.eta, steps_per_epoch)
    learned = {'exp3': Exp3, 'rwm': Rwm}[config.strategy]
    return learned(weights, tau, seed, config.gamma, config.eta, steps_per_epoch)
