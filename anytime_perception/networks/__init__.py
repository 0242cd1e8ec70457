"""Anytime networks: ANN, pyramids, backbones of torchvision, EANN, and their cost; torch only."""

from anytime_perception.networks.backbone import AnytimeBackbone, BACKBONES
from anytime_perception.networks.cost import count_macs
from anytime_perception.networks.network import AnytimeNetwork
from anytime_perception.networks.pyramid import AnytimePyramid
from anytime_perception.networks.sequence import AnytimeSequence
from anytime_perception.networks.stage import Stage
from anytime_perception.networks.staged import StagedNetwork

__all__ = ['AnytimeBackbone', 'AnytimeNetwork', 'AnytimePyramid', 'AnytimeSequence', 'BACKBONES',
           'Stage', 'StagedNetwork', 'count_macs']
