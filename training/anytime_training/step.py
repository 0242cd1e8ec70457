"""One iteration of training: forward, losses, backward, descent."""

import warnings

from anytime_perception.networks import StagedNetwork
from anytime_training import distributed
from anytime_training.config import TrainConfig
from anytime_training.device import is_small, use_bfloat16
from anytime_training.graphed import GraphedStep
from anytime_training.objective import exit_losses
from anytime_training.optimiser import Optimiser
from anytime_training.phases import Phase, run_phase
from anytime_training.teacher import Teacher
import torch
from torch import Tensor


class Step:
    """
    Changes the weights of a network by one step of gradient descent.

    Takes and returns tensors only, and nothing in it depends on their values, so that a GPU can
    replay it as one graph. The learning rate is that of the optimiser.
    """

    def __init__(self, config: TrainConfig, network: StagedNetwork, phase: Phase,
                 optimiser: Optimiser, teacher: Teacher | None = None):
        self._config, self._network, self._phase = config, network, phase
        self._optimiser, self._teacher = optimiser, teacher
        self._forward = run_phase
        if config.compiled:
            torch.compiler.reset()  # what was compiled for other phases counts against a limit
            self._forward = torch.compile(run_phase, dynamic=False)
        device = phase.weights.device
        self._half = torch.autocast(device.type, torch.bfloat16, enabled=use_bfloat16(
            config.precision, device, is_small(network, config.batch_size)))

    def __call__(self, images: Tensor, labels: Tensor, weights: Tensor,
                 *mixed: Tensor) -> tuple[Tensor, Tensor]:
        """
        Return loss and error, (exits,) each, of a batch, before the step.

        `images` (N, 3, size, size) have `labels` (N,); `weights` (exits,) are those of the losses;
        `mixed` are second labels and shares, (N,) each, where images are mixtures.
        """
        config = self._config
        with self._half:
            logits = self._forward(self._network, self._phase, images,
                                   config.gradient_equilibrium)
            taught = None if self._teacher is None else self._teacher(images)
        losses, errors = exit_losses(logits, labels, config.label_smoothing, config.distillation,
                                     mixed=mixed or None, boosted=config.boosted, taught=taught)
        self._optimiser.zero_grad(set_to_none=True)
        (weights * losses).sum().backward()
        distributed.average([parameter.grad for parameter in self._network.parameters()
                             if parameter.grad is not None])
        self._optimiser.step()
        return losses.detach(), errors


def make_step(config: TrainConfig, network: StagedNetwork, phase: Phase,
              optimiser: Optimiser, graph: bool = True,
              teacher: Teacher | None = None) -> Step | GraphedStep:
    """
    Return the step of a phase, which asks `teacher`, if there is one.

    With `graph` a GPU replays it as a CUDA graph, unless several processes train: then the main
    one warns that steps are slower.
    """
    step = Step(config, network, phase, optimiser, teacher)
    if not graph or not phase.weights.is_cuda:
        return step
    if distributed.count() == 1:
        return GraphedStep(step, optimiser)
    if distributed.is_main():
        warnings.warn(f'{distributed.count()} processes train, so no step is replayed as a CUDA '
                      'graph, and one GPU with it may be quicker than all of them: compare the '
                      'images_per_s in log.csv with those of a run without torchrun, or say '
                      '--no-graph to train so all the same', RuntimeWarning)
    return step
