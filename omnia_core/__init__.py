"""What at least two of the programs agree on, and nothing else."""
