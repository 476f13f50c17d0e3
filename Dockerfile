# A slim image for CPUs, without root:
#   docker build -t siftset .
#   docker run --rm -v "$PWD:/data" siftset curate recipe.yaml
# With a volume of another user:  --user "$(id -u):$(id -g)"
FROM python:3.12-slim AS build
WORKDIR /src
COPY . .
RUN python -m venv /opt/siftset \
    && /opt/siftset/bin/pip install --no-cache-dir --upgrade "pip>=25.1"
# The index of wheels for CPUs keeps out gigabytes of CUDA; every version is that of constraints.txt.
ARG EXTRAS=fast,gate,train
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN /opt/siftset/bin/pip install --no-cache-dir --constraint constraints.txt \
        --extra-index-url "$TORCH_INDEX" ".[$EXTRAS]"

FROM python:3.12-slim
RUN useradd --create-home --uid 1000 siftset && mkdir /data && chown siftset:siftset /data
COPY --from=build /opt/siftset /opt/siftset
ENV PATH=/opt/siftset/bin:$PATH PYTHONUNBUFFERED=1 TOKENIZERS_PARALLELISM=false HF_HUB_DISABLE_TELEMETRY=1
# The embedded model, so that the demo needs no network: siftset curate nike && siftset train nike --yes
ARG EMBEDDED_MODEL=true
USER siftset
RUN [ "$EMBEDDED_MODEL" != true ] || siftset doctor --fetch
WORKDIR /data
ENTRYPOINT ["siftset"]
CMD ["--help"]
