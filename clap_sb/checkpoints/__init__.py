"""Public checkpoint formats and ours: pure functions from state dict to state dict."""
