"""How the shards of a run are worked on by a Ray cluster; none of it changes a row."""

from __future__ import annotations

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from siftset.schemas.recipe.section import Section


class Cluster(Section):
    """The cluster of  --engine ray ; what is left out is left to Ray's own environment."""

    address: str | None = Field(
        None,
        description="host:port, or auto. Default: RAY_ADDRESS, else a cluster of "
        "this machine that ends with the run.",
    )
    connect_timeout: PositiveFloat = Field(
        30.0, description="Seconds in which the address must answer as a Ray cluster does."
    )
    cpus: PositiveFloat = Field(1.0, description="CPUs that one shard takes.")
    memory: PositiveInt | None = Field(
        None, description="Bytes one shard may take; its process ends above. Default: Ray's limit."
    )
    resources: dict[str, PositiveFloat] = Field(
        default_factory=dict, description="Custom resources of the nodes that may take a shard."
    )
    in_flight: PositiveInt | None = Field(
        None, description="Shards handed out at a time. Default: two for every place."
    )
    timeout: PositiveFloat = Field(3600.0, description="Seconds that one attempt may take.")
    retries: NonNegativeInt = Field(
        2, description="Further attempts, on other nodes where there are any; then quarantine."
    )
    wait_for_nodes: NonNegativeFloat = Field(
        60.0, description="Seconds to wait for a node that can take a shard."
    )
    exchange_above: NonNegativeInt = Field(
        4_000_000, description="Kept rows above which the nodes look for repeats together."
    )
    packages: tuple[str, ...] = Field(
        (), description="Packages that the signals need, installed by pip on every node."
    )
    environment: dict[str, str] = Field(
        default_factory=dict, description="Environment variables of the workers."
    )
