"""How a CLAP model is measured.

Every score works on embeddings alone, so that the same numbers come out of a
training run, of a checkpoint and of embeddings kept in a file:

* ``retrieval``: captions find clips and clips find captions;
* ``zero_shot``: classification by a prompt for each label;
* ``attribute_pairs``: the right caption against one with a wrong attribute;
* ``bootstrap``: the confidence interval of a score, over clips;
* ``card``, ``report``: the protocol card, and the files a result is kept in;
* ``plots``: training curves, similarity and confusion matrices as pictures;
* ``similarity``, ``markdown``: what these share.
"""
