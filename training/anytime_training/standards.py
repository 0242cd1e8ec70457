"""The standard settings, where they are not the paper's for CIFAR."""

# Of data sets.
_DATASETS: dict[str, dict] = {
    'digits': {'units_per_block': (4,), 'channels': 32, 'input_size': 8, 'epochs': 20,
               'batch_size': 64, 'lr': 0.05, 'schedule': 'one_cycle', 'average': 0.99,
               'label_smoothing': 0.1, 'flip': False},
    'svhn': {'flip': False, 'lighting': True}}
# Of backbones, whose weights are mostly there already.
_BACKBONE = {'units_per_block': (), 'channels': 0, 'input_size': 224, 'epochs': 30,
             'batch_size': 64, 'lr': 0.02, 'schedule': 'one_cycle'}
# Of optimisers.
_OPTIMISERS: dict[str, dict] = {
    'muon': {'lr': 0.015, 'momentum': 0.95, 'nesterov': True, 'weight_decay': 0.0}}


def standard_settings(dataset: str, backbone: str, optimiser: str) -> dict:
    """Return what differs from the paper's settings for CIFAR, `TrainConfig`'s defaults."""
    return {**_DATASETS.get(dataset, {}), **(_BACKBONE if backbone else {}),
            **_OPTIMISERS.get(optimiser, {})}
