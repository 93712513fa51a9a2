"""Many independent items: the one door that runs them, here or on a cluster, and what was done."""
