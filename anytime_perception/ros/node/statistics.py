"""What the node counts and measures since it was activated."""

import collections
from collections.abc import Iterable, Sequence
import math
import threading

from anytime_perception import engine
import numpy as np

_WINDOW = 200  # images, or preemptions, over which quantiles and shares are taken
_FEWEST = 20   # images by which shares are divided at least, lest one of the first few is all


class Statistics:
    """
    Counts of one node since it was activated.

    The executor's thread counts arrivals and preemptions, the worker's counts starts; both count
    answers and what is dropped. `counts` are the engine's, which alone knows which images were
    replaced.

    Attributes
    ----------
    received_on: images that arrived, bad ones included, by topic.
    lost: images that were lost on the way, as far as the middleware tells.
    bad: number of images dropped as unusable, by reason.
    started: images that work was begun on.
    stale: images that were older than a camera period when they were started.
    unstamped, future: images with a stamp of zero, or later than their arrival.
    oldest_start: greatest age of an image, by its stamp, when it was started, in seconds.
    missed: images answered after their deadline, of `budgeted` ones that had one.
    exits: how many images ended with each exit.
    published: answers that were published.
    preempts: preempt requests that were answered.

    """

    def __init__(self, counts=None):
        self._lock = threading.Lock()
        self._counts = counts
        self._replaced_before = counts.replaced if counts is not None else 0
        self.received_on: collections.Counter[str] = collections.Counter()
        self.lost = 0
        self._lost_before = 0
        self.bad: collections.Counter[str] = collections.Counter()
        self.started = 0
        self.stale = 0
        self.unstamped = 0
        self.future = 0
        self.oldest_start = 0.0
        self.missed = 0
        self.budgeted = 0
        self.exits: collections.Counter[int] = collections.Counter()
        self.published = 0
        self.preempts = 0
        self._arrivals: dict[str, collections.deque[float]] = {}
        self._ages: collections.deque[float] = collections.deque(maxlen=_WINDOW)
        self._spent: collections.deque[float] = collections.deque([0.0], maxlen=_WINDOW)
        # For each of the last images: how many had been dropped and replaced when it came, and how
        # many lost when the one before it came.
        self._gone_before: collections.deque[tuple[int, int, int]] = collections.deque(
            maxlen=_WINDOW)
        self._misses: collections.deque[bool] = collections.deque(maxlen=_WINDOW)
        self._preempts: collections.deque[float] = collections.deque(maxlen=_WINDOW)
        self._elapsed: dict[int, collections.deque[float]] = collections.defaultdict(
            lambda: collections.deque(maxlen=_WINDOW))

    def count_arrival(self, topic: str, arrival: float, age: float, spent: float = 0.0) -> None:
        """
        Count an image, arrived at `arrival` (`time.monotonic`).

        `age` is how old it was by its stamp, NaN for a stamp of zero, and `spent` how many seconds
        of its budget were over.
        """
        self.received_on[topic] += 1
        self.unstamped += math.isnan(age)
        self.future += age < 0
        if not math.isnan(age):
            self._ages.append(max(age, 0.0))
        self._spent.append(spent)
        self._gone_before.append((self.dropped, self.replaced, self._lost_before))
        self._lost_before = self.lost
        self._arrivals.setdefault(topic, collections.deque(maxlen=30)).append(arrival)

    def count_lost(self, number: int) -> None:
        """Count images that were lost on the way."""
        self.lost += number

    def count_bad(self, kind: str) -> None:
        """Count an image that was dropped for a reason called `kind`."""
        with self._lock:
            self.bad[kind] += 1

    def count_start(self, topic: str, age: float, waited: float) -> None:
        """Count the start of an image that was `age` old when it came, and has `waited` since."""
        self.started += 1
        age = waited + (max(age, 0.0) if not math.isnan(age) else 0.0)
        self.oldest_start = max(self.oldest_start, age)
        self.stale += age > self.period(topic)

    def count_refinement(self, refinement: engine.Refinement, *, fresh: bool) -> None:
        """
        Count an answer; if it is the last, also count how the image ended.

        `fresh` is False where the last repeats the answer before.
        """
        if fresh:
            self._elapsed[refinement.exit_index].append(refinement.elapsed)
        if not refinement.status.final:
            return
        with self._lock:
            self.exits[refinement.exit_index] += 1
            if math.isfinite(refinement.budget):
                # An answer that is only repeated was in time; the budget may have been cut since.
                missed = fresh and refinement.elapsed > refinement.budget
                self.budgeted += 1
                self.missed += missed
                self._misses.append(missed)

    def count_publication(self) -> None:
        """Count an answer that was published."""
        with self._lock:
            self.published += 1

    def count_preempt(self, seconds: float) -> None:
        """Count a preempt request that was answered within `seconds` of being taken up."""
        self.preempts += 1
        self._preempts.append(seconds)

    def period(self, topic: str) -> float:
        """Return the mean time between the last images of a topic, inf before the second."""
        arrivals: Sequence[float] = self._arrivals.get(topic, ())
        return (arrivals[-1] - arrivals[0]) / (len(arrivals) - 1) if len(arrivals) > 1 \
            else math.inf

    def rates(self, at: float) -> dict[str, float]:
        """Return images per second at time `at`, of topics with two images or more."""
        return {topic: 1 / max(self.period(topic), at - arrivals[-1])
                for topic, arrivals in self._arrivals.items() if len(arrivals) > 1}

    def rate(self, at: float) -> float:
        """Return images per second of the slowest topic, at time `at`; NaN before any has."""
        return min(self.rates(at).values(), default=math.nan)

    def forget_arrivals(self) -> None:
        """Begin rates anew, after a while in which the cameras were not listened to."""
        self._arrivals.clear()

    def period_of(self, topics: Iterable[str], at: float) -> float:
        """
        Return the mean time between images of any of these topics, at time `at`.

        It is inf where none has two images or more.
        """
        rates = self.rates(at)
        together = sum(rates.get(topic, 0.0) for topic in topics)
        return 1 / together if together else math.inf

    @property
    def received(self) -> int:
        """How many images arrived, bad ones included."""
        return self.received_on.total()

    @property
    def missed_share(self) -> float:
        """The share of deadline misses among the last images that had a deadline."""
        return sum(self._misses) / max(len(self._misses), _FEWEST)

    def reasons(self) -> dict[str, int]:
        """Return how many images were dropped as unusable, by reason."""
        with self._lock:
            return dict(self.bad)

    @property
    def dropped(self) -> int:
        """How many images were dropped as unusable."""
        return sum(self.reasons().values())

    @property
    def replaced(self) -> int:
        """How many images a newer one replaced before work on them was begun."""
        return self._counts.replaced - self._replaced_before if self._counts is not None else 0

    @property
    def dropped_share(self) -> float:
        """The share of the last images that was dropped as unusable."""
        return self._share(self._since(self.dropped, 0))

    @property
    def replaced_share(self) -> float:
        """The share of the last images that was replaced."""
        return self._share(self._since(self.replaced, 1))

    @property
    def lost_share(self) -> float:
        """The share of the last images, and of those lost before and among them, that was lost."""
        lost = self._since(self.lost, 2)
        return self._share(lost, lost)

    def _since(self, number: int, index: int) -> int:
        """Return how many of `number` came after the first of the last images."""
        return number - (self._gone_before[0][index] if self._gone_before else 0)

    def _share(self, number: int, more: int = 0) -> float:
        """Return `number` as a share of the last images and `more` others."""
        return min(1.0, number / max(len(self._gone_before) + more, _FEWEST))

    def age(self, q: float) -> float:
        """Return a quantile of the last images' ages at arrival, in seconds; NaN without any."""
        return _quantile(self._ages, q)

    def spent(self, q: float) -> float:
        """Return a quantile of what the last images had spent of their budgets, in seconds."""
        return _quantile(self._spent, q)

    def preempt(self, q: float) -> float:
        """Return a quantile of the times of the last preempt requests; NaN without any."""
        return _quantile(self._preempts, q)

    def elapsed(self, exit_index: int) -> float:
        """Return the median time in which an exit answered lately, in seconds; NaN if not."""
        return _quantile(self._elapsed.get(exit_index, ()), 0.5)


def _quantile(values: Iterable[float], q: float) -> float:
    values = list(values)  # the other thread may append
    return float(np.quantile(values, q)) if values else math.nan
