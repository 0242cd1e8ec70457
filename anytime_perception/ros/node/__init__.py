"""The perception node and its parts, each with what it does around the engine."""
