"""How many small faults in the product the tests notice: `make mutants AREA=…`."""
