"""From the records of ``data/results`` to the tables and figures of the book."""
