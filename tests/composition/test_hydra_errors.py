"""What Hydra found wrong is told in any case, also where its frames aren't those that are looked at."""

from collections.abc import Callable
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import ConfigKeyError

from mtl_cli.composition.hydra_errors import hydra_message

ERRORS = [
    ConfigCompositionException("Could not override 'optimzer.learning_rate'.\nKey 'optimzer' is not in struct"),
    ConfigCompositionException("In 'experiment/x': Could not override 'optimzer'. No match in the defaults list."),
    ConfigCompositionException("In 'experiment/x': ValidationError raised while composing config:\nCannot merge"),
    ConfigCompositionException("Error merging override optimizer=null"),
    ConfigCompositionException("Config group override value type cannot be a NoneType"),
    MissingConfigException("In 'config': Could not find 'mode/jiont'", missing_cfg_file="mode/jiont"),
    MissingConfigException("Cannot find primary config 'cnfig'", missing_cfg_file="cnfig"),
    OverrideParseException("steps=(", "mismatched input"),
    ConfigKeyError("Key 'a' is not in struct\n    full_key: a\n    object_type=dict"),
    HydraException("something new"),
]


def _of_nothing(error: Exception, **others: Any) -> None:
    raise error


def _of_other_types(error: Exception, self: Any = 3, override: Any = 3, key: Any = 3, config_path: Any = 3) -> None:
    raise error


def _of_an_override(error: Exception) -> None:
    override = OverridesParser.create().parse_override("optimizer=null")
    override.input_line = override.key_or_group = None  # type: ignore[assignment]
    _of_other_types(error, override=override)


def _of_an_odd_override(error: Exception) -> None:
    override = OverridesParser.create().parse_override("optimizer=null")
    override.input_line = override.key_or_group = 3  # type: ignore[assignment]
    _of_other_types(error, override=override)


@pytest.mark.parametrize("frames", [_of_nothing, _of_other_types, _of_an_override, _of_an_odd_override])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: str(error)[:30])
def test_a_message_whatever_the_frames(error: Exception, frames: Callable[[Exception], None]) -> None:
    with pytest.raises(type(error)) as caught:
        frames(error.with_traceback(None))
    message = hydra_message(caught.value)
    assert message.strip()
    assert "\n" not in message
