"""From the names in a configuration to weights and alternating strategies."""

from anytime_training import weights as schemes
from anytime_training.sampling import Alternating, Fixed
from torch import Tensor

STRATEGIES = ('none', 'aann')


def make_weights(config, exits: int) -> Tensor:
    """Return the loss weights (exits,) that `config` names."""
    if config.weights == 'exponential':
        return schemes.exponential(exits, config.weights_base)
    return schemes.SCHEMES[config.weights](exits)


def make_sampler(config, weights: Tensor, seed: int) -> Fixed:
    """Return the strategy that `config` names, over `weights` (exits,)."""
    return {'none': lambda: Fixed(weights),
            'aann': lambda: Alternating(weights, config.tau, seed)}[config.strategy]()
