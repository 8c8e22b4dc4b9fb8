"""How models answer over HTTP: what a request may be, what an answer looks like, and the server of `automl serve`."""
