"""Other programs than PyTorch that compute a model's towers on a CPU.

========== =============================================================================
file       what it holds
========== =============================================================================
choice     the names, and which of them can be used here
tower_graph a tower as a graph: what goes in, what comes out, how shapes may vary
openvino_graph, onnxruntime_graph  a graph in that program's form, and run by it
graph_file one file a graph, that is seen to be whole when it is read
graph_cache where these are kept, and by what name
compiled   from a tower to what computes it: from the cache, or converted and compared
towers     a model whose towers are computed so, and ``auto``
========== =============================================================================
"""
