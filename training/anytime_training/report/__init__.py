"""The report over runs: the tables and figures of the paper, and ours, with its numbers beside."""
