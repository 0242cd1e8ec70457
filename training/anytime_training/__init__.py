"""Training of anytime networks, on the workstation: data sets, losses, strategies, evaluation."""
