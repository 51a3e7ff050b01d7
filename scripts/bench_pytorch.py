"""The stages of `routelab bench` as Python users write them, timed: PyTorch, scikit-learn, NumPy, sentence-transformers.

    pip install torch scikit-learn numpy sentence-transformers
    python3 scripts/bench_pytorch.py --stages equirouter,knn,knn-sklearn,sweep,sweep-numpy,minilm,clip --threads 2
    python3 scripts/bench_pytorch.py --stages equirouter --device cuda --compile

Same sizes, defaults and random data (other numbers) as `routelab bench`; making the data and importing is not timed. EquiRouter's
head reads the concatenation [z_m ; p_m ; z_m * p_m ; |z_m - p_m|] of every model. Prints JSON of the same form.
`scripts/bench_compare.py` runs both and compares. `--device` and `--compile` (of EquiRouter's network, with `torch.compile`) are for
what PyTorch computes; elsewhere than on the processor, and compiled, a run that is not measured comes first.
"""

import argparse
import json
import os
import statistics
import time


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", default="equirouter,knn,knn-sklearn,sweep,sweep-numpy,minilm,clip")
    for name, default in dict(queries=36497, models=11, dimension=384, epochs=5, prompts=512, images=64, threads=2).items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--train", type=float, default=0.2)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"], help="where PyTorch computes")
    parser.add_argument("--compile", action="store_true", help="EquiRouter's network goes through torch.compile")
    parser.add_argument("--weights", default="models/all-MiniLM-L6-v2")
    parser.add_argument("--clip", default="models/clip-vit-base-patch32")
    return parser.parse_args()


args = arguments()
# Read by the libraries when they are imported.
for library in ["OMP", "MKL", "OPENBLAS"]:
    os.environ[f"{library}_NUM_THREADS"] = str(args.threads)

import numpy as np  # noqa: E402

TRAIN = int(args.train * args.queries)
TEST = args.queries - TRAIN
K, EPSILON, BUDGETS, BATCH, CHUNK = 300, 1e-8, 100, 128, 1024


def synchronize():
    """Waits for the device: PyTorch returns before it is done."""
    if args.device == "cuda":
        import torch

        torch.cuda.synchronize()


def warmed_up(work):
    """Runs `work` once where kernels are compiled; its seconds, or None."""
    if args.device == "cpu" and not args.compile:
        return None
    start = time.perf_counter()
    work()
    synchronize()
    return time.perf_counter() - start


