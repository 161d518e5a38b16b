"""Up to which rate promises are kept: the search, its steps, the model and the report."""
