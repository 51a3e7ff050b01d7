"""EquiRouter in plain PyTorch, timed: the twin of `crates/routelab-heads/examples/bench_equirouter.rs`.

The same network (default sizes), loss and optimizer as RouteLab's, written as PyTorch users write it: the head reads the
concatenation [z_m ; p_m ; z_m * p_m ; |z_m - p_m|] of every model. Random data. Prints one line of JSON.

    python3 scripts/bench_pytorch.py [rows] [models] [dimension] [batch] [steps] [threads]
"""

import json
import resource
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

D, K, TRUNK, HEAD = 512, 128, [1024, 512], [512]
RANK_WEIGHT = 50.0


class Block(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.linear, self.norm = nn.Linear(inputs, outputs), nn.LayerNorm(outputs)

    def forward(self, x):
        return self.norm(F.gelu(self.linear(x)))


class EquiRouter(nn.Module):
    def __init__(self, dimension, models):
        super().__init__()
        trunk, head = [dimension, *TRUNK, D], [4 * D, *HEAD]
        self.trunk = nn.Sequential(*(Block(i, o) for i, o in zip(trunk, trunk[1:])))
        self.model_embeddings = nn.Parameter(0.02 * torch.randn(models, K))
        self.film, self.projection = nn.Linear(K, 2 * D), nn.Linear(K, D)
        self.head = nn.Sequential(*(Block(i, o) for i, o in zip(head, head[1:])), nn.Linear(head[-1], 1))

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


def usage():
    """Seconds of wall clock and of processor time, of all threads."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter(), spent.ru_utime + spent.ru_stime


def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    given = [int(value) for value in sys.argv[1:]]
    rows, models, dimension, batch, steps, threads = given + [2048, 11, 384, 128, 32, 2][len(given) :]
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    x, quality, cost = torch.randn(rows, dimension), torch.rand(rows, models), torch.rand(rows, models)
    network = EquiRouter(dimension, models)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    start_mib = peak_mib()

    begin = usage()
    order = torch.randperm(rows)
    for step in range(steps):
        if step * batch % rows + batch > rows:
            order = torch.randperm(rows)
        picked = order[step * batch % rows :][:batch]
        scores = network(x[picked])
        loss = F.mse_loss(scores, quality[picked]) + RANK_WEIGHT * ranking_loss(scores, quality[picked], cost[picked])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    fitted, fit_mib = usage(), peak_mib()
    with torch.no_grad():
        torch.cat([network(part) for part in x.split(1024)])
    predicted = usage()
    print(
        json.dumps(
            {
                "fit_s": round(fitted[0] - begin[0], 4),
                "fit_cpu_s": round(fitted[1] - begin[1], 4),
                "predict_s": round(predicted[0] - fitted[0], 4),
                "predict_cpu_s": round(predicted[1] - fitted[1], 4),
                "start_mib": round(start_mib, 1),
                "fit_mib": round(fit_mib, 1),
                "peak_mib": round(peak_mib(), 1),
            }
        )
    )


if __name__ == "__main__":
    main()
