"""Reading strangers' pickles without running their code."""
