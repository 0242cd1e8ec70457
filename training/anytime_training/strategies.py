"""From the names in a configuration to weights and alternating strategies."""

from anytime_training import weights as schemes
from anytime_training.adaloss import AdaLoss
from anytime_training.metrics import milestone_exits
from anytime_training.sampling import Alternating, Avgl, Exp3, Fixed, Milestone, Rwm
from torch import Tensor

STRATEGIES = ('none', 'aann', 'milestone', 'exp3', 'rwm', 'avgl', 'adaloss')


def make_weights(config, depths: list[int]) -> Tensor:
    """
    Return the loss weights (exits,) that `config` names, for exits at `depths` in units.

    The optimal ones train the exit at round(share · L), as the authors' code, or the last before.
    """
    exits = len(depths)
    if config.weights == 'exponential':
        return schemes.exponential(exits, config.weights_base)
    if config.weights == 'optimal':
        target = round(config.exit_share * depths[-1])
        return schemes.optimal(exits, max(sum(depth <= target for depth in depths) - 1, 0))
    return schemes.SCHEMES[config.weights](exits)


def make_sampler(config, weights: Tensor, depths: list[int], steps_per_epoch: int,
                 seed: int) -> Fixed:
    """
    Return the strategy that `config` names.

    `weights` are the B_i, (exits,), `depths` those of the exits in units; learned strategies
    choose uniformly in the first epoch.
    """
    tau = config.tau
    if config.strategy == 'none':
        return Fixed(weights)
    if config.strategy == 'adaloss':
        return AdaLoss(weights)
    if config.strategy == 'aann':
        return Alternating(weights, tau, seed)
    if config.strategy == 'milestone':
        found = [index for index in milestone_exits(depths) if index is not None]
        return Milestone(weights, tau, seed, found)
    if config.strategy == 'avgl':
        return Avgl(weights, tau, seed, config.avgl_momentum, config.eta, steps_per_epoch)
    learned = {'exp3': Exp3, 'rwm': Rwm}[config.strategy]
    return learned(weights, tau, seed, config.gamma, config.eta, steps_per_epoch)
