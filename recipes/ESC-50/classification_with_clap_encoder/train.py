"""Classifies environmental sounds with the audio tower of a CLAP as encoder.

It follows SpeechBrain's own recipe for ESC-50. Run from the root of the repository:

    python recipes/ESC-50/classification_with_clap_encoder/train.py \
        recipes/ESC-50/classification_with_clap_encoder/hparams/train.yaml \
        --data_folder FOLDER --clap_export FOLDER

``--freeze_encoder False`` trains the encoder along, ``--lora_rank 8`` adapters in a
frozen one. Without ``--clap_export`` the encoder starts from random weights.

Authors
 * The clap_sb developers 2026
"""

import functools
import re
import sys
from pathlib import Path

import clap_sb.experiment  # noqa: F401  first: see there

# isort: split
import speechbrain as sb
import torch
import torch.nn.functional as F
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.utils.distributed import run_on_main

from clap_sb.config import join
from clap_sb.data.audio import read_wav
from clap_sb.data.builtin import write_esc50
from clap_sb.data.manifest import read_manifest
from clap_sb.experiment.command_line import (
    read_command_line,
    run_option_kinds,
    tell_help,
)
from clap_sb.experiment.run import run_recipe
from clap_sb.whole_file import write_whole

sys.path.append(str(Path(__file__).resolve().parents[1]))  # of the data set
from esc50_prepare import prepare_esc50  # noqa: E402

SPLITS = ("train", "valid", "test")


class SoundClassifier(sb.Brain):
    """An encoder, and a linear layer over its normalised embeddings."""

    def compute_forward(self, batch, stage):
        """Waveforms to logits, ``[batch, classes]``."""
        wavs, wav_lens = batch.to(self.device).sig
        embedding = self.modules.encoder(wavs, wav_lens)
        return self.modules.classifier(self.modules.embedding_norm(embedding))

    def compute_objectives(self, logits, batch, stage):
        """Cross-entropy; counts what is right."""
        target = batch.label.data.squeeze(1)
        self.right += (logits.argmax(1) == target).sum().item()
        self.seen += len(target)
        return F.cross_entropy(logits, target)

    def on_stage_start(self, stage, epoch=None):
        """Begins to count."""
        self.right = self.seen = 0

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """Logs; after validation also steps the learning rate and saves."""
        stats = {"loss": stage_loss, "accuracy": 100 * self.right / self.seen}
        logger = self.hparams.train_logger
        if stage == sb.Stage.TRAIN:
            self.train_stats = stats
        elif stage == sb.Stage.VALID:
            lr, next_lr = self.hparams.lr_annealing(epoch)
            sb.nnet.schedulers.update_learning_rate(self.optimizer, next_lr)
            logger.log_stats({"epoch": epoch, "lr": lr}, self.train_stats, stats)
            self.checkpointer.save_and_keep_only(
                meta={"accuracy": stats["accuracy"]}, max_keys=["accuracy"]
            )
        else:
            logger.log_stats({"test clips": self.seen}, test_stats=stats)
            print(f"test accuracy: {stats['accuracy']:.2f} % of {self.seen} clips")


def dataio_prep(hparams, clips):
    """One dataset a split, by folds: a part of each clip to train on, or all of it."""
    encoder = hparams["label_encoder"]
    encoder.update_from_iterable(sorted({clip.label for clip in clips}))
    encoder.expect_len(len(encoder))
    read = functools.lru_cache(hparams["cached_clips"])(read_wav)
    size = hparams["clap_encoder"].clip_samples

    @sb.utils.data_pipeline.takes("path")
    @sb.utils.data_pipeline.provides("sig")
    def whole(path):
        return read(path, hparams["sample_rate"])

    @sb.utils.data_pipeline.takes("path")
    @sb.utils.data_pipeline.provides("sig")
    def random_part(path):
        wav = whole(path)
        start = torch.randint(max(len(wav) - size, 0) + 1, ())
        return wav[start:][:size]

    @sb.utils.data_pipeline.takes("category")
    @sb.utils.data_pipeline.provides("label")
    def label_pipeline(category):
        return encoder.encode_label_torch(category)

    datasets = {}
    for split in SPLITS:
        chosen = [clip for clip in clips if clip.fold in hparams[f"{split}_folds"]]
        datasets[split] = DynamicItemDataset(
            {clip.id: {"path": clip.path, "category": clip.label} for clip in chosen},
            [random_part if split == "train" else whole, label_pipeline],
            ["id", "sig", "label"],
        )
    return datasets


