"""One pass over rows, to train on them or to measure: on TensorFlow a whole pass is one graph.

`keras.Model.fit` comes back to Python after every batch, which on small models is most of the time.
Here the loop over batches runs inside the graph, around the model's own `train_step` and
`test_step`, so that what is computed stays Keras' own. Other backends use `fit` and `evaluate`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from truefit.mapped import read

CHUNK = 32 * 2**20  # bytes of rows that are handed over at a time
MEASURE_BATCH = 1024  # rows at a time when losses are measured; only a GAN's depends on it
MEASURE_BYTES = 16 * 2**20  # of such a batch as float32: large images go by fewer at a time
Logs = dict[str, float]
Rows = tuple[np.ndarray, np.ndarray]
Pass = Callable[[np.ndarray, np.ndarray], Logs]
Augment = Callable[[np.ndarray, np.ndarray], Rows]
Example = tuple[int, Rows]  # a batch size, and rows that show shapes and types


class Passes:
    """The two passes over a compiled model; metrics are averages over the rows of a pass."""

    def __init__(
        self, model: Any, batch_size: int, rows: Rows, augment: Augment | None = None
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
        few = read(rows[0], slice(2)), read(rows[1], slice(2))
        self._train, self._test = make(
            model, (batch_size, self._augmented(*few)), (self._measure_batch, few)
        )

    def train(self, rows: Rows, order: np.ndarray) -> Logs:
        """One epoch over `rows` in the order of these indices, as averages over a moving model."""
        x, y = rows
        places = parts(len(order), x, self._batch_size)
        pairs = (self._augmented(read(x, order[p]), read(y, order[p])) for p in places)
        return self._collect(self._train, pairs)

    def _augmented(self, x: np.ndarray, y: np.ndarray) -> Rows:
        return self.augment(x, y) if self.augment else (x, y)

    def measure(self, rows: Rows) -> Logs:
        """Loss and metrics of the model as it stands, with dropout off."""
        x, y = rows
        places = parts(len(x), x, self._measure_batch)
        return self._collect(self._test, ((read(x, p), read(y, p)) for p in places))

    def _collect(self, run: Pass, pairs: Iterable[Rows]) -> Logs:
        self._model.reset_metrics()
        done = [(len(x), run(x, y)) for x, y in pairs]
        if self._in_graph:  # the metrics went on from part to part
            return {name: float(value) for name, value in done[-1][1].items()}
        total = sum(count for count, _ in done)
        return {
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


def _graphs(model: Any, train: Example, test: Example) -> tuple[Pass, Pass]:
    import tensorflow as tf  # noqa: PLC0415

    # Loss and metrics make their variables at first use, which must lie outside the graphs.
    model.test_step(tuple(tf.constant(part[:1]) for part in test[1]))
    model.optimizer.build(model.trainable_variables)

    def graph(step: Callable[[Any], Any], example: Example) -> Pass:
        size, rows = example
        specs = [tf.TensorSpec((None, *part.shape[1:]), part.dtype) for part in rows]
        if model.jit_compile:
            step = tf.function(step, jit_compile=True, reduce_retracing=True)

        def run(x: Any, y: Any) -> Any:
            count = tf.shape(x)[0]

            def batch(start: Any) -> tuple[Any]:
                end = tf.minimum(start + size, count)
                step((x[start:end], y[start:end]))
                return (end,)

            tf.while_loop(lambda start: start < count, batch, (tf.constant(0),))
            return model.get_metrics_result()

        return tf.function(run, input_signature=specs, autograph=False)  # type: ignore[no-any-return]

    return graph(model.train_step, train), graph(model.test_step, test)


def _loops(model: Any, train: Example, test: Example) -> tuple[Pass, Pass]:
    def fit(x: np.ndarray, y: np.ndarray) -> Logs:
        done = model.fit(x, y, batch_size=train[0], shuffle=False, verbose=0)
        return {name: values[-1] for name, values in done.history.items()}

    def measure(x: np.ndarray, y: np.ndarray) -> Logs:
        logs: Logs = model.evaluate(x, y, batch_size=test[0], verbose=0, return_dict=True)
        return logs

    return fit, measure
