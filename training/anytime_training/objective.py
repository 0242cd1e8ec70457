"""The losses of the exits, and the softer targets that modern recipes give them."""

from anytime_training.device import to_device
import torch
from torch import Tensor
from torch.nn import functional


def exit_losses(logits: list[Tensor], labels: Tensor, smoothing: float = 0.0,
                distillation: float = 0.0, temperature: float = 3.0,
                mixed: tuple[Tensor, ...] | None = None, boosted: bool = False,
                taught: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """
    Return loss and top-1 error, (exits,) each, averaged over the batch.

    `logits` are those of each exit, (N, classes), for `labels` (N,). `smoothing` is the share of a
    target that is spread over all classes.

    `distillation` is the share of each loss, except the last exit's, that is the Kullback-Leibler
    divergence from the last exit's answer, both softened by `temperature` (self-distillation; Li
    et al., ICCV 2019). No gradient goes into that answer. With a teacher's logits `taught` (N,
    classes) it is the divergence from these, in all losses (Hinton et al. 2015).

    `mixed` is for images that are mixtures: the labels of their second parts, and the shares of
    their first, (N,) each. Errors then count the first label.

    With `boosted`, an exit's answer is the sum of its logits and those of all earlier exits. No
    gradient goes into the latter, so it learns what they leave (BoostNet, Yu et al., AAAI 2023).
    """
    stacked = torch.stack(logits).float()
    if boosted:
        given = stacked.detach()
        stacked = stacked + (given.cumsum(dim=0) - given)
    exits, images, classes = stacked.shape

    def cross_entropy(targets: Tensor) -> Tensor:
        return functional.cross_entropy(stacked.view(-1, classes), targets.repeat(exits),
                                        reduction='none', label_smoothing=smoothing
                                        ).view(exits, images)
    losses = cross_entropy(labels)
    if mixed is not None:
        others, share = mixed
        losses = share * losses + (1 - share) * cross_entropy(others)
    losses = losses.mean(dim=1)
    if distillation:
        softened = torch.log_softmax(stacked / temperature, dim=2)
        target = (softened[-1].detach() if taught is None else
                  torch.log_softmax(taught / temperature, dim=1))
        divergence = (target.exp() * (target - softened)).sum(dim=2).mean(dim=1)
        kinder = (1 - distillation) * losses + distillation * temperature ** 2 * divergence
        losses = torch.cat([kinder[:-1], losses[-1:]]) if taught is None else kinder
    errors = (stacked.detach().argmax(dim=2) != labels).float().mean(dim=1)
    return losses, errors


def mix(images: Tensor, labels: Tensor, alpha: float, draws: torch.Generator,
        ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """
    Blend every image with another of the batch (mixup, Zhang et al. 2018).

    One share ~ Beta(alpha, alpha) for each image. Return the blends, and for `exit_losses` the
    second labels and the shares of the first.
    """
    count = len(labels)
    # Not a public name of PyTorch's, whose distributions take no generator. A gamma of a small
    # alpha is too small to write down, so its logarithm is drawn, by way of alpha + 1.
    gammas = torch._standard_gamma(torch.full((2, count), alpha + 1.0), generator=draws)
    logs = gammas.log() + (1 - torch.rand(2, count, generator=draws)).log() / alpha
    share = to_device(torch.sigmoid(logs[0] - logs[1]), images.device)
    partner = to_device(torch.randperm(count, generator=draws), images.device)
    blended = torch.lerp(images[partner], images, share[:, None, None, None])
    return blended, (labels[partner], share)
