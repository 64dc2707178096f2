"""How a CLAP model is measured.

Every score works on embeddings alone, so that the same numbers come out of a
training run, of a checkpoint and of embeddings kept in a file:

* ``retrieval``: captions find clips and clips find captions;
* ``zero_shot``, ``prompts``: classification by sentences for each label;
* ``multi_label``: the same for clips with several labels each;
* ``linear_probe``: logistic regression on frozen embeddings, fold by fold;
* ``protocols``, ``class_rules``: the rules that published scores follow, by name;
* ``rescoring``, ``ranked_matrix``: correction for hubs, and retrieval after it;
* ``attribute_pairs``: the right caption against one with a wrong attribute;
* ``bootstrap``: the confidence interval of a score, over clips;
* ``card``, ``report``: the protocol card, and the files a result is kept in;
* ``plots``: training curves, similarity and confusion matrices as pictures;
* ``similarity``, ``markdown``: what these share.
"""
