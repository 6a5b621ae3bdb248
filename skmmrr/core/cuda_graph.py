"""Training steps that a GPU repeats by itself: captured once, then replayed.

A step is a thousand kernels and more, of some microseconds each where networks are small, and a
host takes longer to launch one. A CUDA graph launches them all at once.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from threading import Lock

import torch
from torch import Tensor

_WARM_UPS = 3  # steps that run one by one first, as torch asks: libraries set themselves up
_ONE_AT_A_TIME = Lock()  # a process captures one graph, and streams come from one pool


class GraphedStep:
    """A step that the host enqueues without waiting, captured for every shape of its batches.

    Parameters
    ----------
    step : callable (x) -> Tensor
        Changes tensors in place, and reads none back.
    generators : sequence of torch.Generator
        On the GPU: what is random in the step comes from them.
    """

    def __init__(
        self, step: Callable[[Tensor], Tensor], generators: Sequence[torch.Generator]
    ) -> None:
        self.step, self.generators = step, generators
        self.stream = torch.cuda.Stream(generators[0].device)
        self.warm_ups: Counter[torch.Size] = Counter()
        self.captured: dict[torch.Size, tuple[torch.cuda.CUDAGraph, Tensor, Tensor]] = {}

    def __call__(self, x: Tensor) -> Tensor:
        """Take a step on a batch."""
        with _ONE_AT_A_TIME, torch.cuda.device(self.stream.device):
            if self.warm_ups[x.shape] < _WARM_UPS:
                self.warm_ups[x.shape] += 1
                (output,) = side_by_side([lambda: self.step(x)], [self.stream])
                return output
            if x.shape not in self.captured:
                self.captured[x.shape] = self._capture(x)
            graph, batch, output = self.captured[x.shape]
            batch.copy_(x)
            graph.replay()
            return output.clone()  # the next call overwrites it

    def _capture(self, x: Tensor) -> tuple[torch.cuda.CUDAGraph, Tensor, Tensor]:
        graph, batch = torch.cuda.CUDAGraph(), x.clone()
        for generator in self.generators:
            graph.register_generator_state(generator)
        with torch.cuda.graph(graph, stream=self.stream, capture_error_mode="thread_local"):
            output = self.step(batch)
        return graph, batch, output


def side_by_side(
    tasks: Sequence[Callable[[], Tensor]], streams: Sequence[torch.cuda.Stream] | None
) -> list[Tensor]:
    """Results of tasks that do not depend on each other, each on a stream of its own.

    They are enqueued in their order, and what follows waits for them all. Without streams they run
    one after the other.
    """
    if streams is None:
        return [task() for task in tasks]
    main, results = torch.cuda.current_stream(streams[0].device), []
    started: list[torch.cuda.Stream] = []
    try:
        for task, stream in zip(tasks, streams, strict=True):
            stream.wait_stream(main)
            started.append(stream)
            with torch.cuda.stream(stream):
                results.append(task())
    finally:  # after Ctrl-C too
        for stream in started:
            main.wait_stream(stream)
    return results
