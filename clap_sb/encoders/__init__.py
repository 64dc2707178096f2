"""Audio and text towers and projection heads: plain ``nn.Module`` classes."""
