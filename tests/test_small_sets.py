"""Training figures for small sets and for fine-tuning."""

from __future__ import annotations

import pytest
from test_initial import joined

from clap_sb.training.optimization import suited_settings, training_figures

FIGURES = {
    "init": None,
    "grad_accumulation_factor": 1,
    "batch_size": 64,
    "number_of_epochs": 30,
    "warmup_steps": 500,
    "lr": 0.01,
    "audio_lr": 0.02,
    "text_lr": 0.03,
    "finetune_epochs": 5,
    "finetune_steps": 40,
    "finetune_lr_factor": 0.1,
}
RATES = ("lr", "audio_lr", "text_lr")


@pytest.mark.parametrize("num_clips", [1, 5, 63, 64, 65, 5000])
@pytest.mark.parametrize("accumulation", [1, 4])
def test_a_step_fits_into_the_set_and_warm_up_into_the_steps(num_clips, accumulation):
    values = {**FIGURES, "grad_accumulation_factor": accumulation}
    suited = training_figures(values, num_clips)
    assert 1 <= suited["batch_size"] <= max(1, num_clips // accumulation)
    assert suited["batch_size"] <= 64
    steps = 30 * max(1, num_clips // (suited["batch_size"] * accumulation))
    assert 1 <= suited["warmup_steps"] <= max(1, 0.1 * steps)
    assert suited["lr"] == 0.01 and suited["number_of_epochs"] == 30


@pytest.mark.parametrize(
    ("num_clips", "size"), [(28, 28), (65, 32), (150, 50), (700, 64), (128, 64)]
)
def test_all_clips_of_a_short_epoch_are_used(num_clips, size):
    assert training_figures(FIGURES, num_clips)["batch_size"] == size


def test_a_large_set_keeps_the_systems_figures():
    suited = training_figures(FIGURES, 50000)
    assert suited.items() <= FIGURES.items()


def test_fine_tuning_is_short_and_slow():
    suited = training_figures({**FIGURES, "init": "run"}, 50000)
    assert suited["number_of_epochs"] == 5
    rates = [suited[key] for key in RATES]
    assert rates == pytest.approx([0.001, 0.002, 0.003])


@pytest.mark.parametrize(("num_clips", "epochs"), [(3, 40), (640, 5), (130, 14)])
def test_fine_tuning_on_few_clips_takes_some_steps_all_the_same(num_clips, epochs):
    suited = training_figures({**FIGURES, "init": "run"}, num_clips)
    assert suited["number_of_epochs"] == epochs


def test_what_is_given_on_the_command_line_stays(capsys):
    config = joined("{init: run, lr: 0.5, batch_size: 7, train_csv: my.csv}")
    values = config.updated(suited_settings(config, 28)).values()
    assert [values[rate] for rate in RATES] == [0.5, 0.5, 0.5]
    assert values["batch_size"] == 7
    assert values["number_of_epochs"] == 25  # 100 steps, 4 an epoch
    assert "number_of_epochs: 25 (instead of 60" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "rates"),
    [
        ("lr: 0.5, text_lr: 0.1", [0.5, 0.5, 0.1]),
        ("text_lr: 0.1", [0.0003, 0.0003, 0.1]),
        ("audio_lr: 0.1", [0.0003, 0.1, 0.0003]),
    ],
)
def test_each_rate_that_is_given_stays_and_no_other(given, rates):
    config = joined(f"{{init: run, {given}, train_csv: my.csv}}")
    values = config.updated(suited_settings(config, 28)).values()
    assert [values[rate] for rate in RATES] == pytest.approx(rates)


def test_a_rate_of_its_own_does_not_stay_for_another_one():
    config = joined("{init: run, lr: 0.5, train_csv: my.csv}")
    config = config.redefined("audio_lr: 0.01\ntext_lr: !ref <audio_lr>")
    values = config.updated(suited_settings(config, 28)).values()
    assert [values[rate] for rate in RATES] == pytest.approx([0.5, 0.003, 0.003])
