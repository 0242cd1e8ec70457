"""Training of anytime networks, on the workstation: data sets, losses, strategies, evaluation."""

import os

# OpenMP's threads spin while they wait, which makes training ten times slower as soon as another
# process wants a core, too. This is read when PyTorch is loaded, hence it is set here.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
