"""Tokens a second of our training loop beside SAELens's trainer: same configuration, same data, one run, one thread.

    python -m course_utils.training.sae_speed                (two minutes of one core)

Both train a TopK autoencoder from the same seed on the same batches with Adam and an auxiliary loss for dead latents.
Seconds are the processor's, so that other programs on the machine do not count.
"""

import itertools
import time
from collections.abc import Iterator

import torch
from torch import Tensor

from course_utils.training.sae_train import TrainConfig, scale_of, train

__all__ = ["ours", "saelens"]


def ours(resid: Tensor, config: TrainConfig) -> tuple[float, float]:
    """Tokens a second, and the unexplained variance of the last batch."""
    began = time.process_time()
    _, history = train(resid, config)
    return config.steps * config.batch / (time.process_time() - began), history[-1]["fvu"]


def saelens(resid: Tensor, config: TrainConfig) -> tuple[float, float]:
    """The same of SAELens's `SAETrainer`. Its sparse activations have no gradient on a processor, so it is dense."""
    from sae_lens import SAETrainingRunner  # noqa: F401 (imports all that the trainer needs)
    from sae_lens.config import LoggingConfig, SAETrainerConfig
    from sae_lens.saes.topk_sae import TopKTrainingSAE, TopKTrainingSAEConfig
    from sae_lens.training.sae_trainer import SAETrainer

    torch.manual_seed(config.seed)
    about = TopKTrainingSAEConfig(
        d_in=resid.shape[1], d_sae=config.d_sae, k=config.k, use_sparse_activations=False
    )
    sae = TopKTrainingSAE(about)
    settings = SAETrainerConfig(
        total_training_samples=config.steps * config.batch,
        train_batch_size_samples=config.batch,
        lr=config.learning_rate,
        lr_end=config.learning_rate,
        lr_decay_steps=config.steps // 5,
        lr_warm_up_steps=config.warm_up,
        device="cpu",
        autocast=False,
        n_checkpoints=0,
        checkpoint_path=None,
        save_final_checkpoint=False,
        dead_feature_window=config.dead_after // config.batch,
        feature_sampling_window=10**9,
        logger=LoggingConfig(log_to_wandb=False),
    )
    scale = scale_of(resid)
    last: list[Tensor] = []
    began = time.process_time()
    SAETrainer(settings, sae, _batches(resid, config, scale, last)).fit()
    rate = config.steps * config.batch / (time.process_time() - began)
    with torch.no_grad():
        x = last[0]
        fvu = float((sae(x) - x).square().sum() / (x - x.mean(0)).square().sum())
    return rate, fvu


def _batches(resid: Tensor, config: TrainConfig, scale: float, last: list[Tensor]) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(config.seed)
    for _ in itertools.count():
        x = resid[torch.randint(len(resid), (config.batch,), generator=generator)].float() / scale
        last[:] = [x]
        yield x


if __name__ == "__main__":
    from course_utils.models import cache_dir
    from course_utils.training.sae_harvest import MIDDLE, load_harvest

    torch.set_num_threads(1)
    harvested = load_harvest(cache_dir() / "sae-activations" / "real", MIDDLE, n_shards=5)
    data = harvested.resid[harvested.train]
    settings = TrainConfig(steps=16)
    for name, (rate, fvu) in {
        "ours": ours(data, settings),
        "SAELens": saelens(data, settings),
    }.items():
        print(
            f"{name:16} {rate:8,.0f} tokens a second of one core; unexplained variance {fvu:.3f}", flush=True
        )
