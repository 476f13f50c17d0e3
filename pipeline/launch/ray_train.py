"""Training in the workers of Ray Train, on as many nodes as it takes."""

from __future__ import annotations

from pathlib import Path

from pydantic import JsonValue

from siftset.pipeline.engines.ray.nodes import connect_cluster, leave_cluster, restore_handlers
from siftset.pipeline.launch.task import Launch
from siftset.pipeline.launch.worker import join_training
from siftset.schemas.errors import MissingExtraError
from siftset.schemas.progress import Progress


def run_on_ray(run: Launch, task: dict[str, JsonValue], progress: Progress) -> str | None:
    """Train on a Ray cluster; return None, or why training failed after all restarts."""
    try:
        import ray
        import ray.train.torch as ray_torch
        from ray import train as ray_train
    except ImportError:
        raise MissingExtraError("training on Ray", "ray") from None
    distributed = run.config.distributed
    assert distributed is not None
    cluster = run.loaded.recipe.ray
    with restore_handlers():
        connect_cluster(cluster, None)
        try:
            trainer = ray_torch.TorchTrainer(
                join_training,
                train_loop_config=task,
                scaling_config=ray_train.ScalingConfig(
                    num_workers=distributed.processes,
                    use_gpu=bool(ray.cluster_resources().get("GPU", 0)),
                    resources_per_worker=cluster.resources or None,
                ),
                run_config=ray_train.RunConfig(
                    name="ray",
                    storage_path=str(Path(str(task["refusals"])).resolve()),
                    failure_config=ray_train.FailureConfig(max_failures=distributed.restarts),
                ),
            )
            progress.say(f"training in {distributed.processes} workers of Ray Train")
            trainer.fit()
        except ray_train.base_trainer.TrainingFailedError as error:
            return " ".join(str(error).split())[-300:]
        finally:
            leave_cluster()
    return None
