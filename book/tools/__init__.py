"""What makes the book: run a notebook, build the pages, check their links."""
