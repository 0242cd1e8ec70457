"""What a planner got: accuracy by exit and by budget, preemption latency. Knows no ROS."""

import collections
from collections.abc import Hashable
from dataclasses import dataclass, field
import math

import numpy as np


@dataclass
class Seen:
    """The refinements of one image, in the order in which they came."""

    exits: list[int] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    elapsed_ms: list[float] = field(default_factory=list)
    budget_ms: float = math.inf
    preempted: bool = False
    final: bool = False


class Scorecard:
    """
    Collects refinements, truths and service latencies, and sums them up.

    The caller tells images apart by a key, such as their stamp. One thread may sum up while
    another adds.

    Attributes
    ----------
    exit_count: of the model; refinements must be of one of these exits.

    """

    def __init__(self, class_ids: list[str], exit_count: int):
        self._class_ids = set(class_ids)
        self.exit_count = exit_count
        self._truths: dict = {}
        self._images: dict = collections.defaultdict(Seen)
        self._seconds: dict[str, list[float]] = {'preempt': [], 'set_budget': []}
        self.shown = 0
        self.refinements = 0
        self.older_than_published = 0

    def add_truth(self, key: Hashable, class_id: str) -> None:
        """Note what image `key` really shows; ignored if the model does not know that class."""
        self.shown += 1
        if class_id in self._class_ids:
            self._truths[key] = class_id

    def truth(self, key: Hashable) -> str | None:
        """Return what image `key` really shows, None if nobody has said."""
        return self._truths.get(key)

    def add_refinement(self, key: Hashable, exit_index: int, answer: str, elapsed_ms: float,
                       budget_ms: float, *, final: bool, preempted: bool) -> None:
        """Note an answer about image `key`."""
        self.refinements += 1
        seen = self._images[key]
        # A final status may repeat the newest answer.
        if not seen.exits or exit_index > seen.exits[-1]:
            seen.answers.append(answer)
            seen.elapsed_ms.append(elapsed_ms)
            seen.exits.append(exit_index)  # after what an exit must have, and before final
        seen.preempted = preempted
        seen.budget_ms = budget_ms
        seen.final = final

    def add_call(self, service: str, seconds: float) -> None:
        """Note how long a service call took, as its caller saw it."""
        self._seconds[service].append(seconds)

    def elapsed_ms(self, exit_index: int, q: float) -> float | None:
        """Return a quantile of the time in which an exit answered, None if it never did."""
        return _quantile([milliseconds for seen in list(self._images.values())
                          for index, milliseconds in zip(seen.exits, seen.elapsed_ms)
                          if index == exit_index], q)

    def summary(self) -> dict:
        """Return everything as JSON-ready numbers; None where there is nothing to say."""
        by_exit: list[list[bool]] = [[] for _ in range(self.exit_count)]
        elapsed: list[list[float]] = [[] for _ in range(self.exit_count)]
        for key, seen in self._items():
            for exit_index, answer, elapsed_ms in zip(seen.exits, seen.answers, seen.elapsed_ms):
                elapsed[exit_index].append(elapsed_ms)
                if key in self._truths:
                    by_exit[exit_index].append(answer == self._truths[key])
        return {
            'images': len(self._images),
            'images_shown': self.shown,
            'refinements': self.refinements,
            'accuracy_by_exit': [_mean(values) for values in by_exit],
            'elapsed_ms_by_exit': [_quantile(values, 0.5) for values in elapsed],
            'refined_to_the_end': self._refined_to_the_end(),
            'preempt': {**_latency(self._seconds['preempt']),
                        'older_than_published': self.older_than_published},
            'set_budget': _latency(self._seconds['set_budget']),
            'budgets': self._by_budget(),
        }

    def _items(self) -> list[tuple]:
        """Return the images so far, by key."""
        # A list of the keys is made in one go. A list of the items is not: garbage collection may
        # run between the pairs, and let the other thread run.
        return [(key, self._images[key]) for key in list(self._images)]

    def _refined_to_the_end(self) -> dict:
        """
        Return accuracy and median time of each exit over the images that reached all of them.

        Later exits answer fewer images, and other ones, than the first: only the same images at
        every exit can be compared.
        """
        whole = [(key, seen) for key, seen in self._items()
                 if len(seen.exits) == self.exit_count and key in self._truths]
        exits = range(self.exit_count)
        return {
            'images': len(whole),
            'accuracy_by_exit': [
                _mean([seen.answers[index] == self._truths[key] for key, seen in whole])
                for index in exits],
            'elapsed_ms_by_exit': [
                _quantile([seen.elapsed_ms[index] for _, seen in whole], 0.5) for index in exits],
        }

    def _by_budget(self) -> list[dict]:
        groups = collections.defaultdict(list)
        for key, seen in self._items():
            if seen.final and not seen.preempted:
                groups[round(seen.budget_ms, 3)].append((key, seen))
        return [{
            'budget_ms': budget_ms if math.isfinite(budget_ms) else None,
            'images': len(group),
            'mean_exit': _mean([seen.exits[-1] for _, seen in group]),
            'accuracy': _mean([seen.answers[-1] == self._truths[key]
                               for key, seen in group if key in self._truths]),
            'answered_in_time': _mean([seen.elapsed_ms[-1] <= budget_ms for _, seen in group]),
        } for budget_ms, group in sorted(groups.items())]


def _mean(values: list) -> float | None:
    return float(np.mean(values)) if values else None


def _quantile(values: list, q: float) -> float | None:
    return float(np.quantile(values, q)) if values else None


def _latency(seconds: list[float]) -> dict:
    milliseconds = [1e3 * value for value in seconds]
    return {'calls': len(seconds), 'p50_ms': _quantile(milliseconds, 0.5),
            'p99_ms': _quantile(milliseconds, 0.99), 'max_ms': max(milliseconds, default=None)}
