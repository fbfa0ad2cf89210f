"""Write one structured line per event, with no secret in it."""

import asyncio
import logging
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import structlog
from aiohttp.http_exceptions import HttpProcessingError

from bot.settings import Settings

Redact = Callable[[str], str]


def configure(settings: Settings, redact: Redact) -> None:
    """Send structlog and the libraries' logging to standard error, as JSON or, on a terminal, as text."""
    pretty = settings.log_format == "pretty" or (settings.log_format is None and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if pretty else structlog.processors.JSONRenderer()
    )
    # Redaction comes last before rendering, so that nothing a processor adds escapes it.
    last: list[structlog.typing.Processor] = [structlog.processors.format_exc_info, _redactor(redact), render]
    level = logging.getLevelName(settings.log_level.upper())
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    handler.addFilter(_is_news)
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)
    _tame_dbos(handler)


def _is_news(record: logging.LogRecord) -> bool:
    """Leave out what is no fault of anyone here, yet comes with a traceback.

    A connection is thrown away because its user was cancelled, as at every stop; a stranger sends what is no
    HTTP, and has had its 400.
    """
    kind = record.exc_info[0] if record.exc_info else None
    if kind is None:
        return True
    is_stranger = record.name == "aiohttp.server" and issubclass(kind, HttpProcessingError)
    return not is_stranger and not (
        record.name.startswith("sqlalchemy.pool") and kind is asyncio.CancelledError
    )


def _redactor(redact: Redact) -> structlog.typing.Processor:
    def clean(value: Any) -> Any:
        if isinstance(value, str):
            return redact(value)
        if isinstance(value, Mapping):
            return {key: clean(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [clean(item) for item in value]
        return value

    def process(logger: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        del logger, name
        return {key: clean(value) for key, value in event.items()}

    return process


def _tame_dbos(handler: logging.Handler) -> None:
    """DBOS adds a handler of its own, which would print past our redaction."""
    logger = logging.getLogger("dbos")
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(logging.WARNING)
