"""The command `anytime`: what it does, its options, and how it ends."""

from anytime_training.cli.command_line import main

__all__ = ['main']
