"""Makes dp-accounting.json, the values that our accountants are compared with.

    python3 -m venv venv && venv/bin/pip install dp-accounting
    venv/bin/python packages/privacy/test/vectors/dp_accounting_grid.py > packages/privacy/test/vectors/dp-accounting.json

Google's dp-accounting computes all of them; the versions that did are in the file.
"""

import itertools
import json
import math
import platform
import sys
from importlib.metadata import version

import dp_accounting
from dp_accounting import pld, rdp
from dp_accounting.pld import privacy_loss_distribution as losses

ORDERS = [1.5, 2, 2.5, 4, 7.3, 16, 33, 64]
DELTAS = [1e-4, 1e-6, 1e-9]


def finite(values):
    """None where dp-accounting gives up on an order (its series for fractional orders did not converge)."""
    return [float(value) if math.isfinite(value) else None for value in values]


def event(sigma, rate, steps):
    one = dp_accounting.GaussianDpEvent(sigma)
    if rate < 1:
        one = dp_accounting.PoissonSampledDpEvent(rate, one)
    return dp_accounting.SelfComposedDpEvent(one, steps)


def subsampled_gaussian():
    for sigma, rate in itertools.product([0.6, 1.0, 2.5, 8.0], [0.001, 0.02, 0.3, 1.0]):
        accountant = rdp.RdpAccountant(ORDERS)
        accountant.compose(event(sigma, rate, 1))
        yield {"noiseMultiplier": sigma, "samplingRate": rate, "rdp": finite(accountant.rdp)}


def conversions():
    for sigma, rate, steps in [(1.0, 0.02, 500), (2.5, 0.3, 40), (8.0, 1.0, 10), (0.6, 0.001, 5000)]:
        accountant = rdp.RdpAccountant(ORDERS)
        accountant.compose(event(sigma, rate, steps))
        yield {
            "noiseMultiplier": sigma,
            "samplingRate": rate,
            "steps": steps,
            "epsilon": [accountant.get_epsilon(delta) for delta in DELTAS],
        }


def loss_epsilons(distribution):
    return {
        "epsilon": [distribution.get_epsilon_for_delta(delta) for delta in DELTAS],
        "delta": {str(e): distribution.get_delta_for_epsilon(e) for e in [0.25, 1.0, 3.0]},
    }


def gaussian_losses():
    cases = [(0.7, 1.0, 1), (4.0, 1.0, 4), (8.0, 1.0, 20), (1.0, 0.02, 500), (2.5, 0.3, 40), (0.6, 0.001, 2000), (4.0, 0.1, 300)]
    for sigma, rate, steps in cases:
        one = losses.from_gaussian_mechanism(sigma, sampling_prob=rate, value_discretization_interval=1e-4)
        yield {
            "noiseMultiplier": sigma,
            "samplingRate": rate,
            "steps": steps,
            **loss_epsilons(one.self_compose(steps)),
        }


def discrete_gaussian_losses():
    for sigma, sensitivity, steps in [(1.0, 1, 1), (2.0, 1, 5), (7.5, 3, 2), (40.0, 10, 8)]:
        one = losses.from_discrete_gaussian_mechanism(sigma, sensitivity=sensitivity, value_discretization_interval=1e-4)
        yield {"sigma": sigma, "sensitivity": sensitivity, "steps": steps, **loss_epsilons(one.self_compose(steps))}


def mixed_losses():
    first = losses.from_gaussian_mechanism(3.0, sampling_prob=0.1, value_discretization_interval=1e-4)
    second = losses.from_discrete_gaussian_mechanism(6.0, sensitivity=2, value_discretization_interval=1e-4)
    third = losses.from_gaussian_mechanism(5.0, value_discretization_interval=1e-4)
    composed = first.self_compose(30).compose(second.self_compose(2)).compose(third)
    yield {
        "terms": [
            {"noiseMultiplier": 3.0, "samplingRate": 0.1, "times": 30},
            {"sigma": 6.0, "sensitivity": 2, "times": 2},
            {"noiseMultiplier": 5.0, "samplingRate": 1.0, "times": 1},
        ],
        **loss_epsilons(composed),
    }


def restarted_trees():
    for sigma, steps in [(1.13, 1600), (8.83, 1600), (3.0, 1), (3.0, 64), (3.0, 63)]:
        accountant = rdp.RdpAccountant(ORDERS, dp_accounting.NeighboringRelation.REPLACE_SPECIAL)
        accountant.compose(dp_accounting.dp_event.SingleEpochTreeAggregationDpEvent(sigma, steps))
        yield {"noiseMultiplier": sigma, "steps": steps, "rdp": finite(accountant.rdp)}


def calibrated_gaussians():
    for epsilon, delta, rate, steps in [(1.0, 1e-6, 1.0, 10), (4.0, 1e-6, 1.0, 4), (2.0, 1e-5, 0.05, 200)]:
        make = {
            "rdp": lambda: rdp.RdpAccountant(ORDERS),
            "pld": lambda: pld.PLDAccountant(value_discretization_interval=1e-4),
        }
        yield {
            "epsilon": epsilon,
            "delta": delta,
            "samplingRate": rate,
            "steps": steps,
            "noiseMultiplier": {
                name: dp_accounting.calibrate_dp_mechanism(
                    maker, lambda sigma: event(sigma, rate, steps), epsilon, delta, tol=1e-6
                )
                for name, maker in make.items()
            },
        }


json.dump(
    {
        "madeBy": "dp_accounting_grid.py",
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ["dp-accounting", "numpy", "scipy"]},
        },
        "orders": ORDERS,
        "deltas": DELTAS,
        "subsampledGaussian": list(subsampled_gaussian()),
        "conversions": list(conversions()),
        "gaussianLosses": list(gaussian_losses()),
        "discreteGaussianLosses": list(discrete_gaussian_losses()),
        "mixedLosses": list(mixed_losses()),
        "restartedTrees": list(restarted_trees()),
        "calibratedGaussians": list(calibrated_gaussians()),
    },
    sys.stdout,
    indent=1,
)
sys.stdout.write("\n")
