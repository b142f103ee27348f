"""One model, its admin, and the views that move bytes."""
