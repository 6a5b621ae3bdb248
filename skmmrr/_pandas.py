"""pandas, imported when a table is made and not before."""

from typing import Any


def import_pandas(owner: str) -> Any:
    """Import pandas, or say how to get it."""
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(
            f"{owner} needs pandas. Install it with: pip install 'skmmrr[benchmark]'"
        ) from error
    return pd
