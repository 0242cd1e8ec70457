"""Training of anytime networks, on the workstation: data sets, losses, strategies, evaluation."""

import os

# Threads of OpenMP that wait by spinning make training ten times slower as soon as another process
# wants a core too. It is read when PyTorch is loaded, hence here.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
