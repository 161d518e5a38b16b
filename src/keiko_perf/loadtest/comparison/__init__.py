"""Two versions beside each other: started in turns, or as two results that were kept."""
