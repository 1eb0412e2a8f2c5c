"""Recorded sequences as training wants them: samples by index, in batches, shuffled, resumable."""

from typing import TYPE_CHECKING

from ncore._lazy import lazy_exports

if TYPE_CHECKING:
    from ncore.loaders.epochs import EpochSampler as EpochSampler
    from ncore.loaders.errors import LoaderArgumentError as LoaderArgumentError
    from ncore.loaders.errors import LoaderError as LoaderError
    from ncore.loaders.errors import SampleIndexError as SampleIndexError
    from ncore.loaders.errors import SequenceChangedError as SequenceChangedError
    from ncore.loaders.errors import StateError as StateError
    from ncore.loaders.errors import UnknownFieldError as UnknownFieldError
    from ncore.loaders.frame_source import FrameSource as FrameSource
    from ncore.loaders.prefetch import PrefetchLoader as PrefetchLoader
    from ncore.loaders.resume import ResumableLoader as ResumableLoader
    from ncore.loaders.stacking import stack_samples as stack_samples

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "EpochSampler": "ncore.loaders.epochs",
        "FrameSource": "ncore.loaders.frame_source",
        "LoaderArgumentError": "ncore.loaders.errors",
        "LoaderError": "ncore.loaders.errors",
        "PrefetchLoader": "ncore.loaders.prefetch",
        "ResumableLoader": "ncore.loaders.resume",
        "SampleIndexError": "ncore.loaders.errors",
        "SequenceChangedError": "ncore.loaders.errors",
        "StateError": "ncore.loaders.errors",
        "UnknownFieldError": "ncore.loaders.errors",
        "stack_samples": "ncore.loaders.stacking",
    },
)