def check(hparams, settings):
    """Refuses settings that exclude each other, and the folder of another run."""
    if hparams["lora_rank"] and not hparams["freeze_encoder"]:
        raise ValueError(
            "adapters are for a frozen encoder: batch statistics that moved would not "
            "be saved with them. Leave out --freeze_encoder False, or --lora_rank"
        )
    folder = Path(hparams["output_folder"])
    before = folder / "hyperparams.yaml"
    if not before.is_file() or not any(Path(hparams["save_folder"]).iterdir()):
        return
    then, now = _lines(before.read_text(encoding="utf-8")), _lines(settings)
    if then != now:
        changed = "; ".join(sorted({*then} ^ {*now}))
        raise ValueError(
            f"{folder} holds a run with other settings ({changed}): choose another "
            "--output_folder, or delete it to start afresh"
        )


def keep_settings(hparams, settings):
    """Writes what the results come from, for `check` and for readers."""
    path = Path(hparams["output_folder"]) / "hyperparams.yaml"
    write_whole(path, settings)


def _lines(text):
    """The lines of a resolved YAML without comments, such as SpeechBrain's head."""
    text = re.sub(r'("(?:[^"\\]|\\.)*")|(?:^|\s)#.*', r"\1", text, flags=re.MULTILINE)
    return [line.strip() for line in text.splitlines() if line.strip()]


def prepare(hparams):
    """The clips of all folds, after writing the built-in set where it is wanted."""
    folder = hparams["data_folder"]
    if folder == "builtin":
        folder = hparams["builtin_folder"]
        count = hparams["builtin_clips_per_class"]
        run_on_main(write_esc50, args=[folder, count, hparams["seed"]])
    where = {"data_folder": folder, "save_folder": hparams["output_folder"]}
    run_on_main(prepare_esc50, kwargs=where)
    return read_manifest(prepare_esc50(**where, skip_prep=True))


def load_modules(hparams):
    """The encoder as it was pretrained, with adapters if asked for, and the head."""
    run_on_main(hparams["pretrainer"].collect_files)
    hparams["pretrainer"].load_collected()
    encoder = hparams["clap_encoder"]
    if hparams["lora_rank"]:  # after the weights are loaded, since it renames them
        encoder = hparams["add_adapters"](encoder)
    return {
        "encoder": encoder,
        "embedding_norm": hparams["embedding_norm"],
        "classifier": hparams["classifier"](out_features=len(hparams["label_encoder"])),
    }


def main(argv):
    """Prepares, trains and tests."""
    tell_help(argv, [])
    line = read_command_line(argv)
    config = join([line.file], line.settings, run_option_kinds())
    sb.utils.distributed.ddp_init_group(line.run_opts)
    hparams = config.build()
    run_on_main(check, args=[hparams, config.resolved()])
    sb.create_experiment_directory(hparams["output_folder"])
    run_on_main(keep_settings, args=[hparams, config.resolved()])
    datasets = dataio_prep(hparams, prepare(hparams))
    modules = load_modules(hparams)
    parts = {name: modules[name] for name in ("encoder", "classifier")}
    hparams["checkpointer"].add_recoverables(parts)
    brain = SoundClassifier(
        modules, hparams["opt_class"], hparams, line.run_opts, hparams["checkpointer"]
    )
    brain.fit(
        hparams["epoch_counter"],
        datasets["train"],
        datasets["valid"],
        train_loader_kwargs=hparams["train_loader"],
        valid_loader_kwargs=hparams["eval_loader"],
    )
    brain.evaluate(
        datasets["test"], max_key="accuracy", test_loader_kwargs=hparams["eval_loader"]
    )


if __name__ == "__main__":
    run_recipe(main)
