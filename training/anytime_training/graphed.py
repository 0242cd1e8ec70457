"""
A training step as one CUDA graph.

A step of a network with 27 exits is some thousands of small kernels. Python needs longer to launch
them one by one than the GPU needs to run them; captured as a graph, they are launched at once.
"""

from collections.abc import Callable
import warnings

from anytime_training.optimiser import Optimiser
import torch
from torch import Tensor

_WARM_UP = 3  # steps before the capture: momentum and cuDNN's choices must be there by then

StepFunction = Callable[..., tuple[Tensor, ...]]


def capture(step: Callable[[], tuple[Tensor, ...]]) -> Callable[[], tuple[Tensor, ...]]:
    """Return `step` as a CUDA graph: a function that replays it and returns the same tensors."""
    graph, before = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
    try:
        with torch.cuda.graph(graph):
            results = step()
    except RuntimeError:
        # If it fails, so does ending the capture, which leaves PyTorch on the stream of it.
        torch.cuda.set_stream(before)
        raise

    def replay() -> tuple[Tensor, ...]:
        graph.replay()
        return results
    return replay


class GraphedStep:
    """
    A step of training that is run a few times as it is, then captured and from then on replayed.

    Each call is one step, whichever way it is run. If capturing fails, a warning says so once, and
    further steps are run as they are.

    Parameters
    ----------
    step: from tensors, always of the same shapes and on the GPU, to tensors; what it runs must not
        depend on their values.
    optimiser: the one that `step` uses; fused, so that it reads its learning rate on the device.
    capture: as `capture` above.

    """

    def __init__(self, step: StepFunction, optimiser: Optimiser,
                 capture: Callable = capture):
        self._step, self._optimiser, self._capture = step, optimiser, capture
        self._steps = 0
        self._inputs: tuple[Tensor, ...] = ()
        self._replay: Callable[[], tuple[Tensor, ...]] | None = None
        self._failed = False
        self._side: torch.cuda.Stream | None = None
        self._rate: Tensor | None = None

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return what `step` returns; the next call may write over it."""
        if self._rate is None:
            self._rate = torch.zeros((), device=inputs[0].device)
        groups = self._optimiser.param_groups
        rate = groups[0]['lr']  # the same in all groups
        self._rate.fill_(rate)
        for group in groups:  # a graph would keep a number for good
            group['lr'] = self._rate
        try:
            with torch.cuda.device_of(self._rate):  # streams are those of the current device
                return self._run(inputs)
        finally:
            for group in groups:  # a number again, to be logged and saved
                group['lr'] = rate

    def _run(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        if self._steps == _WARM_UP:
            self._try_to_capture(inputs)
        self._steps += 1
        if self._failed:
            return self._step(*inputs)
        if self._replay is None:
            return self._aside(inputs)
        for held, given in zip(self._inputs, inputs):
            held.copy_(given, non_blocking=True)
        return self._replay()

    def _aside(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Run the step on a stream of its own, as PyTorch asks for before a capture."""
        if not inputs[0].is_cuda:
            return self._step(*inputs)
        current, self._side = torch.cuda.current_stream(), self._side or torch.cuda.Stream()
        self._side.wait_stream(current)
        with torch.cuda.stream(self._side):
            results = self._step(*inputs)
        current.wait_stream(self._side)
        return results

    def _try_to_capture(self, inputs: tuple[Tensor, ...]) -> None:
        self._inputs = tuple(tensor.detach().clone() for tensor in inputs)
        # The graph makes gradients of its own: those of earlier steps are not in its memory.
        self._optimiser.zero_grad(set_to_none=True)
        try:
            self._replay = self._capture(lambda: self._step(*self._inputs))
        except RuntimeError as error:
            self._inputs, self._failed = (), True
            self._optimiser.zero_grad(set_to_none=True)
            reason = error.__context__ or error  # what failed first, not ending
            warnings.warn('the training step cannot be captured as a CUDA graph and is slower '
                          f'without: {(str(reason) or repr(reason)).splitlines()[0]} (if training '
                          'fails after this, go on with --resume --no-graph)', RuntimeWarning)
