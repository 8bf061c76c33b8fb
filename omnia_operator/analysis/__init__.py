"""The language of a RolloutAnalysis: its conditions, and the arguments in its texts."""
