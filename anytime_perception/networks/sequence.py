"""The sequence of exponentially deepening anytime networks (EANN; paper, section 3.3)."""

from collections.abc import Sequence
import itertools

from anytime_perception.networks.stage import Stage
from anytime_perception.networks.staged import registered, StagedNetwork


class AnytimeSequence(StagedNetwork):
    """
    Anytime networks run one after the other, in order of depth, each on the image itself.

    The paper's reporting rule: an exit of a later network is an answer only where it is deeper
    than the whole previous network; before that the previous network's final answer stands. Heads
    that are never reported are not run, so `cost` does not count them.

    Parameters
    ----------
    networks: independently trained networks of strictly growing depth, for the same classes and
        input.

    Raises
    ------
    ValueError: for no networks, depths that do not grow, or members that differ in classes or
        input.

    """

    def __init__(self, networks: Sequence[StagedNetwork]):
        super().__init__()
        networks = list(networks)
        if not networks:
            raise ValueError('a sequence needs at least one network')
        depths = [network.depth for network in networks]
        if any(later <= earlier for earlier, later in itertools.pairwise(depths)):
            raise ValueError(f'the depths of the networks are {depths}; '
                             'each must be deeper than the one before')
        for name in ('num_classes', 'image_shape'):
            values = {getattr(network, name) for network in networks}
            if len(values) > 1:
                raise ValueError(f'the networks of a sequence must share {name}, '
                                 f'but have {sorted(values)}')
        self.networks = registered(networks)
        # A tuple, so that modules which the networks hold are not registered twice.
        self._set_stages(tuple(self._reported_stages()), networks[0].num_classes,
                         networks[0].image_shape)

    @property
    def members(self) -> list[StagedNetwork]:
        return list(self.networks)

    def _reported_stages(self) -> list[Stage]:
        """Return the stages of all networks in one list, without the heads never reported."""
        stages, reported_from = [], 0
        for index, network in enumerate(self.networks):
            for stage in network.stages:
                head = stage.head if stage.depth > reported_from else None
                stages.append(Stage(stage.trunk, head, stage.depth, index, stage.takes_image))
            reported_from = network.depth
        return stages
