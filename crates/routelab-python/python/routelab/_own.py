"""Routers that are written in Python, as RouteLab sees them.

An object is a router if it has `fit(x, quality, cost)` and `predict(x)`; `x` is `[queries, dimension]` in single precision, `quality`
and `cost` are `[queries, models]`. `predict` gives `(quality, cost)`, or quality alone: costs are then those of the network that all
routers without costs of their own share. An object whose `fit` takes two arguments, such as an estimator of scikit-learn, is fitted on
quality alone.
"""

from __future__ import annotations

import copy
import hashlib
import inspect
import pickle
import traceback
import types
from collections.abc import Iterator
from typing import Any

import numpy as np

_PLAIN = (bool, int, float, str)


class Own:
    """A router written in Python, with its settings."""

    def __init__(self, kind: str, router: Any) -> None:
        if isinstance(router, type):
            raise ValueError(f"router {kind!r} is a class: give an object, such as {router.__name__}()")
        for method in ("fit", "predict"):
            if not callable(getattr(router, method, None)):
                raise ValueError(
                    f"router {kind!r} has no method `{method}`: expected fit(x, quality, cost) and predict(x)"
                )
        try:
            pickle.dumps(router)
        except Exception as error:
            raise ValueError(
                f"router {kind!r} cannot be pickled, so no run can keep it: {error}; define its class at the top level of a module"
                " or a notebook"
            ) from error
        self.kind = kind
        self.router = router

    @property
    def settings(self) -> dict[str, Any]:
        """Its plain settings by name: parameters of an estimator, or attributes."""
        if hasattr(self.router, "get_params"):
            found = self.router.get_params(deep=False)
        else:
            found = getattr(self.router, "__dict__", {})
        return {name: value for name, value in found.items() if isinstance(value, _PLAIN) and not name.startswith("_")}

    @property
    def code(self) -> str:
        """A hash of what the router is beside its settings: what it holds, the code of its class and of the classes of what it holds."""
        digest = hashlib.sha256(pickle.dumps(self.router))
        held = [self.router, *getattr(self.router, "__dict__", {}).values()]
        for cls in dict.fromkeys(cls for each in held for cls in type(each).__mro__):
            digest.update(f"{cls.__module__}.{cls.__qualname__}".encode())
            for name, member in sorted(vars(cls).items()):
                _digest(digest, name, getattr(member, "__func__", member))
        for each in held:
            _digest(digest, "", each)
        return digest.hexdigest()[:16]

    def with_settings(self, given: dict[str, Any]) -> Own:
        """A copy with other settings."""
        unknown = [name for name in given if name not in self.settings]
        if unknown:
            known = ", ".join(f"`{name}`" for name in self.settings) or "no settings"
            raise ValueError(f"unknown field `{unknown[0]}`, expected {known}")
        router = copy.deepcopy(self.router)
        for name, value in given.items():
            usual = self.settings[name]
            if isinstance(usual, float) and isinstance(value, int) and not isinstance(value, bool):
                value = float(value)
            if type(value) is not type(usual):
                raise ValueError(f"`{name}`: expected {type(usual).__name__}, not {value!r}")
            if hasattr(router, "set_params"):
                router.set_params(**{name: value})
            else:
                setattr(router, name, value)
        return Own(self.kind, router)

    def fit(self, x: Any, quality: Any, cost: Any, seed: int) -> Fitted:
        """A copy that is fitted; this one stays as it is, for other seeds."""
        router = copy.deepcopy(self.router)
        parameters = inspect.signature(router.fit).parameters
        if hasattr(router, "get_params"):
            # Estimators of scikit-learn: seeds of 32 bits, and only where nobody gave one.
            params = router.get_params(deep=True)
            free = [name for name in params if name.split("__")[-1] == "random_state" and params[name] is None]
            router.set_params(**dict.fromkeys(free, seed % 2**32))
        with_cost = "cost" in parameters or len(_required(parameters)) > 2
        arguments = (x, quality, cost) if with_cost else (x, quality)
        router.fit(*arguments, **({"seed": seed} if "seed" in parameters else {}))
        return Fitted(self.kind, router)


class Fitted:
    """A router that can predict."""

    def __init__(self, kind: str, router: Any) -> None:
        self.kind = kind
        self.router = router

    def predicts_cost(self, x: Any, models: int) -> bool:
        return self.predict(x[:2], models)[1] is not None

    def predict(self, x: Any, models: int) -> tuple[Any, Any]:
        predicted = self.router.predict(x)
        quality, cost = predicted if isinstance(predicted, tuple) else (predicted, None)
        shape = (len(x), models)
        for name, matrix in (("quality", quality), ("cost", cost)):
            if matrix is not None and np.shape(matrix) != shape:
                raise ValueError(f"predict gave {name} of the shape {np.shape(matrix)}; expected {shape}, [queries, models]")
        return quality, cost

    def pickle(self) -> bytes:
        return pickle.dumps(self.router)


def unpickled(kind: str, data: bytes) -> Fitted:
    return Fitted(kind, pickle.loads(data))


def told(error: BaseException) -> str:
    """What went wrong, in a line, and where in the caller's code."""
    said = f"{error}" if type(error) is ValueError else f"{type(error).__name__}: {error}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    return f"{said} ({frames[-1].filename}, line {frames[-1].lineno})" if frames else said


def _required(parameters: Any) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [
        name
        for name, parameter in parameters.items()
        if parameter.kind in kinds and parameter.default is inspect.Parameter.empty
    ]


def _digest(digest: Any, name: str, member: Any) -> None:
    function = inspect.unwrap(member) if callable(member) and not isinstance(member, type) else None
    if isinstance(function, types.FunctionType):
        digest.update(name.encode())
        for part in _code(function.__code__):
            digest.update(part)


def _code(code: types.CodeType) -> Iterator[bytes]:
    yield code.co_code
    yield repr(code.co_names).encode()
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _code(constant)
        else:
            yield repr(constant).encode()
