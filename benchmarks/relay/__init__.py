"""What a relayed chunk costs: our facade and runtime beside others in Go, and the floor in C."""
