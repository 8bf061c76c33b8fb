"""`omnia eval`: asks an agent the cases of a dataset, and evaluates the answers."""
