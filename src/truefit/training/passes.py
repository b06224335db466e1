"""One pass over rows, to train on them or to measure: on TensorFlow a whole pass is one graph.

`keras.Model.fit` comes back to Python after every batch, which on small models is most of the time.
Here the loop over batches runs inside the graph, around the model's own `train_step` and
`test_step`, so that what is computed stays Keras' own. Other backends use `fit` and `evaluate`.

Keras' `steps_per_execution` also loops inside the graph (3.15 unrolls no steps unless it is told
to), but each step still takes its batch from a `tf.data` iterator. An epoch of a small MLP on 1,400
rows in batches of 32 took 80 ms of CPU time with `fit`, 47 ms with `steps_per_execution` and 8 ms
here. On JAX that argument returns to Python after every step, and PyTorch refuses it.

Where a training has a time limit, a pass asks between batches whether it has passed. The graph then
gets a group of batches at a time: the same steps in the same order, with the same results.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from truefit.core.prepared.mapped import read
from truefit.core.results import Logs

if TYPE_CHECKING:
    import keras

CHUNK = 32 * 2**20  # bytes of rows that are handed over at a time
MEASURE_BATCH = 1024  # rows at a time when losses are measured; only a GAN's depends on it
MEASURE_BYTES = 16 * 2**20  # of such a batch as float32: large images go by fewer at a time
# Seconds that a group of batches takes about: a call of the graph costs a thousandth of that.
GROUP = 0.25
Rows = tuple[np.ndarray, np.ndarray]
Over = Callable[[], bool]  # whether a pass has to end
# Goes over rows and targets in order until it has to end: how many it saw, and their averages.
Pass = Callable[[np.ndarray, np.ndarray, Over | None], tuple[int, Logs]]
Augment = Callable[[np.ndarray, np.ndarray], Rows]
# Takes a batch of rows and targets; returns loss and metrics so far.
Step = Callable[[tuple["keras.KerasTensor", "keras.KerasTensor"]], dict[str, "keras.KerasTensor"]]
Example = tuple[int, Rows]  # a batch size, and rows that show shapes and types


class Passes:
    """The two passes over a compiled model; metrics are averages over the rows of a pass."""

    def __init__(
        self, model: keras.Model, batch_size: int, rows: Rows, augment: Augment | None = None
    ) -> None:
        """`rows` are any of those to come: they show shapes and types.

        `augment` gives the rows and targets that are trained on in place of those read.
        """
        import keras  # noqa: PLC0415 - the backend is chosen by the environment before this

        self._model, self._batch_size = model, batch_size
        self._measure_batch = batch_within(rows[0], MEASURE_BATCH)
        self._in_graph = keras.backend.backend() == "tensorflow"
        make = _graphs if self._in_graph else _loops
        self.augment = augment
        self.over: Over | None = None  # whether the time limit has passed, if there is one
        few = read(rows[0], slice(2)), read(rows[1], slice(2))
        self._train, self._test = make(
            model, (batch_size, self._augmented(*few)), (self._measure_batch, few)
        )

    def train(self, rows: Rows, order: np.ndarray) -> tuple[int, Logs]:
        """One epoch over `rows` in the order of these indices, as averages over a moving model.

        With how many rows it was: fewer, but at least one batch, where it is `over` before its end.
        """
        x, y = rows
        places = parts(len(order), x, self._batch_size)
        pairs = (self._augmented(read(x, order[p]), read(y, order[p])) for p in places)
        return self._collect(self._train, pairs, self.over)

    def _augmented(self, x: np.ndarray, y: np.ndarray) -> Rows:
        return self.augment(x, y) if self.augment else (x, y)

    def measure(self, rows: Rows) -> Logs:
        """Loss and metrics of the model as it stands, with dropout off."""
        x, y = rows
        places = parts(len(x), x, self._measure_batch)
        pairs = ((read(x, p), read(y, p)) for p in places)
        return self._collect(self._test, pairs, self._never if self.over else None)[1]

    def _never(self) -> bool:
        """A measurement goes on to its end, and asks as a sign that it does."""
        if self.over:
            self.over()
        return False

    def _collect(self, run: Pass, pairs: Iterable[Rows], over: Over | None) -> tuple[int, Logs]:
        self._model.reset_metrics()
        done: list[tuple[int, Logs]] = []
        for x, y in pairs:
            done.append(run(x, y, over))
            if done[-1][0] < len(x) or (over and over()):
                break
        total = sum(count for count, _ in done)
        if self._in_graph:  # the metrics went on from part to part
            return total, {name: float(value) for name, value in done[-1][1].items()}
        return total, {
            name: sum(count * logs[name] for count, logs in done) / total for name in done[0][1]
        }


def batch_within(rows: np.ndarray, most: int) -> int:
    """How many rows make a batch of at most `most` and MEASURE_BYTES."""
    return max(1, min(most, MEASURE_BYTES // max(1, 4 * rows[:1].size)))


def parts(count: int, x: np.ndarray, batch_size: int) -> Iterator[slice]:
    """Slices of whole batches, each of at most CHUNK bytes or one batch."""
    row = max(1, x[:1].nbytes)
    size = max(1, CHUNK // row // batch_size) * batch_size
    return (slice(start, start + size) for start in range(0, count, size))


def _graphs(model: keras.Model, train: Example, test: Example) -> tuple[Pass, Pass]:
    import tensorflow as tf  # noqa: PLC0415

    # Loss and metrics make their variables at first use, which must lie outside the graphs.
    model.test_step(tuple(tf.constant(part[:1]) for part in test[1]))
    model.optimizer.build(model.trainable_variables)

    def graph(step: Step, example: Example) -> Pass:
        size, rows = example
        specs = [tf.TensorSpec((None, *part.shape[1:]), part.dtype) for part in rows]
        if model.jit_compile:
            step = tf.function(step, jit_compile=True, reduce_retracing=True)

        def loop(x: keras.KerasTensor, y: keras.KerasTensor) -> dict[str, keras.KerasTensor]:
            count = tf.shape(x)[0]

            def batch(start: keras.KerasTensor) -> tuple[keras.KerasTensor]:
                end = tf.minimum(start + size, count)
                step((x[start:end], y[start:end]))
                return (end,)

            tf.while_loop(lambda start: start < count, batch, (tf.constant(0),))
            values: dict[str, keras.KerasTensor] = model.get_metrics_result()
            return values

        return _grouped(tf.function(loop, input_signature=specs, autograph=False), size)

    return graph(model.train_step, train), graph(model.test_step, test)


def _grouped(loop: Callable[[np.ndarray, np.ndarray], Logs], batch_size: int) -> Pass:
    """A pass that asks between groups of batches of about GROUP seconds whether it is over."""
    batches = 1  # in a group; the first says how fast they are

    def run(x: np.ndarray, y: np.ndarray, over: Over | None) -> tuple[int, Logs]:
        if over is None:
            return len(x), loop(x, y)
        nonlocal batches
        end = 0
        while True:
            start, end = end, min(len(x), end + batches * batch_size)
            began = time.monotonic()
            # As numbers, which a GPU has once it has done its work.
            logs = {name: float(value) for name, value in loop(x[start:end], y[start:end]).items()}
            pace = GROUP / (time.monotonic() - began)
            batches = max(1, int(batches * min(2.0, max(0.5, pace))))
            if end == len(x) or over():
                return end, logs

    return run


def _loops(model: keras.Model, train: Example, test: Example) -> tuple[Pass, Pass]:
    from keras.callbacks import LambdaCallback  # noqa: PLC0415 - after the backend is chosen

    def fit(x: np.ndarray, y: np.ndarray, over: Over | None) -> tuple[int, Logs]:
        last = len(x)

        def ask(batch: int, logs: object = None) -> None:  # noqa: ARG001 - Keras' signature
            nonlocal last
            if batch and over and over():
                last, model.stop_training = batch, True  # Keras ends after this batch

        asking = [LambdaCallback(on_train_batch_begin=ask)] if over else None
        done = model.fit(
            x, y, batch_size=train[0], shuffle=False, verbose=0, callbacks=asking
        )  # fmt: skip
        model.stop_training = False
        count = min(len(x), (last + 1) * train[0])
        return count, {name: values[-1] for name, values in done.history.items()}

    def measure(x: np.ndarray, y: np.ndarray, over: Over | None) -> tuple[int, Logs]:
        asking = [LambdaCallback(on_test_batch_begin=lambda *_, **__: over())] if over else None
        logs: Logs = model.evaluate(
            x, y, batch_size=test[0], verbose=0, return_dict=True, callbacks=asking
        )
        return len(x), logs

    return fit, measure
