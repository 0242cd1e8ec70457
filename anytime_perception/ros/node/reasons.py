"""Why a budget, the engine or the node is not to be relied on: sentences for people."""


from anytime_perception import engine
from anytime_perception.ros.node import parameters
from anytime_perception.ros.node.host import Host


def budget_refusal(running: engine.AnytimeEngine | None, budget_ms: float) -> str:
    """
    Return why `budget_ms` is no budget for this model on this device; empty if it is.

    A budget that is too short only at present is accepted: what the node accepts must not depend
    on one slow image.
    """
    if reason := parameters.reason_against('budget_ms', budget_ms):
        return reason
    if running is not None and budget_ms / 1e3 < running.profile.quickest:
        return (f'a budget of {budget_ms:g} ms is shorter than the first exit, which takes '
                f'{running.profile.quickest * 1e3:.2f} ms on this device at best')
    return ''


def inactive_reason(node: Host) -> str:
    """Return why `node` is not active, or what to do."""
    return (f'the node is not active: {node.trouble}' if node.trouble else
            'the node is not active; activate it first')


def engine_failure(running: engine.AnytimeEngine) -> str:
    """Return why the engine has stopped answering, and what to do; empty if it has not."""
    return '' if running.failure is None else (
        f'the network failed again and again: {running.failure!r}; clean up and configure to try '
        'anew')


def budget_warning(running: engine.AnytimeEngine, budget_ms: float) -> str:
    """Return why `budget_ms` may not be kept at present; empty if it may."""
    if running.profile.exit_within(budget_ms / 1e3) is not None:
        return ''
    return (f'a budget of {budget_ms:g} ms is shorter than the first exit, which takes up to '
            f'{running.profile.p99[0] * 1e3:.2f} ms on this device at present (p99); every image '
            'is refined up to that exit all the same')
