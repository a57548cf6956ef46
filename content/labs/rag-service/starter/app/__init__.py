"""A first version: it finds clauses by shared words and believes what the model says."""
