"""Training objectives, the learned temperature and the gather across ranks."""