def measured(stage, rows, work, steps=None, on="cpu", warm_up=None):
    """Runs `work`, again and again within a second as `routelab bench` does: median seconds of wall clock, mean seconds of all threads'
    processor time, and the largest resident memory meanwhile."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
        resettable = True
    except OSError:
        resettable = False
    start, cpu, walls = time.perf_counter(), time.process_time(), []
    while not walls or (time.perf_counter() - start < 1 and len(walls) < 25):
        once = time.perf_counter()
        result = work()
        synchronize()
        walls.append(time.perf_counter() - once)
    wall, cpu = statistics.median(walls), (time.process_time() - cpu) / len(walls)
    peak = None
    if resettable:
        with open("/proc/self/status") as file:
            peak = next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))
    stages.append(
        dict(stage=stage, on=on, warm_up=warm_up, seconds=wall, cpu_seconds=cpu, runs=len(walls), rows=rows, steps=steps, peak_mib=peak)
    )
    return result


def equirouter():
    import torch
    from torch import nn
    from torch.nn import functional as F

    width, embedding, trunk, head, rank_weight = 512, 128, [1024, 512], [512], 50.0
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    torch.set_default_device(args.device)
    on = f"PyTorch {args.device}" + (" compiled" if args.compile else "")

    class Block(nn.Module):
        def __init__(self, inputs, outputs):
            super().__init__()
            self.linear, self.norm = nn.Linear(inputs, outputs), nn.LayerNorm(outputs)

        def forward(self, x):
            return self.norm(F.gelu(self.linear(x)))

    class EquiRouter(nn.Module):
        def __init__(self, dimension, models):
            super().__init__()
            first, second = [dimension, *trunk, width], [4 * width, *head]
            self.trunk = nn.Sequential(*(Block(i, o) for i, o in zip(first, first[1:])))
            self.model_embeddings = nn.Parameter(0.02 * torch.randn(models, embedding))
            self.film, self.projection = nn.Linear(embedding, 2 * width), nn.Linear(embedding, width)
            self.head = nn.Sequential(*(Block(i, o) for i, o in zip(second, second[1:])), nn.Linear(head[-1], 1))

        def forward(self, x):
            z = self.trunk(x)[:, None]  # [batch, 1, d]
            scale, shift = self.film(self.model_embeddings).chunk(2, dim=-1)
            p = self.projection(self.model_embeddings)
            z = z * scale + shift  # [batch, models, d]
            p = p.expand_as(z)
            return self.head(torch.cat([z, p, z * p, (z - p).abs()], dim=-1))[..., 0]

    def ranking_loss(scores, quality, cost):
        def gaps(values):
            return values[:, :, None] - values[:, None, :]

        better = (gaps(quality) > 0) | ((gaps(quality) == 0) & (gaps(cost) < 0))
        return F.softplus(-gaps(scores))[better].sum() / better.sum().clamp(min=1)

    compiled = torch.compile(EquiRouter(args.dimension, args.models)) if args.compile else None

    def fit(epochs=args.epochs):
        # Compiling every new network again is not what a fit takes; its time does not depend on the weights.
        network = EquiRouter(args.dimension, args.models) if compiled is None else compiled
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
        for _ in range(epochs):
            for picked in torch.randperm(TRAIN).split(BATCH):
                scores = network(x[picked])
                loss = F.mse_loss(scores, quality[picked])
                loss = loss + rank_weight * ranking_loss(scores, quality[picked], cost[picked])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return network

    def predict():
        with torch.no_grad():
            return torch.cat([network(part) for part in new.split(CHUNK)])

    x, new = torch.rand(TRAIN, args.dimension) - 0.5, torch.rand(TEST, args.dimension) - 0.5
    quality, cost = (torch.rand(TRAIN, args.models) < 0.6).float(), torch.rand(TRAIN, args.models)
    warm_up = warmed_up(lambda: fit(1))
    network = measured("equirouter fit", args.epochs * TRAIN, fit, args.epochs * -(-TRAIN // BATCH), on, warm_up)
    measured("equirouter predict", TEST, predict, None, on, warmed_up(predict))


def numbers():
    rng = np.random.default_rng(0)
    x, new = (rng.random((rows, args.dimension), np.float32) - 0.5 for rows in (TRAIN, TEST))
    return x, new, rng.random((TRAIN, 2 * args.models))


def knn():
    """Products and `topk`; `torch.cdist` computes the same products. As in `routelab bench` training queries are on the device; queries come
    from main memory, and predictions go there."""
    import torch

    torch.set_num_threads(args.threads)
    x, new, targets = (torch.from_numpy(values) for values in numbers())
    x, targets = x.to(args.device), targets.to(args.device)

    def predict():
        squares = (x * x).sum(1)
        parts = []
        for part in new.split(CHUNK):
            part = part.to(args.device)
            distances = (part * part).sum(1, keepdim=True) + squares - 2 * part @ x.T
            nearest, index = distances.topk(min(K, TRAIN), largest=False)
            weights = 1 / (nearest.clamp(min=0).sqrt().double() + EPSILON)
            weights = weights / weights.sum(1, keepdim=True)
            parts.append(torch.einsum("qk,qkm->qm", weights, targets[index]))
        return torch.cat(parts).cpu()

    with torch.no_grad():
        measured("knn predict", TEST, predict, None, f"PyTorch {args.device}", warmed_up(predict))


def knn_sklearn():
    from sklearn.neighbors import KNeighborsRegressor

    x, new, targets = numbers()
    router = KNeighborsRegressor(
        min(K, TRAIN), weights=lambda d: 1 / (d + EPSILON), algorithm="brute", n_jobs=args.threads
    )
    router.fit(x, targets)
    measured("knn-sklearn predict", TEST, lambda: router.predict(new))


def outcomes():
    """Real and predicted quality and cost of the queries that are predicted."""
    rng = np.random.default_rng(0)
    shape = (TEST, args.models)
    price = 1e-4 * 100 ** (np.arange(args.models) / args.models)
    quality, cost = (rng.random(shape) < 0.6).astype(float), price * rng.uniform(0.5, 1.5, shape)
    return quality, cost, 0.5 * quality + rng.random(shape), cost * rng.uniform(0.9, 1.1, shape)


def sweep_with(library, stage, quality, cost, predicted_quality, predicted_cost):
    """One pass over all predictions per budget, in what NumPy and PyTorch both have."""

    def points():
        found, rows = [], library.arange(TEST)
        levels = library.linspace(0, 1, BUDGETS, dtype=library.float64)
        for budget in library.quantile(library.unique(predicted_cost), levels):
            feasible = predicted_cost <= budget
            chosen = library.where(feasible, predicted_quality, -library.inf).argmax(1)
            chosen = library.where(feasible.any(1), chosen, predicted_cost.argmin(1))
            calls = library.bincount(chosen, minlength=args.models) / TEST
            found.append((budget, cost[rows, chosen].mean(), quality[rows, chosen].mean(), calls))
        return found

    measured(stage, TEST, points)


def sweep_numpy():
    sweep_with(np, "sweep-numpy", *outcomes())


def sweep():
    import torch

    torch.set_num_threads(args.threads)
    torch.set_default_device(args.device)
    sweep_with(torch, "sweep", *(torch.from_numpy(values).to(args.device) for values in outcomes()))


def minilm():
    import torch
    from sentence_transformers import SentenceTransformer, models

    torch.set_num_threads(args.threads)
    words = "the model answers a question about which price of water in seven cities is largest ?".split()

    def prompt(row):
        return " ".join(words[(row * 7 + at * at) % len(words)] for at in range(8 + row * 37 % 200))

    transformer = models.Transformer(args.weights, max_seq_length=256)
    pooling = models.Pooling(transformer.get_word_embedding_dimension(), pooling_mode="mean")
    encoder = SentenceTransformer(modules=[transformer, pooling, models.Normalize()], device=args.device)
    prompts = [prompt(row) for row in range(args.prompts)]
    encoder.encode(prompts[:2])
    def encode():
        return encoder.encode(prompts, batch_size=32, show_progress_bar=False)

    measured("minilm encode", args.prompts, encode, None, f"PyTorch {args.device}", warmed_up(encode))


def clip():
    """Preprocessed pixels through the vision tower."""
    import torch
    from transformers import CLIPVisionModelWithProjection

    torch.set_num_threads(args.threads)
    network = CLIPVisionModelWithProjection.from_pretrained(args.clip).eval().to(args.device)
    size = network.config.image_size
    pixels = torch.rand(args.images, 3, size, size, device=args.device) - 0.5

    def encode():
        return torch.cat([network(pixel_values=part).image_embeds for part in pixels.split(16)])

    with torch.no_grad():
        network(pixel_values=pixels[:1])
        measured("clip encode", args.images, encode, None, f"PyTorch {args.device}", warmed_up(encode))


STAGES = {
    "equirouter": equirouter, "knn": knn, "knn-sklearn": knn_sklearn, "sweep": sweep, "sweep-numpy": sweep_numpy, "minilm": minilm,
    "clip": clip,
}  # fmt: skip
stages = []
for name in args.stages.split(","):
    STAGES[name]()
print(json.dumps(dict(threads=args.threads, queries=args.queries, stages=stages), indent=2))
